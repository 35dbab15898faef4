"""Rotation and direction that two views fix without any depth: refined, and how sure they are."""

import numpy as np
from relpose_ros.core.geometry import cross, transform, unit
from scipy.spatial.transform import Rotation

STEPS = 8
SETTLED_RAD = 1e-5  # a step that changes less is the last
# Keeps a step finite where matches leave a motion open: pure rotation, a handful of points.
DAMPING = 1e-9


def refined(
    keyframe_from_query: np.ndarray,
    rays_query: np.ndarray,
    rays_keyframe: np.ndarray,
    sigma_rad: float,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Refine an essential matrix by its matches and propagate their errors to it.

    Gauss-Newton on Sampson distances with Cauchy weights. RANSAC's own answer scores matches up
    to its threshold about alike: on real pairs this halves its errors.

    The covariance tells a short baseline, which leaves the direction open, from a long one; a
    model of the number of matches alone would not.

    :param keyframe_from_query: (4, 4) with a translation of unit length, near the optimum.
    :param rays_query: (n, 3), any norm, query camera frame; most of them right.
    :param rays_keyframe: (n, 3), any norm, keyframe camera frame.
    :param sigma_rad: error of a ray; no match is believed to be better [rad].
    :return: keyframe_from_query (4, 4), and its covariance (6, 6) as that of RelativePose without
        `metric`: of rank 5.
    """
    views = unit(rays_query), unit(rays_keyframe)
    for _ in range(STEPS):
        error_rad, jacobian = _sampson(keyframe_from_query, *views)
        free = _free_motions(keyframe_from_query[:3, 3])
        slopes = jacobian @ free
        weights = 1 / (1 + (error_rad / sigma_rad) ** 2)
        information = slopes.T @ (slopes * weights[:, None])
        damped = information + DAMPING * (1 + np.trace(information)) * np.eye(5)
        step = free @ np.linalg.solve(damped, -slopes.T @ (weights * error_rad))
        turn = Rotation.from_rotvec(step[3:]).as_matrix()
        direction = unit(keyframe_from_query[:3, 3] + step[:3])
        keyframe_from_query = transform(turn @ keyframe_from_query[:3, :3], direction)
        if np.abs(step).max() < SETTLED_RAD:
            break
    mean_square = float(weights @ error_rad**2 / max(weights.sum(), 1e-9))
    variance = max(sigma_rad**2, mean_square)
    return keyframe_from_query, free @ np.linalg.inv(damped) @ free.T * variance


def consistent(
    keyframe_from_query: np.ndarray,
    rays_query: np.ndarray,
    rays_keyframe: np.ndarray,
    threshold_rad: float,
) -> np.ndarray:
    """
    Say which matches agree with an essential matrix, from points in front of both cameras.

    :param keyframe_from_query: (4, 4) with a translation of unit length; rays as for `refined`.
    :param threshold_rad: largest angle by which rays may miss each other.
    :return: (n,) bool.
    """
    seen, sent = unit(rays_keyframe), unit(rays_query)
    error_rad, _ = _sampson(keyframe_from_query, sent, seen)
    normal = unit(cross(seen, keyframe_from_query[:3, 3]))
    turned = sent @ keyframe_from_query[:3, :3].T
    parallax_rad = -(cross(seen, turned) * normal).sum(1)
    return (np.abs(error_rad) < threshold_rad) & (parallax_rad > -threshold_rad)


def _sampson(
    keyframe_from_query: np.ndarray, rays_query: np.ndarray, rays_keyframe: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the angles (n,) by which rays miss each other [rad], and their derivatives (n, 6).

    The error is ``seen . (direction x sent)`` over what moving both rays by an angle changes of
    it; the derivatives are by the direction and by a small rotation along the keyframe's axes.
    """
    direction = keyframe_from_query[:3, 3]
    seen, sent = rays_keyframe, rays_query @ keyframe_from_query[:3, :3].T
    normal = -cross(sent, direction)
    across = cross(seen, direction)
    slope = np.sqrt((normal**2).sum(1) + (across**2).sum(1)).clip(1e-9)
    by_direction = cross(sent, seen)
    by_rotation = seen * (sent @ direction)[:, None] - direction * (seen * sent).sum(1)[:, None]
    jacobian = np.hstack([by_direction, by_rotation]) / slope[:, None]
    return (seen * normal).sum(1) / slope, jacobian


def _free_motions(direction: np.ndarray) -> np.ndarray:
    """Return the motions (6, 5) of an essential matrix: its direction moves across itself only."""
    free = np.zeros((6, 5))
    free[:3, :2] = np.linalg.svd(direction[None])[2][1:].T
    free[3:, 2:] = np.eye(3)
    return free
