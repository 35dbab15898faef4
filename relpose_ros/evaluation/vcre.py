"""
Virtual correspondence reprojection error, the measure of the Map-free benchmark.

What an error of the pose does to virtual objects that stand before the camera, in pixels: Arnold
et al., "Map-free Visual Relocalization", ECCV 2022, section 5, and the benchmark's own code.
"""

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, transform_points

# The grid before the camera: so many points along x, y and z, 30 cm apart, from 1.8 m on.
POINTS, STEP_M, NEAREST_M = (7, 4, 7), 0.3, 1.8
# Acceptable share of the image's diagonal: 90 px on the benchmark's 540x720.
MAX_SHARE_OF_DIAGONAL = 0.1


def vcre_px(estimated: np.ndarray, true: np.ndarray, camera: Camera) -> float:
    """
    Return the mean distance of the virtual points' images under two poses [px].

    As in the benchmark, projections are clamped to the image, and points that the estimate puts
    behind the camera are projected all the same.

    :param estimated: (4, 4), keyframe_from_query [m].
    :param true: (4, 4), keyframe_from_query [m].
    :param camera: the query's.
    """
    moved = transform_points(inverse(estimated) @ true, GRID_M)
    difference = _clamped_projection(GRID_M, camera) - _clamped_projection(moved, camera)
    return float(np.linalg.norm(difference, axis=1).mean())


def acceptable_px(camera: Camera) -> float:
    """Return the largest error that counts as a success on an image of this size [px]."""
    return MAX_SHARE_OF_DIAGONAL * float(np.hypot(camera.width, camera.height))


def _grid_m() -> np.ndarray:
    """Return (196, 3), centred on the optical axis in x and y."""
    x, y, z = (np.arange(count) * STEP_M for count in POINTS)
    axes = (x - x.mean(), y - y.mean(), z + NEAREST_M)
    return np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1).reshape(-1, 3)


GRID_M = _grid_m()


def _clamped_projection(points: np.ndarray, camera: Camera) -> np.ndarray:
    # Not Camera.project: that gives NaN behind the camera, and the benchmark does not.
    with np.errstate(divide='ignore', invalid='ignore'):
        pixels = points @ camera.K.T
        pixels = np.nan_to_num(pixels[:, :2] / pixels[:, 2:], posinf=np.inf, neginf=-np.inf)
    return pixels.clip(0, (camera.width, camera.height))
