"""
How others make one pose of several keyframes: the same signature as ``core.fusion.fuse``.

None of them says how sure it is: covariances are NaN, but for the single keyframe's own.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from relpose_ros.core.fusion import FusedPose, KeyframeEstimate
from relpose_ros.core.geometry import angle_between_rad, transform
from scipy.spatial.transform import Rotation

# EssNet's threshold for regressed directions (its RANSAC: Zhou et al. 2020, section 4).
RAY_INLIER_RAD = np.radians(15)
# Lines are as good as parallel from this condition of their normal equations on.
MAX_CONDITION = 1e6
WEISZFELD_STEPS = 100


def best_single(estimates: Sequence[KeyframeEstimate]) -> FusedPose | None:
    """Take the metric estimate with the most support as it is."""
    metric = [i for i, each in enumerate(estimates) if each.relative.metric]
    if not metric:
        return None
    best = max(metric, key=lambda i: estimates[i].relative.support)
    axes = np.kron(np.eye(2), estimates[best].map_from_keyframe[:3, :3])
    covariance = axes @ estimates[best].relative.covariance @ axes.T
    return _answer(estimates, [best], _map_from_query(estimates[best]), covariance)


def geometric_median(estimates: Sequence[KeyframeEstimate]) -> FusedPose | None:
    """
    Take the geometric median of metric positions and the chordal mean of rotations.

    Source: Map-free relocalization (Arnold et al. 2022), its 7-Scenes benchmark.
    """
    metric = [i for i, each in enumerate(estimates) if each.relative.metric]
    if not metric:
        return None
    poses = np.array([_map_from_query(estimates[i]) for i in metric])
    median = poses[:, :3, 3].mean(0)
    for _ in range(WEISZFELD_STEPS):
        weights = 1 / np.linalg.norm(poses[:, :3, 3] - median, axis=1).clip(1e-9)
        median = np.average(poses[:, :3, 3], axis=0, weights=weights)
    rotation = Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix()
    return _answer(estimates, metric, transform(rotation, median))


def ray_intersection(estimates: Sequence[KeyframeEstimate]) -> FusedPose | None:
    """
    Intersect all direction lines by least squares; take the median quaternion.

    Ranges are not used, nobody is voted out. Source: Reloc3r (Dong et al. 2025), reloc3r_visloc.
    """
    position = _intersection(estimates)
    if position is None:
        return None
    quats_xyzw = np.array(
        [Rotation.from_matrix(_map_from_query(e)[:3, :3]).as_quat() for e in estimates]
    )
    quats_xyzw *= np.where(quats_xyzw @ quats_xyzw[0] < 0, -1, 1)[:, None]
    rotation = Rotation.from_quat(np.median(quats_xyzw, axis=0)).as_matrix()
    return _answer(estimates, range(len(estimates)), transform(rotation, position))


def ransac_triangulation(estimates: Sequence[KeyframeEstimate]) -> FusedPose | None:
    """
    Intersect the pair of rays with which most rays agree, then all those.

    Source: EssNet (Zhou et al. 2020). Every pair is tried, where it draws some.
    """
    agreeing: list[int] = []
    for pair in combinations(estimates, 2):
        position = _intersection(pair)
        if position is not None:
            agreeing = max(agreeing, _agreeing(estimates, position), key=len)
    position = _intersection([estimates[i] for i in agreeing])
    if position is None:
        return None
    rotations = np.array([_map_from_query(estimates[i])[:3, :3] for i in agreeing])
    rotation = Rotation.from_matrix(rotations).mean().as_matrix()
    return _answer(estimates, agreeing, transform(rotation, position))


FUSIONS = {
    'best single': best_single,
    'geometric median': geometric_median,
    'ray intersection': ray_intersection,
    'RANSAC triangulation': ransac_triangulation,
}


def _map_from_query(estimate: KeyframeEstimate) -> np.ndarray:
    return estimate.map_from_keyframe @ estimate.relative.keyframe_from_query


def _direction(estimate: KeyframeEstimate) -> np.ndarray:
    """Return the direction from the keyframe to the query, (3,), along the map's axes."""
    rotation = estimate.map_from_keyframe[:3, :3]
    direction = rotation @ estimate.relative.keyframe_from_query[:3, 3]
    return direction / max(np.linalg.norm(direction), 1e-12)


def _intersection(estimates: Sequence[KeyframeEstimate]) -> np.ndarray | None:
    """Return the point nearest to all lines (3,) [m]; None where they are parallel."""
    if len(estimates) < 2:
        return None
    directions = np.array([_direction(each) for each in estimates])
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    origins = np.array([each.map_from_keyframe[:3, 3] for each in estimates])
    normal = across.sum(0)
    if np.linalg.cond(normal) > MAX_CONDITION:
        return None
    return np.linalg.solve(normal, (across @ origins[..., None]).sum(0)[:, 0])


def _agreeing(estimates: Sequence[KeyframeEstimate], position: np.ndarray) -> list[int]:
    """Return which rays point at a position."""
    return [
        i
        for i, each in enumerate(estimates)
        if angle_between_rad(_direction(each), position - each.map_from_keyframe[:3, 3])
        < RAY_INLIER_RAD
    ]


def _answer(
    estimates: Sequence[KeyframeEstimate],
    agreeing: Sequence[int],
    map_from_query: np.ndarray,
    covariance: np.ndarray | None = None,
) -> FusedPose:
    support = [each.relative.support for each in estimates]
    agreeing = sorted(agreeing, key=lambda i: -support[i])
    share = sum(support[i] for i in agreeing) / sum(support)
    unknown = np.full((6, 6), np.nan)
    return FusedPose(
        map_from_query, unknown if covariance is None else covariance, tuple(agreeing), share
    )
