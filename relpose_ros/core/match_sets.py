"""From the network's coarse matches to pixels: the places that a pose is solved from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

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


def match_sets(coarse: CoarseMatches, fine: bool) -> Iterator[PairMatches]:
    """
    Turn coarse matches into pixels of the working images, the cheapest first.

    That is the strongest corner of each cell. With the keyframe's depth all corners follow: among
    four times as many matches a pose stands out that a distant view hardly shows, and points in
    space seldom agree by chance. Rays do, so that without depth more of them tell nothing.

    :param fine: look for corners; else take the cells' own places.
    """
    first = _at_corners(coarse, every=False) if fine else _at_cells(coarse)
    yield first
    if first.depth_m is None:
        return
    if fine:
        yield _at_corners(coarse, every=True)
    if first.lack_depth():
        yield replace(first, depth_m=None)


def _at_cells(coarse: CoarseMatches) -> PairMatches:
    row, column = np.nonzero(coarse.cells.cpu().numpy())
    there = coarse.centres[:, row, column].T.double().cpu().numpy()
    own = coarse.keyframe.places(np.stack((column, row), axis=1))
    return _matches(coarse, coarse.query.places(there), own)


def _at_corners(coarse: CoarseMatches, every: bool) -> PairMatches:
    """Look for the corners of the cells, of each the strongest or every one, around the match."""
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
