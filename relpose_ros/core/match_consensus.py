"""
Neighbours that match alike vouch for each other (neighbourhood consensus).

A cell of a plain wall looks like many. The cells around it that match say how far it moved: the
idea of Rocco et al., Neighbourhood Consensus Networks (2018), with fixed weights instead of
learned convolutions.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# What nothing vouches for is not impossible: the edge of an object has neighbours of another.
FLOOR = 0.02
LEAST = 1e-30  # keeps quotients finite

Combine = Callable[..., Tensor]  # torch.maximum or torch.add


def vouched(likely: Tensor, shape_1: tuple[int, int], shape_2: tuple[int, int]) -> Tensor:
    """
    Weigh how likely matches are by how their neighbours match; two rounds.

    :param likely: (B, h1 w1, h2 w2), how likely cells match each other: LoFTR's dual softmax.
    :param shape_1: rows and columns of image 1.
    :param shape_2: rows and columns of image 2.
    :return: (B, h1 w1, h2 w2): the larger, the likelier the match.
    """
    likely = _support(likely, shape_1, shape_2).mul_(likely)
    forth, back = (likely.sum(axis, keepdim=True).clamp_min(LEAST) for axis in (2, 1))
    each_other = (likely / forth).mul_(likely).div_(back)
    return _support(each_other, shape_1, shape_2).mul_(likely)


def _support(likely: Tensor, shape_1: tuple[int, int], shape_2: tuple[int, int]) -> Tensor:
    """
    Add up how likely the 3x3 around each cell move by what it would move by, or by a cell more.

    :return: the square of the mean: neighbours count twice beside the cell's own likeliness.
    """
    likely = likely.unflatten(2, shape_2).unflatten(1, shape_1)  # (B, h1, w1, h2, w2)
    for axis in (3, 4):
        likely = _with_neighbours(likely, (axis,), torch.maximum)
    for axes in ((1, 3), (2, 4)):
        likely = _with_neighbours(likely, axes, torch.add)
    return likely.flatten(3).flatten(1, 2).div_(9).add_(FLOOR).square_()


def _with_neighbours(likely: Tensor, axes: tuple[int, ...], combine: Combine) -> Tensor:
    """Combine each entry with those before and after it, along all axes at once."""
    combined = likely.clone()
    for here, there in ((0, 1), (1, 0)):
        to, of = combined, likely
        for axis in axes:
            length = likely.shape[axis] - 1
            to, of = to.narrow(axis, here, length), of.narrow(axis, there, length)
        combine(to, of, out=to)
    return combined
