"""How much of one image is seen in another, told by features that have not met: quick, to rank."""

from torch import Tensor
from torch.nn import functional

PART_CELLS = 2  # to each side: a keyframe's cells are averaged so far
TEMPERATURE = 0.05


def parts_of(keyframes: Tensor) -> Tensor:
    """
    Return what is looked for of keyframes.

    :param keyframes: (k, C, h, w) from `CoarseMatcher.image_features`.
    :return: (k, C, parts), unit norm.
    """
    return _distinct(functional.avg_pool2d(keyframes, PART_CELLS, ceil_mode=True))


def cell_likeness(query: Tensor, parts: Tensor) -> Tensor:
    """
    Add up how surely the parts of each keyframe are found in the query, and only there.

    LoFTR's dual softmax on the features of single images: some thirty times as fast as matching.

    :param query: (1, C, h, w) from `CoarseMatcher.image_features`.
    :param parts: (k, C, parts) of keyframes, from `parts_of`.
    :return: (k,), from 0 to the number of parts.
    """
    # Correlations are bounded, so that their exponentials are finite as they are.
    likely = (parts.mT @ (_distinct(query) / TEMPERATURE)).exp_()  # (k, parts, h w)
    of_part, of_cell = likely.sum(2), likely.sum(1, keepdim=True)
    return likely.square_().div_(of_cell).amax(2).div_(of_part).sum(1)


def _distinct(features: Tensor) -> Tensor:
    """Return what sets the cells of an image apart from each other, (B, C, n) of unit norm."""
    cells = features.flatten(2)
    return functional.normalize(cells - cells.mean(2, keepdim=True), dim=1)
