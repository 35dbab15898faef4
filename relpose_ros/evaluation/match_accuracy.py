"""How good coarse matches are: cells of one image against where depth says they are in another."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.correspondence import correspond, Correspondence
from relpose_ros.core.dense_sift import BINS, dense_root_sift, smallest_side_px
from relpose_ros.core.geometry import transform_points
from relpose_ros.core.matcher import CELL_PX
from relpose_ros.core.network_pose import network_size, NetworkEstimator
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets.image_pair import ImagePair
from relpose_ros.evaluation.metrics import median_or_none, share_or_none
import torch
from torch import Tensor

# Distance between a match and the truth, in cells; a perfect match on the grid is 0.71 off at
# most. Half a cell says how much sharper a refinement would find the matches.
NEAR_CELLS, SHARP_CELLS = 1.0, 0.5
# Depths of one surface from two places agree within this share.
DEPTH_TOLERANCE = 0.05
# Descriptors of the yardstick: widths of a SIFT bin on the image that the network sees; of a few
# that were tried on real pairs, the best.
SIFT_BINS_PX = (6, 12)


@dataclass(frozen=True, slots=True, eq=False)
class CellMatches:
    """
    The best match of every cell of image 1 in image 2.

    :param cells_2: (h, w, 2), column and row.
    :param mutual: (h, w) bool, whether image 2's cell matches back.
    """

    cells_2: np.ndarray
    mutual: np.ndarray


# Matches the cells of two images (H, W, 3) uint8 of the size that the network sees.
Matcher = Callable[[np.ndarray, np.ndarray], CellMatches]


def network_matcher(estimator: NetworkEstimator) -> Matcher:
    """Return a matcher by the network's features, as the pose head gets them."""
    network = estimator.network

    @torch.inference_mode()
    def match(rgb_1: np.ndarray, rgb_2: np.ndarray) -> CellMatches:
        device = next(network.parameters()).device
        cells = [network.matcher.image_features(_grey(rgb).to(device)) for rgb in (rgb_1, rgb_2)]
        return _cell_matches(network.match(*network.matcher.pair_features(*cells))[0])

    return match


def sift_matcher() -> Matcher:
    """Return the yardstick: dense RootSIFT at two sizes, one descriptor on each cell."""

    def match(rgb_1: np.ndarray, rgb_2: np.ndarray) -> CellMatches:
        cells = (_sift_cells(_grey(rgb)) for rgb in (rgb_1, rgb_2))
        return _cell_matches(correspond(*cells, temperature=1.0)[0])

    return match


def _cell_matches(found: Correspondence) -> CellMatches:
    """Return the matches of one pair."""
    cells_2 = found.cells_2[0].permute(1, 2, 0)
    return CellMatches(cells_2.cpu().numpy(), found.mutual[0].cpu().numpy())


@dataclass(frozen=True, slots=True, eq=False)
class MatchErrors:
    """
    The visible cells of one pair.

    :param cells: (n,), distance of the match from the truth [cells].
    :param mutual: (n,) bool.
    """

    cells: np.ndarray
    mutual: np.ndarray


def match_errors(match: Matcher, pair: ImagePair, longest_side_px: int) -> MatchErrors:
    """
    Match the keyframe's cells with the query's and compare with the truth.

    :param pair: both images with depth.
    :param longest_side_px: of the images that the matcher sees [px].
    :raises ValueError: if an image has no depth.
    """
    small = [_small_camera(image, longest_side_px) for image in (pair.keyframe, pair.query)]
    images = [
        cv2.resize(image.rgb, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        for image, camera in zip((pair.keyframe, pair.query), small, strict=True)
    ]
    matches = match(*images)
    true, visible = true_cells(pair, *small)
    off = np.linalg.norm(matches.cells_2[visible] - true[visible], axis=-1)
    return MatchErrors(off, matches.mutual[visible])


def true_cells(
    pair: ImagePair, keyframe_camera: Camera, query_camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return where each cell of the keyframe is in the query.

    A cell, which sits on pixel 8 * (column, row), is visible if its depth is known and the query
    sees the same surface there: only what is known to be visible is asked for.

    :param keyframe_camera: of the image that the matcher sees; likewise `query_camera`.
    :return: (h, w, 2) column and row in the query's grid; (h, w) bool.
    """
    rows, columns = np.mgrid[
        : keyframe_camera.height // CELL_PX, : keyframe_camera.width // CELL_PX
    ]
    pixels = np.stack((columns, rows), axis=-1).astype(float) * CELL_PX
    z_m = _depth_at(pair.keyframe, keyframe_camera, pixels)
    query_from_keyframe = np.linalg.inv(pair.keyframe_from_query)
    points = transform_points(query_from_keyframe, keyframe_camera.rays(pixels) * z_m[..., None])
    seen = query_camera.project(np.where(z_m[..., None] > 0, points, np.nan))
    # NaN is inside of nothing.
    inside = ((seen >= 0) & (seen <= (query_camera.width - 1, query_camera.height - 1))).all(-1)
    known_m = np.zeros_like(z_m)
    known_m[inside] = _depth_at(pair.query, query_camera, seen[inside])
    with np.errstate(invalid='ignore'):
        agrees = np.abs(known_m - points[..., 2]) < DEPTH_TOLERANCE * points[..., 2]
    return seen / CELL_PX, inside & (known_m > 0) & agrees


def match_metrics(pairs: Iterable[MatchErrors]) -> dict[str, int | float | None]:
    """
    Sum up matches; shares are medians over the pairs that share a view.

    ``mutual`` is the share of mutual ones among visible cells; ``*_of_all`` pools all cells.

    :raises ValueError: if there is no pair.
    """
    pairs = list(pairs)
    if not pairs:
        raise ValueError('pairs: expected at least one, got none')
    off = np.concatenate([pair.cells for pair in pairs])
    mutual = np.concatenate([pair.mutual for pair in pairs])
    seeing = [pair for pair in pairs if len(pair.cells)]
    agreed = [pair for pair in pairs if pair.mutual.any()]
    return {
        'pairs': len(pairs),
        'visible_cells': len(off),
        'visible_within_cell': median_or_none([(p.cells <= NEAR_CELLS).mean() for p in seeing]),
        'visible_within_half_cell': median_or_none(
            [(p.cells <= SHARP_CELLS).mean() for p in seeing]
        ),
        'mutual_within_cell': median_or_none(
            [(p.cells[p.mutual] <= NEAR_CELLS).mean() for p in agreed]
        ),
        'mutual': share_or_none(mutual),
        'visible_within_cell_of_all': share_or_none(off <= NEAR_CELLS),
        'mutual_within_cell_of_all': share_or_none(off[mutual] <= NEAR_CELLS),
    }


def _small_camera(image: PosedImage, longest_side_px: int) -> Camera:
    if image.depth_m is None:
        raise ValueError(f'{image.name}: has no depth, which the truth of matches needs')
    return image.camera.resized(*network_size(image.camera, longest_side_px))


def _depth_at(image: PosedImage, camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Return the depth of the nearest pixel; (..., 2) pixels are those of the resized camera."""
    height, width = image.depth_m.shape
    scale = np.array((width / camera.width, height / camera.height))
    u, v = np.moveaxis(np.rint((pixels + 0.5) * scale - 0.5).astype(int), -1, 0)
    return image.depth_m[v.clip(0, height - 1), u.clip(0, width - 1)].astype(float)


def _grey(rgb: np.ndarray) -> Tensor:
    """Return (1, 1, H, W) in [0, 1]."""
    return torch.from_numpy(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))[None, None].float() / 255


def _sift_cells(grey: Tensor) -> Tensor:
    """
    Describe the surroundings of every cell.

    :param grey: (1, 1, H, W).
    :return: (1, 256, H / 8, W / 8).
    """
    height, width = grey.shape[-2:]
    # Continued at the edges so that the first descriptor is centred on pixel 0.
    before = BINS * max(SIFT_BINS_PX) // 2
    after = smallest_side_px(SIFT_BINS_PX) - before - CELL_PX
    padded = torch.nn.functional.pad(grey, (before, after, before, after), mode='replicate')
    found = dense_root_sift(padded[:, 0], SIFT_BINS_PX, CELL_PX, contrast_threshold=0.0)
    rows, columns = height // CELL_PX, width // CELL_PX
    by_size = found.reshape(1, len(SIFT_BINS_PX), rows, columns, -1)
    return by_size.permute(0, 1, 4, 2, 3).reshape(1, -1, rows, columns)
