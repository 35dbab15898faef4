"""Rotation and direction that two views fix without any depth: refined, and how sure they are."""

from typing import NamedTuple

import numpy as np
from relpose_ros.core.geometry import cross, unit
from scipy.spatial.transform import Rotation

STEPS = 8
MAX_STRIDE = 1.5  # far from the optimum longer ones would swing to and fro
SETTLED_RAD = 1e-4  # a step that changes less is the last
SHARPNESS = 3  # of agreement: it is a half at this fraction of the threshold
# Keeps a step finite where matches leave a motion open: pure rotation, a handful of points.
DAMPING = 1e-9


def refined(
    keyframe_from_query: np.ndarray,
    rays_query: np.ndarray,
    rays_keyframe: np.ndarray,
    agree: np.ndarray,
    sigma_rad: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Refine essential matrices of a batch of pairs by their matches, and propagate their errors.

    Gauss-Newton on Sampson distances with Cauchy weights. RANSAC's own answer scores matches up
    to its threshold about alike: on real pairs this halves its errors.

    The covariance tells a short baseline, which leaves the direction open, from a long one; a
    model of the number of matches alone would not.

    :param keyframe_from_query: (B, 4, 4) with translations of unit length, near the optimum.
    :param rays_query: (B, n, 3), any norm, query camera frame; most that agree are right.
    :param rays_keyframe: (B, n, 3), any norm, keyframe camera frame.
    :param agree: (B, n) bool, which matches take part.
    :param sigma_rad: (B,), error of a ray; no match is believed to be better [rad].
    :return: keyframe_from_query (B, 4, 4), and its covariance (B, 6, 6) as that of RelativePose
        without `metric`: of rank 5.
    """
    rays = unit(rays_query), unit(rays_keyframe)
    keyframe_from_query = keyframe_from_query.copy()
    rotation, direction = keyframe_from_query[:, :3, :3], keyframe_from_query[:, :3, 3]
    for _ in range(STEPS):
        views = _views(keyframe_from_query, *rays)
        error_rad = views.error_rad()
        free = _free_motions(direction)
        slopes = views.slopes() @ free
        squared = (error_rad / sigma_rad[:, None]) ** 2
        weights = agree / (1 + squared)
        weighted = (slopes * weights[..., None]).swapaxes(1, 2)
        information = weighted @ slopes
        trace = np.trace(information, axis1=1, axis2=2)[:, None, None]
        damped = information + DAMPING * (1 + trace) * np.eye(5)
        step = free @ np.linalg.solve(damped, -weighted @ error_rad[..., None])
        step = step[..., 0] * _stride(weights, squared)[:, None]
        rotation[:] = Rotation.from_rotvec(step[:, 3:]).as_matrix() @ rotation
        direction[:] = unit(direction + step[:, :3])
        if np.abs(step).max() < SETTLED_RAD:
            break
    mean_square = (weights * error_rad**2).sum(1) / weights.sum(1).clip(1e-9)
    variance = np.maximum(sigma_rad**2, mean_square)[:, None, None]
    return keyframe_from_query, free @ np.linalg.inv(damped) @ free.swapaxes(1, 2) * variance


def _stride(weights: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """
    Return how much further (B,) than a reweighted step the optimum is.

    Weights stand for the Cauchy cost's slope; its curvature, Newton's divisor, is smaller.

    :param weights: (B, n), Cauchy's.
    :param squared: (B, n), squares of the errors, in sigmas.
    """
    curvature = (weights**2 * (1 - squared)).sum(1)
    total = weights.sum(1)
    return total / np.maximum(curvature, total / MAX_STRIDE).clip(1e-9)


def agreement(
    keyframe_from_query: np.ndarray,
    rays_query: np.ndarray,
    rays_keyframe: np.ndarray,
    threshold_rad: np.ndarray,
) -> np.ndarray:
    """
    Say how well matches agree with essential matrices, from points in front of both cameras.

    :param keyframe_from_query: (B, 4, 4) with translations of unit length; rays as for `refined`.
    :param threshold_rad: (B,), largest angle by which rays may miss each other.
    :return: (B, n), from 1 to 0, where a match does not agree.
    """
    views = _views(keyframe_from_query, unit(rays_query), unit(rays_keyframe))
    error_rad = views.error_rad()
    threshold_rad = threshold_rad[:, None]
    agree = (np.abs(error_rad) < threshold_rad) & (views.parallax_rad() > -threshold_rad)
    return agree / (1 + (SHARPNESS * error_rad / threshold_rad) ** 2)


class _Views(NamedTuple):
    """
    Rays of both images of unit norm along the keyframe's axes, compared with the direction.

    :param direction: (B, 3, 1).
    :param seen: (B, n, 3), the keyframe's.
    :param sent: (B, n, 3), the query's.
    :param along_seen: (B, n, 1), cosine between a ray and the direction; likewise `along_sent`.
    :param across: (B, n, 3), sent x seen.
    """

    direction: np.ndarray
    seen: np.ndarray
    sent: np.ndarray
    along_seen: np.ndarray
    along_sent: np.ndarray
    across: np.ndarray

    def error_rad(self) -> np.ndarray:
        """
        Return the angles (B, n) by which rays miss each other [rad].

        That is ``seen . (direction x sent)`` over what moving both rays by an angle changes of it.
        """
        return (self.across @ self.direction / self._slope())[..., 0]

    def slopes(self) -> np.ndarray:
        """Return how errors change (B, n, 6) by the direction and by a turn along these axes."""
        by_turn = self.seen * self.along_sent - self._cosine() * self.direction.swapaxes(1, 2)
        return np.concatenate((self.across, by_turn), axis=2) / self._slope()

    def parallax_rad(self) -> np.ndarray:
        """Return how far (B, n) the translation moves what rays show, negative if behind."""
        sine = np.sqrt((1 - self.along_seen**2).clip(1e-18))
        return ((self.along_seen * self._cosine() - self.along_sent) / sine)[..., 0]

    def _slope(self) -> np.ndarray:
        # An epipolar line is as long as the sine between its ray and the direction.
        return np.sqrt((2 - self.along_seen**2 - self.along_sent**2).clip(1e-18))

    def _cosine(self) -> np.ndarray:
        return (self.seen * self.sent).sum(2, keepdims=True)


def _views(
    keyframe_from_query: np.ndarray, rays_query: np.ndarray, rays_keyframe: np.ndarray
) -> _Views:
    """Turn rays (B, n, 3) of unit norm by motions (B, 4, 4)."""
    direction = keyframe_from_query[:, :3, 3:]
    seen, sent = rays_keyframe, rays_query @ keyframe_from_query[:, :3, :3].swapaxes(1, 2)
    return _Views(direction, seen, sent, seen @ direction, sent @ direction, cross(sent, seen))


def _free_motions(direction: np.ndarray) -> np.ndarray:
    """Return motions (B, 6, 5) of essential matrices: directions move across themselves only."""
    free = np.zeros((len(direction), 6, 5))
    free[:, :3, :2] = np.linalg.svd(direction[:, None])[2][:, 1:].swapaxes(1, 2)
    free[:, 3:, 2:] = np.eye(3)
    return free
