"""Which places a map's keyframes see, from how many sides and from how near, from above."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from relpose_ros.evaluation.map_plots import plane_from_above
from relpose_ros.evaluation.map_survey import View

CELLS = 140  # along the longer side
MARGIN = 0.04
SECTORS = 8
# The farthest points, where depth is poor, must not shrink the map to a dot.
INNER = (1.0, 99.0)  # percentiles


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """
    A map from above in square cells; rows run upwards.

    :param axes: the map's axes that run right and up.
    :param low: (2,), the lower left corner along these axes [m].
    :param cell_m: side of a cell [m].
    :param keyframes: (h, w), how many see a cell's places.
    :param sectors: (h, w), from how many of 8 compass sectors.
    :param nearest_m: (h, w), from how near at least; NaN where nothing is seen [m].
    """

    axes: tuple[int, int]
    low: np.ndarray
    cell_m: float
    keyframes: np.ndarray
    sectors: np.ndarray
    nearest_m: np.ndarray


def coverage(views: Sequence[View]) -> Coverage:
    """
    Count what keyframes see.

    :param views: at least one.
    """
    poses = np.array([view.map_from_camera for view in views])
    axes = plane_from_above(poses)
    centres = poses[:, axes, 3]
    seen = [view.points() for view in views]
    row = np.repeat(np.arange(len(views)), [len(points) for points in seen])
    points = np.concatenate(seen)
    flat = points[:, axes]
    low, high = _extent(flat, centres)
    cell_m = float(max((high - low).max(), 0.5) / CELLS)
    width, height = np.ceil((high - low) / cell_m).astype(int) + 1

    cells = np.floor((flat - low) / cell_m).astype(int)
    inside = ((cells >= 0) & (cells < (width, height))).all(axis=1)
    row, cell = row[inside], cells[inside] @ (1, width)
    away = centres[row] - flat[inside]
    heading = np.arctan2(away[:, 1], away[:, 0]) / (2 * np.pi) * SECTORS
    sector = np.floor(heading).astype(int) % SECTORS
    distance_m = np.linalg.norm(poses[row, :3, 3] - points[inside], axis=1)
    nearest_m = np.full(width * height, np.inf)
    np.minimum.at(nearest_m, cell, distance_m)
    nearest_m[np.isinf(nearest_m)] = np.nan
    return Coverage(
        axes=(axes[0], axes[1]),
        low=low,
        cell_m=cell_m,
        keyframes=_distinct(cell, row, width * height).reshape(height, width),
        sectors=_distinct(cell, sector, width * height).reshape(height, width),
        nearest_m=nearest_m.reshape(height, width),
    )


def _extent(flat: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of what is to be shown, (2,) each [m]: all cameras, most points."""
    corners = (
        centres
        if len(flat) == 0
        else np.concatenate((centres, np.percentile(flat, INNER, axis=0)))
    )
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin_m = max(MARGIN * (high - low).max(), 0.2)
    return low - margin_m, high + margin_m


def _distinct(cell: np.ndarray, value: np.ndarray, cells: int) -> np.ndarray:
    """Return how many different values each cell has, (cells,)."""
    many = int(value.max(initial=0)) + 1
    return np.bincount(np.unique(cell * many + value) // many, minlength=cells)
