"""Matching and warping (paper section 3.2): from two feature maps to one correspondence map."""

from dataclasses import dataclass
from typing import NamedTuple

from relpose_ros.core.match_consensus import vouched
from relpose_ros.core.matcher import CELL_PX
import torch
from torch import Tensor

# Places between cells: the softmax of a match's surroundings is sharper than what the matcher
# learned to tell cells apart by. With twice its temperature places are nearest to the truth.
PLACE_TEMPERATURE = 2.0


@dataclass(frozen=True, slots=True)
class Correspondence:
    """
    What each cell of image 1 corresponds to in image 2.

    :param features_2: (B, C, h1, w1), features of image 2 warped to image 1.
    :param cells_2: (B, 2, h1, w1), column and row in image 2's grid.
    :param centres_2: (B, 2, h1, w1), the same between cells: the mean of the 3x3 around the match
        by their softmax, and for mutual matches the mean of what both images say.
    :param confidence: (B, 1, h1, w1), softmax over image 2 at the match (paper eq. 2).
    :param belief: (B, h1, w1), of mutual matches, that is best matches of their match, the
        geometric mean of both confidences; 0 for others.
    """

    features_2: Tensor
    cells_2: Tensor
    centres_2: Tensor
    confidence: Tensor
    belief: Tensor

    @property
    def mutual(self) -> Tensor:
        """Return (B, h1, w1) bool."""
        return self.belief > 0


def correspond(
    features_1: Tensor,
    features_2: Tensor,
    temperature: float,
    soft: bool = False,
    consensus: bool = False,
) -> tuple[Correspondence, Correspondence]:
    """
    Match every cell of each image and warp the other one to it.

    :param features_1: (B, C, h1, w1).
    :param features_2: (B, C, h2, w2).
    :param temperature: divides the correlations.
    :param soft: average features and places over the other image by the softmax instead of taking
        those of the match (the paper's ablation; eq. 1 is the hard one).
    :param consensus: matches that their neighbours bear out are preferred; else, as in the paper,
        each cell matches on its own.
    :return: what the cells of image 1 correspond to in image 2, and the other way round.
    """
    correlation = feature_correlation(features_1, features_2, temperature)
    sure, sure_back = correlation.softmax(2), correlation.softmax(1)
    likely, likely_back = sure, sure_back
    if consensus:
        likely = vouched(sure * sure_back, features_1.shape[-2:], features_2.shape[-2:])
        likely_back = likely
    forth = _best(correlation, likely, sure, features_2.shape[-1])
    back = _best(correlation.mT, likely_back.mT, sure_back.mT, features_1.shape[-1])
    return (
        _correspondence(forth, back, sure if soft else None, features_1, features_2),
        _correspondence(back, forth, sure_back.mT if soft else None, features_2, features_1),
    )


class _Best(NamedTuple):
    """
    Best matches of n cells.

    :param cell: (B, n), index in the other image.
    :param confidence: (B, n).
    :param offset: (B, n, 2), columns and rows from the centre of that cell to the place.
    """

    cell: Tensor
    confidence: Tensor
    offset: Tensor


def _best(correlation: Tensor, likely: Tensor, sure: Tensor, width_2: int) -> _Best:
    """
    Choose the likeliest match of every cell.

    :param correlation: (B, n, m), which tells the place between cells.
    :param likely: (B, n, m), by which to choose.
    :param sure: (B, n, m), softmax over image 2.
    """
    match = likely.argmax(dim=2)
    confidence = sure.gather(2, match[..., None])[..., 0]
    return _Best(match, confidence, _local_mean(correlation, match, width_2))


def _correspondence(
    forth: _Best, back: _Best, soft: Tensor | None, features_1: Tensor, features_2: Tensor
) -> Correspondence:
    """
    Warp image 2 to image 1.

    :param soft: (B, n, m), weights to average by; None for the match alone.
    """
    shape_1, channels = features_1.shape[-2:], features_1.shape[1]
    grid_2 = cell_grid(features_2).flatten(2).mT  # (1, h2 w2, 2)
    cells_2 = features_2.flatten(2).mT  # (B, h2 w2, C)
    place = grid_2[0, forth.cell]
    mutual = back.cell.gather(1, forth.cell) == torch.arange(forth.cell.shape[1]).to(back.cell)
    # What both images say of the way between them, in opposite directions.
    opposite = back.offset.gather(1, forth.cell[..., None].expand(-1, -1, 2))
    offset = torch.where(mutual[..., None], (forth.offset - opposite) / 2, forth.offset)
    both = (forth.confidence * back.confidence.gather(1, forth.cell)).sqrt()
    if soft is None:
        warped = cells_2.gather(1, forth.cell[..., None].expand(-1, -1, channels))
        position = place
    else:
        warped, position = soft @ cells_2, soft @ grid_2.expand(len(cells_2), -1, -1)
    return Correspondence(
        features_2=warped.mT.unflatten(2, shape_1),
        cells_2=position.mT.unflatten(2, shape_1),
        centres_2=(place + offset).mT.unflatten(2, shape_1),
        confidence=forth.confidence[:, None].unflatten(2, shape_1),
        belief=(both * mutual).unflatten(1, shape_1),
    )


def _local_mean(correlation: Tensor, match: Tensor, width_2: int) -> Tensor:
    """
    Average the 3x3 cells around each match by their softmax.

    :param correlation: (B, n, m).
    :param match: (B, n), index of one of the m cells.
    :return: (B, n, 2), columns and rows from the match.
    """
    height_2 = correlation.shape[2] // width_2
    step = torch.arange(-1, 2, device=match.device)
    down, right = (each.flatten() for each in torch.meshgrid(step, step, indexing='ij'))  # (9,)
    row, column = (match // width_2)[..., None] + down, (match % width_2)[..., None] + right
    outside = (row < 0) | (row >= height_2) | (column < 0) | (column >= width_2)
    index = row.clamp(0, height_2 - 1) * width_2 + column.clamp(0, width_2 - 1)
    near = correlation.gather(2, index) / PLACE_TEMPERATURE
    weights = near.masked_fill(outside, -torch.inf).softmax(2)
    return weights @ torch.stack((right, down), dim=1).to(weights)


def feature_correlation(features_1: Tensor, features_2: Tensor, temperature: float) -> Tensor:
    """
    Compare every cell of image 1 with every cell of image 2.

    :param features_1: (B, C, h1, w1).
    :param features_2: (B, C, h2, w2).
    :param temperature: divides the correlations.
    :return: (B, h1 w1, h2 w2).
    """
    channels = features_1.shape[1]
    cells_1 = features_1.flatten(2).transpose(1, 2) / (channels * temperature)
    return cells_1 @ features_2.flatten(2)


def correspondence_map(
    features_1: Tensor, correspondence: Correspondence, K_1: Tensor, K_2: Tensor
) -> Tensor:
    """
    Concatenate features, positions and confidence (paper eq. 3).

    Positions are rays on the plane z = 1, so that images of another camera read alike.

    :param features_1: (B, C, h, w).
    :param K_1: (B, 3, 3) of image 1 [px].
    :param K_2: (B, 3, 3) of image 2 [px].
    :return: (B, 2 C + 5, h, w).
    """
    grid = cell_grid(features_1).expand(len(features_1), -1, -1, -1)
    parts = (
        features_1,
        correspondence.features_2,
        cell_rays(grid, K_1),
        cell_rays(correspondence.cells_2, K_2),
        correspondence.confidence,
    )
    return torch.cat(parts, dim=1)


def cell_grid(features: Tensor) -> Tensor:
    """
    Return the position of every cell of a feature map.

    :param features: (B, C, h, w).
    :return: (1, 2, h, w), column and row.
    """
    h, w = features.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(h, device=features.device, dtype=features.dtype),
        torch.arange(w, device=features.device, dtype=features.dtype),
        indexing='ij',
    )
    return torch.stack((columns, rows))[None]


def cell_rays(cells: Tensor, K: Tensor) -> Tensor:
    """
    Lift cells to the plane z = 1; a cell sits on pixel 8 * (column, row).

    :param cells: (B, 2, h, w), column and row.
    :param K: (B, 3, 3) [px].
    :return: (B, 2, h, w).
    """
    focal = torch.stack((K[:, 0, 0], K[:, 1, 1]), dim=1)[..., None, None]
    principal_point = K[:, :2, 2][..., None, None]
    return (cells * CELL_PX - principal_point) / focal
