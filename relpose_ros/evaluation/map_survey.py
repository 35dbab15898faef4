"""What is to be known of every keyframe of a map to judge it and to show it."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from relpose_ros.core.camera import Camera, depth_at
from relpose_ros.core.geometry import inverse, transform_points
from relpose_ros.core.keyframe_map import Keyframe, KeyframeMap

GRID = (24, 32)  # rows and columns of the places in an image whose depth is kept
# How far a keyframe without depth is taken to see: what a room is made of.
ASSUMED_DEPTHS_M = (0.75, 1.5, 2.5, 4.0)
# A point is hidden if it lies behind what a keyframe sees by more than this share.
HIDDEN_BEHIND = 1.25
MOST_SIMILAR = 5
JUDGED_SIDE_PX, BOX_PX = 320, 9
THUMBNAIL_QUALITY = 70


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """
    A keyframe without its image.

    :param camera: its intrinsics.
    :param map_from_camera: (4, 4) [m].
    :param blur: 0 for a sharp image, 1 for one without any edge.
    :param brightness: the median grey value, 0 to 255.
    :param depth_m: GRID, depth at evenly spread places, 0 where unknown [m]; None without depth.
    :param thumbnail: JPEG.
    """

    id: int
    stamp_ns: int
    camera: Camera
    map_from_camera: np.ndarray
    blur: float
    brightness: float
    depth_m: np.ndarray | None
    thumbnail: bytes

    def points(self) -> np.ndarray:
        """Return what it sees, (n, 3) in the map [m]; without depth, what it may see."""
        rays = self.camera.rays(_grid_pixels(self.camera))
        if self.depth_m is None:
            points = np.concatenate([rays[::2, ::2].reshape(-1, 3) * z for z in ASSUMED_DEPTHS_M])
        else:
            points = (rays * self.depth_m[..., None])[self.depth_m > 0]
        return transform_points(self.map_from_camera, points)

    def share_seen(self, points_map: np.ndarray) -> float:
        """Return the share of points, (n, 3) in the map [m], that it sees; 0 if there are none."""
        points = transform_points(inverse(self.map_from_camera), points_map)
        pixels = self.camera.project(points)
        size = (self.camera.width, self.camera.height)
        # Points behind the camera are NaN, which no comparison accepts.
        seen = ((pixels >= 0) & (pixels < size)).all(axis=1)
        if self.depth_m is not None and seen.any():
            cells = (pixels[seen] / size * GRID[::-1]).astype(int)
            surface_m = self.depth_m[cells[:, 1], cells[:, 0]]
            seen[seen] = (surface_m == 0) | (points[seen, 2] < HIDDEN_BEHIND * surface_m)
        return float(seen.mean()) if len(seen) else 0.0


def survey(
    keyframe_map: KeyframeMap, ids: Iterable[int], thumbnail_width_px: int = 160
) -> list[View]:
    """
    Look at keyframes.

    :param ids: of keyframes; a progress bar may count them.
    :raises MapError: if a keyframe cannot be read.
    """
    return [_view(keyframe_map.keyframe(each), thumbnail_width_px) for each in ids]


def shared_view(a: View, b: View) -> float:
    """Return the share of its view that one of two keyframes shares with the other, in [0, 1]."""
    return max(b.share_seen(a.points()), a.share_seen(b.points()))


def most_similar(descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return for each keyframe which others are most similar to it.

    :param descriptors: (n, D).
    :return: rows and similarities (n, k), the largest first; k is MOST_SIMILAR, or n - 1 if less.
    """
    count = min(MOST_SIMILAR, len(descriptors) - 1)
    rows = np.zeros((len(descriptors), count), np.int64)
    similarities = np.zeros((len(descriptors), count), np.float32)
    for i, descriptor in enumerate(descriptors):
        all_similarities = descriptors @ descriptor
        all_similarities[i] = -np.inf
        rows[i] = np.argsort(-all_similarities)[:count]
        similarities[i] = all_similarities[rows[i]]
    return rows, similarities


def blur(grey: np.ndarray) -> float:
    """
    Return how little further blurring would change an image (Crete et al. 2007).

    Of both directions the worse counts: a moving camera blurs along one.

    :param grey: (H, W) uint8.
    :return: 0 for a sharp image, 1 for one without any edge.
    """
    scale = JUDGED_SIDE_PX / max(grey.shape)
    size = [max(2, round(side * scale)) for side in grey.shape[::-1]]
    judged = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    shares = []
    for axis, box in ((1, (BOX_PX, 1)), (0, (1, BOX_PX))):
        before = np.abs(np.diff(judged, axis=axis))
        after = np.abs(np.diff(cv2.blur(judged, box), axis=axis))
        total = before.sum()
        shares.append(1 - np.maximum(0, before - after).sum() / total if total else 1.0)
    return float(max(shares))


def _view(keyframe: Keyframe, thumbnail_width_px: int) -> View:
    grey = cv2.cvtColor(keyframe.rgb, cv2.COLOR_RGB2GRAY)
    height = max(1, round(thumbnail_width_px * grey.shape[0] / grey.shape[1]))
    small = cv2.resize(keyframe.rgb, (thumbnail_width_px, height), interpolation=cv2.INTER_AREA)
    quality = (cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY)
    depth_m = keyframe.depth_m
    if depth_m is not None:
        pixels = _grid_pixels(keyframe.camera)
        depth_m = depth_at(depth_m, pixels.reshape(-1, 2)).reshape(GRID)
    return View(
        id=keyframe.id,
        stamp_ns=keyframe.stamp_ns,
        camera=keyframe.camera,
        map_from_camera=keyframe.map_from_camera,
        blur=blur(grey),
        brightness=float(np.median(grey)),
        depth_m=depth_m,
        thumbnail=cv2.imencode('.jpg', small[..., ::-1], quality)[1].tobytes(),
    )


def _grid_pixels(camera: Camera) -> np.ndarray:
    """Return the centres of GRID's cells, (rows, columns, 2) [px]."""
    v = (np.arange(GRID[0]) + 0.5) * camera.height / GRID[0] - 0.5
    u = (np.arange(GRID[1]) + 0.5) * camera.width / GRID[1] - 0.5
    return np.stack(np.meshgrid(u, v), axis=-1)
