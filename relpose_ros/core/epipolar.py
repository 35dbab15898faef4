"""Rotation and direction that two views fix without any depth: refined, and how sure they are."""

from typing import NamedTuple

import numpy as np
from relpose_ros.core.geometry import CROSS_MATRICES, cross_matrices, unit
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
    views = _views(rays_query, rays_keyframe)
    keyframe_from_query = keyframe_from_query.copy()
    rotation, direction = keyframe_from_query[:, :3, :3], keyframe_from_query[:, :3, 3]
    for _ in range(STEPS):
        essential = cross_matrices(direction) @ rotation
        slope = views.slope(rotation, direction)
        error_rad = views.products_with(essential) / slope
        squared = (error_rad / sigma_rad[:, None]) ** 2
        weights = agree / (1 + squared)
        # The constraint is linear in the essential matrix: sums of squares of products are enough.
        weighted = views.products * (weights / slope**2)[..., None]
        normal = weighted.swapaxes(1, 2) @ views.products  # (B, 9, 9)
        free = _free_motions(direction)
        slopes = _slopes(rotation, direction) @ free  # (B, 9, 5)
        products = slopes.swapaxes(1, 2) @ normal
        information = products @ slopes
        trace = np.trace(information, axis1=1, axis2=2)[:, None, None]
        damped = information + DAMPING * (1 + trace) * np.eye(5)
        step = free @ np.linalg.solve(damped, -products @ essential.reshape(-1, 9, 1))
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
    views = _views(rays_query, rays_keyframe)
    rotation, direction = keyframe_from_query[:, :3, :3], keyframe_from_query[:, :3, 3]
    essential = cross_matrices(direction) @ rotation
    error_rad = views.products_with(essential) / views.slope(rotation, direction)
    threshold_rad = threshold_rad[:, None]
    ahead = views.parallax_rad(rotation, direction) > -threshold_rad
    agree = ahead & (np.abs(error_rad) < threshold_rad)
    return agree / (1 + (SHARPNESS * error_rad / threshold_rad) ** 2)


class _Views(NamedTuple):
    """
    Matches of a batch of pairs.

    :param seen: (B, n, 3), rays of the keyframe, unit norm.
    :param sent: (B, n, 3), rays of the query, unit norm.
    :param products: (B, n, 9), of all their coordinates.
    """

    seen: np.ndarray
    sent: np.ndarray
    products: np.ndarray

    def products_with(self, matrices: np.ndarray) -> np.ndarray:
        """Return seen . (M sent) for matrices (B, 3, 3): (B, n)."""
        return (self.products @ matrices.reshape(-1, 9, 1))[..., 0]

    def slope(self, rotation: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """
        Return how the epipolar constraint changes (B, n) as both rays move by an angle.

        An epipolar line is as long as the sine between its ray and the direction.
        """
        along_seen, along_sent = self._along(rotation, direction)
        return np.sqrt((2 - along_seen**2 - along_sent**2).clip(1e-18))

    def parallax_rad(self, rotation: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Return how far (B, n) the translation moves what rays show, negative if behind."""
        along_seen, along_sent = self._along(rotation, direction)
        sine = np.sqrt((1 - along_seen**2).clip(1e-18))
        return (along_seen * self.products_with(rotation) - along_sent) / sine

    def _along(self, rotation: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosines (B, n) between both images' rays and the direction."""
        seen, sent = direction[..., None], rotation.swapaxes(1, 2) @ direction[..., None]
        return (self.seen @ seen)[..., 0], (self.sent @ sent)[..., 0]


def _views(rays_query: np.ndarray, rays_keyframe: np.ndarray) -> _Views:
    seen, sent = unit(rays_keyframe), unit(rays_query)
    products = np.einsum('bni,bnj->bnij', seen, sent).reshape(*seen.shape[:2], 9)
    return _Views(seen, sent, products)


def _slopes(rotation: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return how essential matrices (B, 9, 6) change by direction, and turn along these axes."""
    turned = CROSS_MATRICES @ rotation[:, None]  # (B, 3, 3, 3)
    by_turn = cross_matrices(direction)[:, None] @ turned
    return np.concatenate((turned, by_turn), axis=1).reshape(-1, 6, 9).swapaxes(1, 2)


def _free_motions(direction: np.ndarray) -> np.ndarray:
    """Return motions (B, 6, 5) of essential matrices: directions move across themselves only."""
    free = np.zeros((len(direction), 6, 5))
    free[:, :3, :2] = np.linalg.svd(direction[:, None])[2][:, 1:].swapaxes(1, 2)
    free[:, 3:, 2:] = np.eye(3)
    return free
