"""From the network's matches to a better pose: sharper matches, geometry, and a blend of both."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from relpose_ros.core.estimator import NoRelativePose, Reason, RelativePose
from relpose_ros.core.fine_matching import FineImage
from relpose_ros.core.fusion import AGREEING_SIGMAS, MIN_RANGE_M, UNKNOWN_RANGE
from relpose_ros.core.geometry import transform
from relpose_ros.core.match_sets import at_cells, at_corners, CoarseMatches
from relpose_ros.core.pair_geometry import PairMatches, solve_pairs
from relpose_ros.core.sampling import QUICK, Sampling, THOROUGH

POSES = ('blend', 'geometry', 'regression')
# The strongest corners alone are a quick try. If so many of them agree, more corners are worth it.
MIN_PROMISING = 7


@dataclass(frozen=True, slots=True)
class RefinementConfig:
    """
    What is made of the network's matches.

    :param pose: 'regression': the head's pose as it is; 'geometry': the pose that the matches
        give; 'blend': both by their uncertainties, regression alone where matches are too few.
    :param fine: look for the exact place of every match; else it is taken from the coarse grid.
    :param threshold_px: largest error of a consistent match, on an image of 480 px [px].
    :param min_inliers: fewest consistent matches of a geometric pose.
    :param min_inlier_share: least share of consistent matches.
    """

    pose: str = field(default='blend', metadata={'choices': POSES})
    fine: bool = True
    threshold_px: float = field(default=3.0, metadata={'range': (0.1, 50.0)})
    min_inliers: int = field(default=20, metadata={'range': (6, 1000)})
    min_inlier_share: float = field(default=0.1, metadata={'range': (0.0, 1.0)})


def refined_poses(
    query: FineImage,
    pairs: Sequence[CoarseMatches],
    regressed: Sequence[RelativePose | NoRelativePose],
    config: RefinementConfig,
) -> list[RelativePose | NoRelativePose]:
    """
    Solve the geometry of each pair's matches and blend it with what the head says.

    :param regressed: what the head says of each pair.
    :return: metric where the keyframe has depth or the head's pose is believed.
    """
    solved = _solved(query, pairs, config)
    if config.pose == 'geometry':
        return solved
    return [blended(*each) for each in zip(solved, regressed, strict=True)]


def _solved(
    query: FineImage, pairs: Sequence[CoarseMatches], config: RefinementConfig
) -> list[RelativePose | NoRelativePose]:
    """
    Solve from the strongest corner of each cell, or else from more.

    With the keyframe's depth all corners follow: among four times as many matches a pose stands
    out that a distant view hardly shows, and points in space seldom agree by chance. Rays do, so
    that without depth more of them tell nothing.
    """
    first = at_corners(query, pairs, every=False) if config.fine else at_cells(query, pairs)
    solved = _solve(first, config, QUICK if config.fine else THOROUGH)
    failed = [
        i
        for i, each in enumerate(solved)
        if isinstance(each, NoRelativePose) and first[i].depth_m is not None
    ]
    promising = [i for i in failed if config.fine and _is_promising(solved[i])]
    every = at_corners(query, [pairs[i] for i in promising], every=True)
    solved = _replaced(solved, promising, _solve(every, config))
    lacking = [
        i for i in failed if isinstance(solved[i], NoRelativePose) and first[i].lack_depth()
    ]
    without = [replace(first[i], depth_m=None) for i in lacking]
    return _replaced(solved, lacking, _solve(without, config))


def _is_promising(failed: NoRelativePose) -> bool:
    return failed.reason is Reason.FEW_MATCHES or failed.support >= MIN_PROMISING


def _replaced(values: list, indices: Sequence[int], others: list) -> list:
    by_index = dict(zip(indices, others, strict=True))
    return [by_index.get(i, value) for i, value in enumerate(values)]


def _solve(
    pairs: Sequence[PairMatches], config: RefinementConfig, sampling: Sampling = THOROUGH
) -> list[RelativePose | NoRelativePose]:
    min_inliers = [
        max(config.min_inliers, round(config.min_inlier_share * len(each.solvable())))
        for each in pairs
    ]
    return solve_pairs(pairs, config.threshold_px, min_inliers, sampling)


def blended(
    solved: RelativePose | NoRelativePose, regressed: RelativePose | NoRelativePose
) -> RelativePose | NoRelativePose:
    """Put two poses together: the matches give rotation and direction, the head a range."""
    if isinstance(solved, NoRelativePose):
        # Matches that contradict each other speak against the head's pose, too.
        return regressed if solved.reason is Reason.FEW_MATCHES else solved
    if solved.metric or isinstance(regressed, NoRelativePose):
        return solved
    return _with_range(solved, regressed) or solved


def _with_range(ray: RelativePose, metric: RelativePose) -> RelativePose | None:
    """
    Update a pose whose range is unknown by one that has a range.

    :return: None if they contradict each other.
    """
    heading, reached = ray.keyframe_from_query[:3, 3], metric.keyframe_from_query[:3, 3]
    if heading @ reached <= 0:
        return None  # the head says that the query is behind what the matches see ahead
    range_m = max(heading @ reached, MIN_RANGE_M)
    scale = np.diag([range_m] * 3 + [1.0] * 3)
    along = np.append(UNKNOWN_RANGE * range_m * heading, np.zeros(3))
    covariance = scale @ ray.covariance @ scale + np.outer(along, along)
    rotation = ray.keyframe_from_query[:3, :3]
    turn, _ = cv2.Rodrigues(metric.keyframe_from_query[:3, :3] @ rotation.T)
    off = np.append(reached - range_m * heading, turn)
    information = np.linalg.inv(covariance + metric.covariance)
    if off @ information @ off > len(off) * AGREEING_SIGMAS**2:
        return None
    gain = covariance @ information
    step = gain @ off
    turned = cv2.Rodrigues(step[3:])[0] @ rotation
    return replace(
        ray,
        keyframe_from_query=transform(turned, range_m * heading + step[:3]),
        metric=True,
        covariance=covariance - gain @ covariance,
    )
