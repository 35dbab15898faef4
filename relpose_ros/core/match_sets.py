"""From the network's coarse matches to pixels: the places that a pose is solved from."""

from dataclasses import dataclass

import numpy as np
from relpose_ros.core.fine_matching import FineImage, found_near
from relpose_ros.core.pair_geometry import PairMatches
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class CoarseMatches:
    """
    Cells of a keyframe and where the network sees them in the query.

    :param cells: (h, w) bool, the cells whose match is wanted.
    :param centres: (2, h, w), column and row in the query's grid.
    """

    query: FineImage
    keyframe: FineImage
    cells: Tensor
    centres: Tensor


def at_cells(coarse: CoarseMatches) -> PairMatches:
    """Take the cells' own places."""
    row, column = np.nonzero(coarse.cells.cpu().numpy())
    there = coarse.centres[:, row, column].T.double().cpu().numpy()
    own = coarse.keyframe.places(np.stack((column, row), axis=1))
    return _matches(coarse, coarse.query.places(there), own)


def at_corners(coarse: CoarseMatches, every: bool) -> PairMatches:
    """
    Look for the corners of the cells around where the match puts them.

    :param every: look for all of a cell's corners instead of the strongest alone.
    """
    query, keyframe, corners = coarse.query, coarse.keyframe, coarse.keyframe.corners
    wanted = coarse.cells.flatten().cpu().numpy()[corners.cells] & (corners.strongest | every)
    cell, corner = corners.cells[wanted], corners.pixels[wanted]
    row, column = np.unravel_index(cell, coarse.cells.shape)
    own = keyframe.places(np.stack((column, row), axis=1))
    there = query.places(coarse.centres[:, row, column].T.double().cpu().numpy())
    found, is_maximum = found_near(query.grid, there + corner - own, corners.descriptors[wanted])
    return _matches(coarse, found[is_maximum], corner[is_maximum])


def _matches(coarse: CoarseMatches, query: np.ndarray, keyframe: np.ndarray) -> PairMatches:
    depth_m = coarse.keyframe.depths(keyframe)
    cameras = coarse.query.camera, coarse.keyframe.camera
    return PairMatches(query, keyframe, depth_m, *cameras, mostly_right=True)
