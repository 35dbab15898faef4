"""
Several keyframes, one pose: a vote finds which of them agree, least squares blends those.

Rays and ranges go into one system: a keyframe that knows no range is one whose range is very
uncertain. So two rays give a metric position, and where the keyframes and the query stand in one
line, and no rays can, the ranges do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from relpose_ros.core.estimator import RelativePose
from relpose_ros.core.geometry import transform
from scipy.spatial.transform import Rotation

# No keyframe's own pose is known better than this, whatever the matches say. With it, the
# geometric estimator's errors in recorded rooms are as large as their covariances say.
KEYFRAME_SIGMA_M = 0.01
KEYFRAME_SIGMA_RAD = 0.005
# Keyframes of one query err alike: its keypoints, its calibration. Between 0 and 0.15 on each axis
# in recorded rooms with depth.
CORRELATION = 0.1
# An estimate agrees with a pose within this many standard deviations: more than noise alone would
# need, because matches of one image are wrong together, which no estimate's covariance knows.
AGREEING_SIGMAS = 4.0
# A pose is refused if those voted out could put up one with this share of its support.
MAX_RIVAL = 0.5
# Rays determine a position if it is uncertain by at most this share of its distance.
MAX_SPREAD = 0.15
# Hypotheses come from pairs of so many of the best supported: their number grows with the square.
MAX_PAIRED = 8
# How uncertain an unknown range is, in multiples of itself, and the least range [m].
UNKNOWN_RANGE = 100.0
MIN_RANGE_M = 0.01
# Least squares settles within these steps: positions are linear but for the weights of rays.
PAIR_STEPS, FINAL_STEPS = 2, 4


@dataclass(frozen=True, slots=True)
class KeyframeEstimate:
    """
    What one keyframe says of the query.

    :param map_from_keyframe: (4, 4) [m].
    """

    map_from_keyframe: np.ndarray
    relative: RelativePose


@dataclass(frozen=True, slots=True)
class FusedPose:
    """
    The pose on which keyframes agree.

    :param map_from_query: (4, 4) [m].
    :param covariance: (6, 6) of x y z [m] and of small rotations about x y z [rad], along the
        map's axes.
    :param agreeing: which of the estimates agree with it, best supported first.
    :param agreement: their share of the support of all, in (0, 1].
    """

    map_from_query: np.ndarray
    covariance: np.ndarray
    agreeing: tuple[int, ...]
    agreement: float


def fuse(
    estimates: Sequence[KeyframeEstimate], correlation: float = CORRELATION
) -> FusedPose | None:
    """
    Find the pose that most of the support agrees on.

    Hypotheses come from every metric estimate and from pairs of any kind; each estimate votes
    for those that it is near, by its own covariance. The winner is refined with all that agree.

    The covariance is the inverse of the summed information, enlarged twice. By the reduced
    chi-square of the residuals where it is above 1: keyframes that scatter more than they say
    are believed less. And by 1 + (n - 1) correlation, the variance of a mean of n such errors
    over that of independent ones: what keyframes have in common never shows in their scatter.

    :param estimates: k keyframes in any order.
    :param correlation: of the errors of any two keyframes, in [0, 1].
    :return: None if no position is determined, or two are about as well supported.
    :raises ValueError: if a pose is no rigid transform or a covariance is not finite.
    """
    if not estimates:
        return None
    seen = _Observations(estimates)
    rotations, positions, votes = _hypotheses(seen)
    if not len(votes):
        return None
    best = [np.argmax(votes @ seen.support)]
    pose = _refined(seen, rotations[best], positions[best])
    if pose is None:
        return None
    map_from_query, covariance, agrees = pose
    covariance = covariance * (1 + (agrees.sum() - 1) * correlation)
    support = seen.support[agrees].sum()
    if _rival(seen, votes, agrees) > MAX_RIVAL * support:
        return None
    order = sorted(np.flatnonzero(agrees), key=lambda i: -seen.support[i])
    agreement = float(support / seen.support.sum())
    return FusedPose(map_from_query, covariance, tuple(map(int, order)), agreement)


class _Observations:
    """
    Estimates of k keyframes, stacked, along the map's axes.

    Where `metric` is False, `headings` are unit directions and covariances those of directions.
    """

    def __init__(self, estimates: Sequence[KeyframeEstimate]) -> None:
        relative = [each.relative for each in estimates]
        map_from_keyframe = _stacked(
            'map_from_keyframe', [each.map_from_keyframe for each in estimates], 4
        )
        keyframe_from_query = _stacked(
            'keyframe_from_query', [each.keyframe_from_query for each in relative], 4
        )
        covariances = _stacked('covariance', [each.covariance for each in relative], 6)
        axes = map_from_keyframe[:, :3, :3]
        both = np.zeros_like(covariances)
        both[:, :3, :3] = both[:, 3:, 3:] = axes
        self.covariances = both @ covariances @ both.swapaxes(1, 2)
        self.rotations = axes @ keyframe_from_query[:, :3, :3]
        self.origins = map_from_keyframe[:, :3, 3]
        self.headings = (axes @ keyframe_from_query[:, :3, 3:])[..., 0]
        self.metric = np.array([each.metric for each in relative])
        self.support = np.array([each.support for each in relative], np.float64)
        self.freedoms = np.where(self.metric, 6, 5)

    def ranges(self, positions: np.ndarray) -> np.ndarray:
        """Return how far along each ray (k) the positions (h, 3) are: (h, k) [m]."""
        return np.einsum('hki,ki->hk', positions[:, None] - self.origins, self.headings)

    def residuals(
        self, rotations: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Compare h poses with k estimates.

        :param rotations: (h, 3, 3), R_map_from_query.
        :param positions: (h, 3) [m].
        :return: estimate minus pose (h, k, 6) [m, rad], and its information (h, k, 6, 6).
        """
        ranges = np.where(self.metric, 1.0, self.ranges(positions).clip(MIN_RANGE_M))
        reached = self.origins + ranges[..., None] * self.headings  # (h, k, 3)
        turn = self.rotations @ rotations[:, None].swapaxes(2, 3)
        turn_rad = Rotation.from_matrix(turn.reshape(-1, 3, 3)).as_rotvec()
        residual = np.concatenate(
            [reached - positions[:, None], turn_rad.reshape(reached.shape)], axis=2
        )
        scale = np.ones_like(residual)
        scale[..., :3] = ranges[..., None]
        covariance = self.covariances * scale[..., None] * scale[..., None, :]
        along = np.where(self.metric, 0.0, UNKNOWN_RANGE * ranges)[..., None] * self.headings
        covariance[..., :3, :3] += along[..., None] * along[..., None, :]
        covariance += np.diag([KEYFRAME_SIGMA_M**2] * 3 + [KEYFRAME_SIGMA_RAD**2] * 3)
        return residual, np.linalg.inv(covariance)

    def distances(
        self, positions: np.ndarray, residual: np.ndarray, information: np.ndarray
    ) -> np.ndarray:
        """
        Return squared Mahalanobis distances per degree of freedom.

        :return: (h, k); infinite for a position behind a ray's origin.
        """
        squared = (residual[..., None, :] @ information @ residual[..., None])[..., 0, 0]
        behind = ~self.metric & (self.ranges(positions) < 0)
        return np.where(behind, np.inf, squared / self.freedoms)

    def determined(
        self, positions: np.ndarray, covariances: np.ndarray, members: np.ndarray
    ) -> np.ndarray:
        """Say which positions (h, 3) are known well enough by their members (h, k) alone: (h,)."""
        spread_m = np.sqrt(np.linalg.eigvalsh(covariances[:, :3, :3])[:, -1])
        distance_m = np.linalg.norm(positions[:, None] - self.origins, axis=2)
        mean_m = (distance_m * members).sum(1) / members.sum(1)
        return (members & self.metric).any(1) | (spread_m < MAX_SPREAD * mean_m)


def _hypotheses(seen: _Observations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return poses (h, 3, 3), (h, 3) of one or two estimates and the votes (h, k) in [0, 1]."""
    count = len(seen.support)
    alone = [(i, i) for i in np.flatnonzero(seen.metric)]
    strongest = np.argsort(-seen.support, kind='stable')[:MAX_PAIRED]
    i, j = np.array([*alone, *combinations(strongest, 2)], int).reshape(-1, 2).T
    members = np.eye(count, dtype=bool)[i] | np.eye(count, dtype=bool)[j]
    rotations, positions = seen.rotations[i], seen.origins[i] + seen.headings[i]
    covariances = np.zeros((len(i), 6, 6))
    for _ in range(PAIR_STEPS):
        turn, shift, covariances = _step(*seen.residuals(rotations, positions), members)
        rotations, positions = turn @ rotations, positions + shift
    known = seen.determined(positions, covariances, members)
    rotations, positions = rotations[known], positions[known]
    distances = seen.distances(positions, *seen.residuals(rotations, positions))
    return rotations, positions, (1 - distances / AGREEING_SIGMAS**2).clip(0)


def _step(
    residual: np.ndarray, information: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Take one Gauss-Newton step towards the estimates.

    :param residual: (h, k, 6).
    :param information: (h, k, 6, 6).
    :param weights: (h, k), of the estimates.
    :return: turn (h, 3, 3), shift (h, 3) and the covariance after it (h, 6, 6).
    """
    information = information * weights[..., None, None]
    covariances = np.linalg.inv(information.sum(1))
    step = (covariances @ (information @ residual[..., None]).sum(1))[..., 0]
    return Rotation.from_rotvec(step[:, 3:]).as_matrix(), step[:, :3], covariances


def _refined(
    seen: _Observations, rotation: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """
    Refine one hypothesis by all estimates that agree.

    :param rotation: (1, 3, 3).
    :param position: (1, 3).
    :return: map_from_query, its covariance and who agrees (k,); None if it is not determined.
    """
    covariance = np.zeros((1, 6, 6))
    for _ in range(FINAL_STEPS):
        compared = seen.residuals(rotation, position)
        distances = seen.distances(position, *compared)
        agrees = distances < AGREEING_SIGMAS**2
        if not agrees.any():
            return None
        # Cauchy: who is further off than he should be has less of a say before he loses it.
        weights = np.where(agrees, 1 / (1 + distances / AGREEING_SIGMAS**2), 0)
        turn, shift, covariance = _step(*compared, weights)
        rotation, position = turn @ rotation, position + shift
    if not seen.determined(position, covariance, agrees)[0]:
        return None
    surplus = (seen.freedoms * agrees).sum() - 6
    squared = (weights * seen.freedoms)[agrees] @ distances[agrees]
    scatter = squared / max(surplus, 1)
    return transform(rotation[0], position[0]), covariance[0] * max(1.0, scatter), agrees[0]


def _rival(seen: _Observations, votes: np.ndarray, agrees: np.ndarray) -> float:
    """Return the largest support that a pose has among those voted out."""
    alone = np.eye(len(agrees), dtype=bool)
    return float((((np.vstack([votes > 0, alone])) & ~agrees) @ seen.support).max())


def _stacked(name: str, matrices: Sequence[np.ndarray], size: int) -> np.ndarray:
    stacked = np.array(matrices, np.float64)
    if stacked.shape[1:] != (size, size):
        raise ValueError(f'{name}: expected ({size}, {size}), got {stacked.shape[1:]}')
    if not np.isfinite(stacked).all():
        raise ValueError(f'{name}: not finite')
    return stacked
