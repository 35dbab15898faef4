"""Depth where the keyframes of a map have none, from the keyframes around them."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from relpose_ros.core.fine_matching import FineImage
from relpose_ros.core.keyframe_map import Keyframe, KeyframeMap
from relpose_ros.core.network_pose import network_size
from relpose_ros.core.relative_pose import NetworkConfig
from relpose_ros.core.triangulation import PosedView, triangulated_depth

# So many of the nearest keyframes are asked that look the same way within this angle, from another
# place: those of a robot that turned on the spot tell nothing of depth.
NEAREST, MAX_ANGLE_DEG, MIN_DISTANCE_M = 6, 35.0, 0.03
# In the manifest: the newest keyframe that was looked at.
TRIANGULATED = 'triangulated'
CACHED = 32  # described images, some 5 MB each


def triangulate_map(
    path: Path, device: str = 'cpu', progress: Callable[[int, int], None] | None = None
) -> int:
    """
    Give depth to keyframes where they have none; what a depth camera saw stays as it is.

    Each is safe once it is done: called again, also after it was killed, it goes on with the
    keyframes that are newer.

    :param path: the map.
    :param device: where images are described and compared.
    :param progress: called with the number of keyframes done and to do.
    :return: how many keyframes got depth.
    :raises MapError: if the map cannot be used or written.
    """
    with KeyframeMap.edit(path) as keyframe_map:
        newest = int(keyframe_map.manifest.get(TRIANGULATED, 0))
        todo = [each for each in keyframe_map.ids if each > newest]
        poses = {each: keyframe_map.pose(each) for each in keyframe_map.ids}
        view = lru_cache(CACHED)(_Views(keyframe_map, device))
        count = 0
        for done, each in enumerate(todo):
            around = [view(other) for other in neighbours(each, poses)]
            filled_m = _filled(keyframe_map.keyframe(each), triangulated_depth(view(each), around))
            if filled_m is not None:
                keyframe_map.set_depth(each, filled_m)
                count += 1
            keyframe_map.note(TRIANGULATED, str(each))
            if progress:
                progress(done + 1, len(todo))
        return count


def _filled(keyframe: Keyframe, found_m: np.ndarray | None) -> np.ndarray | None:
    """Return the depth with what was found where it has none; None if that is nothing."""
    if found_m is None or keyframe.depth_m is None:
        return found_m
    new = (keyframe.depth_m == 0) & (found_m > 0)
    return np.where(new, found_m, keyframe.depth_m) if new.any() else None


def neighbours(keyframe_id: int, map_from_camera: dict[int, np.ndarray]) -> list[int]:
    """
    Choose keyframes that see the same as another from elsewhere.

    :param map_from_camera: (4, 4) of each keyframe [m].
    """
    ids, poses = np.array(list(map_from_camera)), np.array(list(map_from_camera.values()))
    own = map_from_camera[keyframe_id]
    alike = poses[:, :3, 2] @ own[:3, 2] > np.cos(np.radians(MAX_ANGLE_DEG))
    distance_m = np.linalg.norm(poses[:, :3, 3] - own[:3, 3], axis=1)
    fit = alike & (distance_m >= MIN_DISTANCE_M)
    order = np.argsort(distance_m[fit], kind='stable')
    return ids[fit][order[:NEAREST]].tolist()


class _Views:
    """Reads keyframes of a map to be triangulated."""

    def __init__(self, keyframe_map: KeyframeMap, device: str) -> None:
        """Read from an open map."""
        self._map, self._device = keyframe_map, device

    def __call__(self, keyframe_id: int) -> PosedView:
        """Return a keyframe."""
        keyframe = self._map.keyframe(keyframe_id)
        grey = cv2.cvtColor(keyframe.rgb, cv2.COLOR_RGB2GRAY)
        size = network_size(keyframe.camera, NetworkConfig().longest_side_px)
        image = FineImage(
            grey, keyframe.camera, keyframe.camera.resized(*size), None, self._device
        )
        return PosedView(image, keyframe.map_from_camera)
