"""The pose of one pair from its matches: by PnP where depth is known, else up to scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.epipolar import consistent, refined
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.geometry import transform, unit
from relpose_ros.core.pnp import CONFIDENCE, solve_pnp
from relpose_ros.core.two_view_motion import CORNERS, two_view_motion
import torch

# Where depth is known of less than this share of the matches, directions are worth a try.
MIN_KNOWN = 0.5
ITERATIONS = 2000


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
    matches = matches.solvable()
    if len(matches) < min_inliers:
        return _too_few(len(matches), min_inliers)
    if matches.depth_m is None:
        rays = _rays([matches])
        found = _poses_of_rays([matches], rays, *_by_ransac(rays, threshold_px))[0]
    else:
        found = _pnp(matches, threshold_px, ITERATIONS)
    return _if_enough(found, len(matches), min_inliers)


def solve_pairs(
    pairs: Sequence[PairMatches],
    threshold_px: float,
    min_inliers: Sequence[int],
    iterations: int = ITERATIONS,
) -> list[RelativePose | NoRelativePose]:
    """
    Find the same for pairs whose matches are mostly right, as the network's are.

    Without depth an M-estimator then finds what RANSAC does not, for all pairs at once.

    :param min_inliers: of each pair; otherwise as for solve_pair.
    :param iterations: at most so many samples are drawn of a pair with depth.
    """
    pairs = [each.solvable() for each in pairs]
    enough = [i for i, each in enumerate(pairs) if len(each) >= min_inliers[i]]
    without = [i for i in enough if pairs[i].depth_m is None]
    found = dict(zip(without, _by_rays([pairs[i] for i in without], threshold_px), strict=True))
    results = [_too_few(*each) for each in zip(map(len, pairs), min_inliers, strict=True)]
    for i in enough:
        pose = found[i] if i in found else _pnp(pairs[i], threshold_px, iterations)
        results[i] = _if_enough(pose, len(pairs[i]), min_inliers[i])
    return results


def _too_few(count: int, needed: int) -> NoRelativePose:
    return NoRelativePose(Reason.FEW_MATCHES, f'{count} of {needed} needed matches')


def _if_enough(
    found: RelativePose | None, count: int, min_inliers: int
) -> RelativePose | NoRelativePose:
    inliers = 0 if found is None else int(found.support)
    if inliers >= min_inliers:
        return found
    detail = f'{inliers} of {count} matches agree, {min_inliers} are needed'
    return NoRelativePose(Reason.NO_CONSISTENT_POSE, detail, support=inliers)


def _pnp(matches: PairMatches, threshold_px: float, iterations: int) -> RelativePose | None:
    points = matches.keyframe.rays(matches.pixels_keyframe) * matches.depth_m[:, None]
    found = solve_pnp(points, matches.pixels_query, matches.query, threshold_px, iterations)
    if found is None:
        return None
    which = found.inliers
    return RelativePose(
        keyframe_from_query=found.keyframe_from_query,
        metric=True,
        covariance=found.covariance,
        support=float(len(which)),
        matches=Matches(matches.pixels_query[which], matches.pixels_keyframe[which]),
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


def _rays(pairs: Sequence[PairMatches]) -> _Rays:
    longest = max(map(len, pairs))
    query, keyframe = np.zeros((2, len(pairs), longest, 3))
    for i, each in enumerate(pairs):
        query[i, : len(each)] = unit(each.query.rays(each.pixels_query))
        keyframe[i, : len(each)] = unit(each.keyframe.rays(each.pixels_keyframe))
    matched = np.arange(longest) < np.array([len(each) for each in pairs])[:, None]
    focal_px = np.array([(each.query.fx + each.keyframe.fx) / 2 for each in pairs])
    return _Rays(query, keyframe, matched, 1 / focal_px)


def _by_rays(pairs: Sequence[PairMatches], threshold_px: float) -> list[RelativePose]:
    if not pairs:
        return []
    rays = _rays(pairs)
    return _poses_of_rays(pairs, rays, *_by_m_estimator(rays, threshold_px))


def _poses_of_rays(
    pairs: Sequence[PairMatches], rays: _Rays, guesses: np.ndarray, agree: np.ndarray
) -> list[RelativePose]:
    """
    Refine motions.

    :param guesses: (B, 4, 4), keyframe_from_query with a translation of unit length.
    :param agree: (B, n) bool.
    """
    # Matches are no better than a pixel.
    found = refined(guesses, rays.query, rays.keyframe, agree, rays.pixel_rad)
    results = []
    for matches, pose, covariance, which in zip(pairs, *found, agree, strict=True):
        chosen = matches.chosen(which[: len(matches)])
        results.append(
            RelativePose(
                keyframe_from_query=pose,
                metric=False,
                covariance=covariance,
                support=float(len(chosen)),
                matches=Matches(chosen.pixels_query, chosen.pixels_keyframe),
            )
        )
    return results


def _by_ransac(rays: _Rays, threshold_px: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Solve one pair by MAGSAC++ and the five-point algorithm.

    :return: guesses and which agree, as _poses_of_rays takes them.
    """
    views = [
        np.ascontiguousarray(each[0, :, :2] / each[0, :, 2:])
        for each in (rays.query, rays.keyframe)
    ]
    settings = {'prob': CONFIDENCE, 'threshold': threshold_px * rays.pixel_rad[0]}
    essential, mask = cv2.findEssentialMat(*views, np.eye(3), method=cv2.USAC_MAGSAC, **settings)
    if essential is None or essential.shape != (3, 3):
        return np.eye(4)[None], np.zeros_like(rays.matched)
    _, rotation, direction, mask = cv2.recoverPose(essential, *views, np.eye(3), mask=mask)
    return transform(rotation, direction.ravel())[None], mask.T > 0


def _by_m_estimator(rays: _Rays, threshold_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Solve pairs by two_view_motion; returns the same as _by_ransac."""
    views = (torch.from_numpy(each).float() for each in (rays.keyframe, rays.query))
    motion = two_view_motion(*views, torch.from_numpy(rays.matched).float(), CORNERS)
    guesses = np.tile(np.eye(4), (len(rays.matched), 1, 1))
    guesses[:, :3, :3], guesses[:, :3, 3] = motion.rotation, motion.direction
    threshold_rad = threshold_px * rays.pixel_rad
    return guesses, rays.matched & consistent(guesses, rays.query, rays.keyframe, threshold_rad)
