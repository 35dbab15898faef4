"""Where cells truly correspond, and the loss that teaches the matcher to say so."""

from dataclasses import dataclass

from relpose_ros.core.matcher import CELL_PX
from relpose_ros.learning.augmentation import Shots
import torch
from torch import Tensor

DEPTH_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class CellTargets:
    """
    Where the cells of image 1 are in image 2, for P pairs.

    :param cells: (P, h w, 2), column and row in image 2's grid, fractions included.
    :param visible: (P, h w) bool: the true place is inside image 2 and not hidden.
    :param columns: of image 2's grid.
    """

    cells: Tensor
    visible: Tensor
    columns: int

    @property
    def index(self) -> Tensor:
        """Return the nearest cell (P, h w) of the visible ones; 0 elsewhere."""
        column, row = self.cells.round().long().unbind(-1)
        return torch.where(self.visible, row * self.columns + column, 0)


def cell_targets(shots: Shots, first: Tensor, second: Tensor) -> CellTargets:
    """
    Reproject the cells of one shot into another by depth.

    :param first: (P,) long, the shots whose cells these are.
    :param second: (P,) long.
    """
    depth_m = shots.depth_m[:, ::CELL_PX, ::CELL_PX].flatten(1)[first]  # (P, n)
    rows, columns = (size // CELL_PX for size in shots.depth_m.shape[1:])
    v, u = torch.meshgrid(
        torch.arange(rows, device=depth_m.device),
        torch.arange(columns, device=depth_m.device),
        indexing='ij',
    )
    pixels = torch.stack((u, v), -1).flatten(0, 1).float() * CELL_PX
    pixels = torch.cat((pixels, torch.ones_like(pixels[:, :1])), 1)  # (n, 3)
    points = (pixels @ shots.K.inverse()[first].transpose(1, 2)) * depth_m[..., None]
    pose = second_from_first(shots, first, second)
    points = points @ pose[:, :3, :3].transpose(1, 2) + pose[:, None, :3, 3]
    z = points[..., 2]
    seen = points @ shots.K[second].transpose(1, 2)
    place = seen[..., :2] / z.clamp_min(1e-3)[..., None]  # [px]
    height, width = shots.depth_m.shape[1:]
    column, row = place.round().unbind(-1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (z > 1e-3)
    flat = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    there = shots.depth_m.flatten(1)[second].gather(1, flat.long())
    agrees = (there > 0) & ((there - z).abs() < DEPTH_TOLERANCE * z)
    cells = place / CELL_PX
    last = cells.new_tensor((columns - 1, rows - 1))
    in_grid = (cells.round() <= last).all(-1)
    return CellTargets(cells, (depth_m > 0) & inside & agrees & in_grid, columns)


def second_from_first(shots: Shots, first: Tensor, second: Tensor) -> Tensor:
    """Return the pose (P, 4, 4) of the first shots in the second ones."""
    return torch.linalg.solve(shots.world_from_camera[second], shots.world_from_camera[first])


def matching_loss(
    correlation: Tensor, forward: CellTargets, backward: CellTargets, focal_gamma: float = 2.0
) -> Tensor:
    """
    Return LoFTR's focal loss on the dual softmax, over the visible cells of both images.

    :param correlation: (P, n, n), cells of image 1 against cells of image 2, by temperature.
    :param forward: of image 1's cells in image 2.
    :param backward: of image 2's cells in image 1.
    :param focal_gamma: how much less a cell counts that is found already; 0: all count alike.
    """
    log_dual = correlation.log_softmax(2) + correlation.log_softmax(1)
    total = _focal(log_dual, forward, focal_gamma)
    total = total + _focal(log_dual.transpose(1, 2), backward, focal_gamma)
    return total / (forward.visible.sum() + backward.visible.sum()).clamp_min(1)


def _focal(log_dual: Tensor, targets: CellTargets, gamma: float) -> Tensor:
    log_true = log_dual.gather(2, targets.index[..., None])[..., 0]
    loss = -((1 - log_true.exp()).clamp_min(1e-6) ** gamma) * log_true
    return (loss * targets.visible).sum()


def matched_share(match: Tensor, mutual: Tensor, targets: CellTargets) -> tuple[Tensor, Tensor]:
    """
    Measure how many visible cells are matched within one cell of their true place.

    :param match: (P, n, 2), column and row in image 2's grid.
    :param mutual: (P, n) bool.
    :return: shares (P,) of all visible cells and of those whose match is mutual.
    """
    near = ((match - targets.cells).abs() <= 1).all(-1)
    return _share(near, targets.visible), _share(near, targets.visible & mutual)


def _share(hits: Tensor, of: Tensor) -> Tensor:
    return (hits & of).sum(1) / of.sum(1).clamp_min(1)
