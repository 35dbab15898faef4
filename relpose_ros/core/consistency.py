"""Does a relative pose explain the matches it was found with? Wrong places do not."""

import numpy as np
from relpose_ros.core.geometry import cross, unit

# No surface is taken to be nearer to the query camera than this.
NEAREST_M = 0.4


def disagreement_rad(
    keyframe_from_query: np.ndarray, rays_keyframe: np.ndarray, rays_query: np.ndarray
) -> np.ndarray:
    """
    Return how far each match is from where the pose allows it.

    The point that a query pixel shows may be at any distance from NEAREST_M on: in the keyframe
    it lies on an arc of its epipolar line, which shrinks to a point where the camera only turned.

    :param keyframe_from_query: (..., 4, 4), metric [m].
    :param rays_keyframe: (..., n, 3), any norm, keyframe camera frame.
    :param rays_query: (..., n, 3), any norm, query camera frame.
    :return: (..., n), angle between the keyframe's ray and the nearest point of the arc [rad].
    """
    seen = unit(rays_keyframe)
    far = unit(rays_query) @ keyframe_from_query[..., :3, :3].swapaxes(-1, -2)
    near = unit(far * NEAREST_M + keyframe_from_query[..., None, :3, 3])
    ends = np.minimum(_angles(seen, far), _angles(seen, near))
    normal = cross(far, near)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal = np.divide(normal, length, where=length > 1e-9, out=np.zeros_like(normal))
    # The nearest point of the whole great circle counts if it lies between the arc's ends.
    height = np.sum(seen * normal, axis=-1)
    foot = seen - height[..., None] * normal
    ahead = np.sum(cross(far, foot) * normal, axis=-1) >= 0
    before = np.sum(cross(foot, near) * normal, axis=-1) >= 0
    between = ahead & before & (length[..., 0] > 1e-9)
    return np.where(between, np.abs(np.arcsin(height.clip(-1, 1))), ends)


def _angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.arctan2(np.linalg.norm(cross(a, b), axis=-1), np.sum(a * b, axis=-1))
