"""
Sharper matches: where exactly, around its coarse match, a point of the keyframe shows.

A cell of the network's grid is large, and its centre mostly shows nothing that could be placed. So
the strongest corners of each cell of the keyframe are looked for in the query, around where the
coarse match says, by dense RootSIFT on images of some 480 px. Corners and their descriptors are
kept with the keyframe; the query is described once for all keyframes.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from relpose_ros.core.camera import Camera, depth_at, resized_pixels
from relpose_ros.core.chosen_products import chosen_products
from relpose_ros.core.dense_sift import dense_root_sift, grid_px
from relpose_ros.core.matcher import CELL_PX
import torch
from torch import Tensor

LONGEST_SIDE_PX = 480
BIN_PX = 6  # a descriptor's region is four bins wide
STRIDE_PX = 4
MIN_CONTRAST = 0.0005  # mean gradient, in grey value per pixel
CORNER_PX = 7  # over which a corner's strength is summed
PARTS = 2  # to each side of a cell; each part has a corner of its own
# The search goes so many strides to each side, first every second one: a cell is 20 px wide.
REACH = 5


@dataclass(frozen=True, slots=True)
class DescriptorGrid:
    """
    Dense descriptors of an image.

    :param descriptors: (rows, columns, 128), unit norm or zero.
    :param first_px: (2,), u v of the first one; they are STRIDE_PX apart.
    """

    descriptors: Tensor
    first_px: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""
        return self.descriptors.shape[0], self.descriptors.shape[1]

    def pixels(self, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return u v (..., 2) of places on the grid, fractions included [px]."""
        return self.first_px + STRIDE_PX * np.stack((column, row), axis=-1)

    def nearest(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return column and row nearest to u and v [px], which may be outside of the grid."""
        first_u, first_v = self.first_px.tolist()
        return ((u - first_u) / STRIDE_PX).round(), ((v - first_v) / STRIDE_PX).round()


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """
    The strongest corners of a keyframe, four of a cell where it is seen whole.

    :param pixels: (n, 2), u v of the working image [px].
    :param descriptors: (n, 128) float16: they are kept with every keyframe.
    :param cells: (n,), where each is in the coarse grid, counted row by row.
    :param strongest: (n,) bool, whether it is the strongest of its cell.
    """

    pixels: np.ndarray
    descriptors: Tensor
    cells: np.ndarray
    strongest: np.ndarray


class FineImage:
    """An image at working size: a query is described everywhere, a keyframe at its corners."""

    def __init__(
        self,
        grey: np.ndarray,
        camera: Camera,
        coarse: Camera,
        depth_m: np.ndarray | None,
        device: str,
    ) -> None:
        """
        Resize an image to working size.

        :param grey: (H, W) uint8 without distortion.
        :param camera: the image's.
        :param coarse: of the same image as the network sees it.
        :param depth_m: (H, W) [m], 0 where unknown.
        :param device: where descriptors are computed and compared.
        """
        scale = min(1.0, LONGEST_SIDE_PX / max(camera.width, camera.height))
        size = [max(1, round(side * scale)) for side in (camera.width, camera.height)]
        self.camera, self.original, self.coarse = camera.resized(*size), camera, coarse
        self._grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        self._depth_m, self._device = depth_m, device

    @cached_property
    def grid(self) -> DescriptorGrid:
        """Describe the query."""
        return self._described()

    @cached_property
    def corners(self) -> Corners:
        """Find and describe the keyframe's corners; its grid is not kept."""
        grid = self._described()
        row, column = (each.ravel() for each in np.indices(grid.shape))
        pixels = grid.pixels(column, row)
        u, v = pixels.astype(int).T
        strength = cv2.cornerMinEigenVal(self._grey, CORNER_PX)[v, u]
        columns, rows = self.coarse.width // CELL_PX, self.coarse.height // CELL_PX
        cells = resized_pixels(pixels, self.camera, self.coarse) / CELL_PX + 0.5
        parts = np.floor(cells * PARTS).astype(int)
        parts = parts.clip(0, (PARTS * columns - 1, PARTS * rows - 1))
        found = _strongest(parts @ (1, PARTS * columns), strength)
        cells = parts[found] // PARTS @ (1, columns)
        strongest = np.zeros(len(found), bool)
        strongest[_strongest(cells, strength[found])] = True
        descriptors = grid.descriptors.flatten(0, 1)[found].half()
        return Corners(pixels[found], descriptors, cells, strongest)

    def places(self, cells: np.ndarray) -> np.ndarray:
        """Turn column and row (n, 2) of the coarse grid into u v (n, 2) [px]."""
        return resized_pixels(cells * CELL_PX, self.coarse, self.camera)

    def in_original(self, pixels: np.ndarray) -> np.ndarray:
        """Return pixels (n, 2) as those of the image as it came [px]."""
        return resized_pixels(pixels, self.camera, self.original)

    def depths(self, pixels: np.ndarray) -> np.ndarray | None:
        """Look pixels (n, 2) up: (n,), 0 where unknown [m]; None if the image has no depth."""
        if self._depth_m is None:
            return None
        return depth_at(self._depth_m, self.in_original(pixels))

    def _described(self) -> DescriptorGrid:
        height, width = self._grey.shape
        grey = torch.from_numpy(self._grey).to(self._device).float()[None] / 255
        descriptors = dense_root_sift(grey, (BIN_PX,), STRIDE_PX, MIN_CONTRAST)[0]
        rows, columns = (grid_px(side, (BIN_PX,), STRIDE_PX) for side in (height, width))
        first_px = np.array([float(columns[0]), float(rows[0])])
        return DescriptorGrid(descriptors.unflatten(0, (len(rows), len(columns))), first_px)


def _strongest(groups: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return which member (g,) of each group is the strongest; groups (n,) count from 0."""
    order = np.argsort(strength, kind='stable')
    winner = np.full(groups.max() + 1, -1)
    winner[groups[order]] = order  # the last to come stays
    return winner[winner >= 0]


def found_near(
    grid: DescriptorGrid, places: np.ndarray, descriptors: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """
    Look for descriptors in an image around the places where they should be.

    :param places: (n, 2), u v [px].
    :param descriptors: (n, 128).
    :return: u v (n, 2) between the places of the grid [px]; whether it is a maximum (n,).
    """
    descriptors = descriptors.float()
    step = (places - grid.first_px) / STRIDE_PX
    start = torch.from_numpy(np.rint(step).astype(np.int64)).to(descriptors.device)
    column, row = start.unbind(1)
    for stride in (2, 1):
        reach = REACH if stride == 2 else 1
        offset = stride * torch.arange(-(reach // stride), reach // stride + 1, device=row.device)
        score = _scores(grid, column, row, offset, descriptors)  # (n, o, o)
        best = score.flatten(1).argmax(1)
        column, row = column + offset[best % len(offset)], row + offset[best // len(offset)]
    score = _scores(grid, column, row, torch.arange(-1, 2, device=row.device), descriptors)
    middle = score[:, 1, 1]
    is_maximum = (middle >= score.flatten(1).amax(1)) & (middle > 0)
    is_maximum &= ((torch.stack((column, row), 1) - start).abs() < REACH).all(1)
    column = column + parabola_peak(score[:, 1, 0], middle, score[:, 1, 2])
    row = row + parabola_peak(score[:, 0, 1], middle, score[:, 2, 1])
    return grid.pixels(column.cpu().numpy(), row.cpu().numpy()), is_maximum.cpu().numpy()


def _scores(
    grid: DescriptorGrid, column: Tensor, row: Tensor, offset: Tensor, descriptors: Tensor
) -> Tensor:
    """Compare descriptors (n, 128) with those around places of the grid: (n, o, o), rows first."""
    rows, columns = grid.shape
    row = row[:, None, None] + offset[:, None]
    column = column[:, None, None] + offset
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    there, index = grid.descriptors.flatten(0, 1), columns * row + column
    found = chosen_products(descriptors, there, index.flatten(1), inside.flatten(1))
    return found.new_full(inside.shape, -1.0).masked_scatter_(inside, found)


def parabola_peak(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    """Return where (n,) the parabola through three scores is largest, from the middle."""
    bend = before - 2 * middle + after
    return torch.where(bend < -1e-9, 0.5 * (before - after) / bend, 0.0).clamp(-0.5, 0.5)
