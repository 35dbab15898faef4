"""Matching and warping (paper section 3.2): from two feature maps to one correspondence map."""

from dataclasses import dataclass

from relpose_ros.core.matcher import CELL_PX
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Correspondence:
    """
    What each cell of image 1 corresponds to in image 2.

    :param features_2: (B, C, h1, w1), features of image 2 warped to image 1.
    :param cells_2: (B, 2, h1, w1), column and row in image 2's grid.
    :param centres_2: (B, 2, h1, w1), the same between cells: the mean of the 3x3 around the match
        by their softmax.
    :param confidence: (B, 1, h1, w1), softmax over image 2 at the match (paper eq. 2).
    """

    features_2: Tensor
    cells_2: Tensor
    centres_2: Tensor
    confidence: Tensor


def correspond(
    features_1: Tensor, features_2: Tensor, temperature: float, soft: bool = False
) -> Correspondence:
    """
    Match every cell of image 1 and warp image 2 to it.

    :param features_1: (B, C, h1, w1).
    :param features_2: (B, C, h2, w2).
    :param temperature: divides the correlations.
    :param soft: average over image 2 by the softmax instead of taking its largest cell
        (the paper's ablation; eq. 1 is the hard one).
    """
    batch, channels, h1, w1 = features_1.shape
    width_2 = features_2.shape[-1]
    cells_2 = features_2.flatten(2).transpose(1, 2)  # (B, h2 w2, C)
    correlation = feature_correlation(features_1, features_2, temperature)
    best, match = correlation.max(dim=2)  # (B, h1 w1)
    # softmax at the argmax, without writing the whole softmax
    confidence = (best - correlation.logsumexp(dim=2)).exp()
    if soft:
        grid = cell_grid(features_2).flatten(2).transpose(1, 2)  # (1, h2 w2, 2)
        weights = correlation.softmax(dim=2)
        warped, position = weights @ cells_2, weights @ grid.expand(batch, -1, -1)
    else:
        warped = cells_2.gather(1, match[..., None].expand(-1, -1, channels))
        position = torch.stack((match % width_2, match // width_2), dim=-1).to(features_1.dtype)
    centre = _local_mean(correlation, match, width_2)
    return Correspondence(
        features_2=warped.transpose(1, 2).reshape(batch, channels, h1, w1),
        cells_2=position.transpose(1, 2).reshape(batch, 2, h1, w1),
        centres_2=centre.transpose(1, 2).reshape(batch, 2, h1, w1),
        confidence=confidence.reshape(batch, 1, h1, w1),
    )


def _local_mean(correlation: Tensor, match: Tensor, width_2: int) -> Tensor:
    """
    Average the 3x3 cells around each match by their softmax.

    :param correlation: (B, n, m).
    :param match: (B, n), index of the best of the m cells.
    :return: (B, n, 2), column and row.
    """
    height_2 = correlation.shape[2] // width_2
    step = torch.arange(-1, 2, device=match.device)
    row = (match // width_2)[..., None, None] + step[:, None]
    column = (match % width_2)[..., None, None] + step
    row, column = (each.flatten(2) for each in torch.broadcast_tensors(row, column))  # (B, n, 9)
    outside = (row < 0) | (row >= height_2) | (column < 0) | (column >= width_2)
    index = row.clamp(0, height_2 - 1) * width_2 + column.clamp(0, width_2 - 1)
    weights = correlation.gather(2, index).masked_fill(outside, -torch.inf).softmax(2)
    return torch.stack(((weights * column).sum(2), (weights * row).sum(2)), dim=2)


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


def mutual_matches(found: Correspondence, found_back: Correspondence) -> Tensor:
    """
    Say which cells of image 1 are also the best match of their match.

    :param found_back: what each cell of image 2 corresponds to in image 1.
    :return: (B, h1, w1) bool.
    """
    column, row = found.cells_2.round().long().unbind(1)  # (B, h1, w1)
    match = (row * found_back.cells_2.shape[-1] + column).flatten(1)
    back = found_back.cells_2.round().flatten(2).gather(2, match[:, None].expand(-1, 2, -1))
    return (back.unflatten(2, column.shape[1:]) == cell_grid(found.confidence)).all(1)


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
