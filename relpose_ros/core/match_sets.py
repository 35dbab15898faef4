"""From the network's coarse matches to pixels: the places that a pose is solved from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from relpose_ros.core.fine_matching import FineImage, found_near
from relpose_ros.core.pair_geometry import PairMatches
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class CoarseMatches:
    """
    Cells of a keyframe and where the network sees them in the query.

    :param cells: (h, w) bool, the cells whose match is wanted.
    :param centres: (2, h, w), column and row in the query's grid.
    """

    keyframe: FineImage
    cells: Tensor
    centres: Tensor


def at_cells(query: FineImage, pairs: Sequence[CoarseMatches]) -> list[PairMatches]:
    """Take the cells' own places."""
    return [_at_cells(query, pair) for pair in pairs]


def _at_cells(query: FineImage, coarse: CoarseMatches) -> PairMatches:
    row, column = np.nonzero(coarse.cells.cpu().numpy())
    there = coarse.centres[:, row, column].T.double().cpu().numpy()
    own = coarse.keyframe.places(np.stack((column, row), axis=1))
    return _matches(query, coarse.keyframe, query.places(there), own)


def at_corners(query: FineImage, pairs: Sequence[CoarseMatches], every: bool) -> list[PairMatches]:
    """
    Look for the corners of the cells around where the matches put them, for all pairs at once.

    :param every: look for all of a cell's corners instead of the strongest alone.
    """
    if not pairs:
        return []
    sought = [_sought(query, pair, every) for pair in pairs]
    expected = np.concatenate([each.expected for each in sought])
    found, is_maximum = found_near(
        query.grid, expected, torch.cat([each.descriptors for each in sought])
    )
    ends = np.cumsum([len(each.pixels) for each in sought])[:-1]
    places, sure = np.split(found, ends), np.split(is_maximum, ends)
    return [
        _matches(query, pair.keyframe, place[which], each.pixels[which])
        for pair, each, place, which in zip(pairs, sought, places, sure, strict=True)
    ]


class _Sought(NamedTuple):
    """
    Corners of a keyframe.

    :param pixels: (n, 2), u v in the keyframe [px].
    :param expected: (n, 2), u v in the query [px].
    :param descriptors: (n, 128).
    """

    pixels: np.ndarray
    expected: np.ndarray
    descriptors: Tensor


def _sought(query: FineImage, coarse: CoarseMatches, every: bool) -> _Sought:
    corners = coarse.keyframe.corners
    matched = coarse.cells.flatten().cpu().numpy()[corners.cells]
    wanted = np.flatnonzero(matched & (corners.strongest | every))
    cell, corner = corners.cells[wanted], corners.pixels[wanted]
    row, column = np.unravel_index(cell, coarse.cells.shape)
    own = coarse.keyframe.places(np.stack((column, row), axis=1))
    there = query.places(coarse.centres.double().cpu().numpy()[:, row, column].T)
    indices = torch.from_numpy(wanted).to(corners.descriptors.device)
    return _Sought(corner, there + corner - own, corners.descriptors[indices])


def _matches(
    query: FineImage, keyframe: FineImage, seen: np.ndarray, own: np.ndarray
) -> PairMatches:
    return PairMatches(seen, own, keyframe.depths(own), query.camera, keyframe.camera)
