"""The pose of one pair from its matches: by PnP where depth is known, else up to scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.epipolar import agreement, refined
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.geometry import unit
from relpose_ros.core.pnp import solve_pnp
from relpose_ros.core.sampling import Sampling, THOROUGH
from relpose_ros.core.two_view_motion import CORNERS_RAD, two_view_motion
import torch

# Where depth is known of less than this share of the matches, directions are worth a try.
MIN_KNOWN = 0.5
# Samples tell motions apart best by the matches that agree with them within this share of what
# counts as agreeing.
TIGHT = 2 / 3
LOCAL_SAMPLE = 20  # matches of a motion that is better than one of five
CONVINCING = 0.5  # A motion with which matches agree so well on average is not doubted.


@dataclass(frozen=True, slots=True)
class PairMatches:
    """
    Matches of a query with a keyframe, wrong ones among them.

    :param pixels_query: (n, 2), u v [px].
    :param pixels_keyframe: (n, 2), u v [px].
    :param depth_m: (n,) of the keyframe's pixels, 0 where unknown [m]; None without depth.
    """

    pixels_query: np.ndarray
    pixels_keyframe: np.ndarray
    depth_m: np.ndarray | None
    query: Camera
    keyframe: Camera

    def __len__(self) -> int:
        return len(self.pixels_query)

    def solvable(self) -> 'PairMatches':
        """Return those that a pose can be solved from: with depth, those of known depth."""
        return self if self.depth_m is None else self.chosen(self.depth_m > 0)

    def lack_depth(self) -> bool:
        """Say whether most have no depth though some have."""
        return self.depth_m is not None and len(self.solvable()) < MIN_KNOWN * len(self)

    def chosen(self, which: np.ndarray) -> 'PairMatches':
        """Return some of the matches."""
        return replace(
            self,
            pixels_query=self.pixels_query[which],
            pixels_keyframe=self.pixels_keyframe[which],
            depth_m=None if self.depth_m is None else self.depth_m[which],
        )


def solve_pair(
    matches: PairMatches, threshold_px: float, min_inliers: int
) -> RelativePose | NoRelativePose:
    """
    Find the pose that most matches agree on.

    :param threshold_px: largest reprojection or epipolar error of a consistent match [px].
    :param min_inliers: fewest consistent matches of a pose.
    """
    return solve_pairs([matches], threshold_px, [min_inliers])[0]


def solve_pairs(
    pairs: Sequence[PairMatches],
    threshold_px: float,
    min_inliers: Sequence[int],
    sampling: Sampling = THOROUGH,
) -> list[RelativePose | NoRelativePose]:
    """
    Find the same for several pairs.

    :param min_inliers: of each pair; otherwise as for solve_pair.
    """
    pairs = [each.solvable() for each in pairs]
    enough = [i for i, each in enumerate(pairs) if len(each) >= min_inliers[i]]
    without = [i for i in enough if pairs[i].depth_m is None]
    needed = [min_inliers[i] for i in without]
    by_rays = _by_rays([pairs[i] for i in without], threshold_px, needed, sampling)
    found = dict(zip(without, by_rays, strict=True))
    for i in enough:
        if i not in found:
            found[i] = _by_points(pairs[i], threshold_px, min_inliers[i], sampling)
    return [
        found[i] if i in found else _too_few(len(each), 0, min_inliers[i])
        for i, each in enumerate(pairs)
    ]


def _too_few(count: int, agree: int, needed: int) -> NoRelativePose:
    """Say that of so many matches too few agree, or that there are too few."""
    if count < needed:
        return NoRelativePose(Reason.FEW_MATCHES, f'{count} of {needed} needed matches')
    detail = f'{agree} of {count} matches agree, {needed} are needed'
    return NoRelativePose(Reason.NO_CONSISTENT_POSE, detail, agree)


def _by_points(
    matches: PairMatches, threshold_px: float, min_inliers: int, sampling: Sampling
) -> RelativePose | NoRelativePose:
    points = matches.keyframe.rays(matches.pixels_keyframe) * matches.depth_m[:, None]
    found = solve_pnp(points, matches.pixels_query, matches.query, threshold_px, sampling)
    inliers = 0 if found is None else len(found.inliers)
    if inliers < min_inliers:
        return _too_few(len(matches), inliers, min_inliers)
    agreeing = matches.chosen(found.inliers)
    return RelativePose(
        keyframe_from_query=found.keyframe_from_query,
        metric=True,
        covariance=found.covariance,
        support=float(inliers),
        matches=Matches(agreeing.pixels_query, agreeing.pixels_keyframe),
    )


class _Rays(NamedTuple):
    """
    Matches of a batch of pairs, filled up with zeros.

    :param query: (B, n, 3), unit norm; likewise `keyframe`.
    :param matched: (B, n) bool, false where filled up.
    :param pixel_rad: (B,), angle of a pixel [rad].
    """

    query: np.ndarray
    keyframe: np.ndarray
    matched: np.ndarray
    pixel_rad: np.ndarray

    def chosen(self, which: np.ndarray) -> '_Rays':
        """Return some of the pairs."""
        return _Rays(*(each[which] for each in self))


def _rays(pairs: Sequence[PairMatches]) -> _Rays:
    longest = max(map(len, pairs))
    query, keyframe = np.zeros((2, len(pairs), longest, 3))
    for i, each in enumerate(pairs):
        query[i, : len(each)] = unit(each.query.rays(each.pixels_query))
        keyframe[i, : len(each)] = unit(each.keyframe.rays(each.pixels_keyframe))
    matched = np.arange(longest) < np.array([len(each) for each in pairs])[:, None]
    focal_px = np.array([(each.query.fx + each.keyframe.fx) / 2 for each in pairs])
    return _Rays(query, keyframe, matched, 1 / focal_px)


def _by_rays(
    pairs: Sequence[PairMatches],
    threshold_px: float,
    min_inliers: Sequence[int],
    sampling: Sampling,
) -> list[RelativePose | NoRelativePose]:
    """Find the motions of pairs, and refine them by the matches that agree."""
    if not pairs:
        return []
    rays = _rays(pairs)
    guesses, agree = _motions(rays, threshold_px, sampling)
    # Matches are no better than a pixel.
    found = refined(guesses, rays.query, rays.keyframe, agree, rays.pixel_rad)
    return [_ray(*each) for each in zip(pairs, *found, agree, min_inliers, strict=True)]


def _motions(
    rays: _Rays, threshold_px: float, sampling: Sampling
) -> tuple[np.ndarray, np.ndarray]:
    """
    Find the motion that most matches of each pair agree on.

    An M-estimator finds those of most pairs, all at once. It begins where a turn brings most rays
    together: that is too far from motions around what is seen, which samples find.

    :return: keyframe_from_query (B, 4, 4) with translations of unit length; which agree (B, n).
    """
    guesses = _by_m_estimator(rays)
    agree = _agreement(guesses, rays, threshold_px)
    doubted = np.flatnonzero(agree.sum(1) < CONVINCING * rays.matched.sum(1))
    doubtful = rays.chosen(doubted)
    for others in _by_samples(doubtful, threshold_px, sampling):
        agree_too = _agreement(others, doubtful, threshold_px)
        better = agree_too.sum(1) > agree[doubted].sum(1)
        which = doubted[better]
        guesses[which], agree[which] = others[better], agree_too[better]
    return guesses, agree > 0


def _ray(
    matches: PairMatches,
    keyframe_from_query: np.ndarray,
    covariance: np.ndarray,
    agree: np.ndarray,
    needed: int,
) -> RelativePose | NoRelativePose:
    chosen = matches.chosen(agree[: len(matches)])
    if len(chosen) < needed:
        return _too_few(len(matches), len(chosen), needed)
    return RelativePose(
        keyframe_from_query=keyframe_from_query,
        metric=False,
        covariance=covariance,
        support=float(len(chosen)),
        matches=Matches(chosen.pixels_query, chosen.pixels_keyframe),
    )


def _agreement(guesses: np.ndarray, rays: _Rays, threshold_px: float) -> np.ndarray:
    """Return how well matches (B, n) agree with motions (B, 4, 4), from 1 to 0."""
    threshold_rad = threshold_px * rays.pixel_rad
    return rays.matched * agreement(guesses, rays.query, rays.keyframe, threshold_rad)


def _by_m_estimator(rays: _Rays) -> np.ndarray:
    """Return keyframe_from_query (B, 4, 4) with translations of unit length."""
    views = (torch.from_numpy(each).float() for each in (rays.keyframe, rays.query))
    motion = two_view_motion(*views, torch.from_numpy(rays.matched).float(), CORNERS_RAD)
    guesses = np.tile(np.eye(4), (len(rays.matched), 1, 1))
    guesses[:, :3, :3], guesses[:, :3, 3] = motion.rotation, motion.direction
    return guesses


def _by_samples(rays: _Rays, threshold_px: float, sampling: Sampling) -> np.ndarray:
    """
    Find the motions of pairs by the five-point algorithm, MSAC and inner local optimization.

    :return: keyframe_from_query (2, B, 4, 4) with translations of unit length, there and back.
    """
    motions = np.tile(np.eye(4), (2, len(rays.matched), 1, 1))
    for i, (query, keyframe, matched, pixel_rad) in enumerate(zip(*rays, strict=True)):
        settings = sampling.settings(TIGHT * threshold_px * pixel_rad)
        rotation, direction = _sampled(query[matched], keyframe[matched], settings)
        motions[:, i, :3, :3] = rotation
        motions[:, i, :3, 3] = direction, -direction
    return motions


def _sampled(
    query: np.ndarray, keyframe: np.ndarray, settings: cv2.UsacParams
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotation and the direction, or its opposite, of rays (n, 3) of one pair."""
    settings.score = cv2.SCORE_METHOD_MSAC
    settings.loMethod = cv2.LOCAL_OPTIM_INNER_LO
    settings.loSampleSize = LOCAL_SAMPLE
    views = (np.ascontiguousarray(each[:, :2] / each[:, 2:]) for each in (query, keyframe))
    ideal = np.eye(3), np.eye(3), np.zeros(4), np.zeros(4)
    essential, agree = cv2.findEssentialMat(*views, *ideal, settings)
    if essential is None or essential.shape != (3, 3) or not np.isfinite(essential).all():
        return np.eye(3), np.array([0.0, 0.0, 1.0])  # which few agree with
    *rotations, direction = cv2.decomposeEssentialMat(essential)
    # Half a turn about the direction explains rays alike, but parts them further.
    moment = (query * agree).T @ keyframe
    rotation = max(rotations, key=lambda each: np.sum(each.T * moment))
    return rotation, direction.ravel()
