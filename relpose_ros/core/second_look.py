"""
A second look at what keyframes see: at the pose that most of their matches together agree on.

A keyframe alone may have too few consistent matches to be believed, or fit a wrong pose to right
ones: points of a plane do so. With the matches of the others the pose is plain, and each keyframe
looks again near it. One that sees something else stays with that, and votes against it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Matches, NoRelativePose, RelativePose, Sightings
from relpose_ros.core.geometry import inverse, transform_points
from relpose_ros.core.pnp import MIN_INLIERS, pnp_covariance, refine_pnp

# A keyframe bears a pose out by so many of the matches that it would need alone, and of those that
# agree with its own pose; all keyframes together by so many times what one would need.
LESS, KEPT = 0.8, 0.6
TOGETHER = 2.0
MAX_TRIED = 8  # poses of the best supported keyframes
ROUNDS = 2  # of choosing the matches that agree, and refining the pose by them

Estimate = RelativePose | NoRelativePose


def second_look(
    map_from_keyframe: Sequence[np.ndarray], estimates: Sequence[Estimate]
) -> list[Estimate]:
    """
    Let keyframes with depth look again near the pose that most matches of all agree on.

    :param map_from_keyframe: (4, 4) [m] of k keyframes.
    :param estimates: what each says of one query.
    :return: k estimates in the same order: poses near that one of keyframes that bear it out,
        whether they had one or not; of others what they said.
    """
    seeing = [i for i, each in enumerate(estimates) if each.sightings is not None]
    if len(seeing) < 2:
        return list(estimates)
    poses = [map_from_keyframe[i] for i in seeing]
    map_from_query = _most_seen(poses, [estimates[i] for i in seeing])
    if map_from_query is None:
        return list(estimates)
    looked: dict[int, RelativePose] = {}
    for i, pose in zip(seeing, poses, strict=True):
        found = _near(inverse(pose) @ map_from_query, estimates[i].sightings)
        if found is not None:
            looked[i] = found
    evidence = sum(each.support / each.sightings.needed for each in looked.values())
    # One keyframe alone says nothing new.
    if len(looked) < 2 or evidence < TOGETHER:
        return list(estimates)
    return [looked.get(i, each) for i, each in enumerate(estimates)]


class _Points(NamedTuple):
    """
    Points in space and where the query sees them, wrong ones among them.

    :param points: (n, 3) [m].
    :param pixels: (n, 2), u v [px].
    :param camera: the query's.
    """

    points: np.ndarray
    pixels: np.ndarray
    camera: Camera

    def chosen(self, which: np.ndarray) -> '_Points':
        return self._replace(points=self.points[which], pixels=self.pixels[which])

    def agreeing(self, frame_from_query: np.ndarray, threshold_px: float) -> np.ndarray:
        """Say which agree with a pose (4, 4) in the frame of the points: (n,) bool."""
        seen = transform_points(inverse(frame_from_query), self.points)
        off = self.camera.project(seen) - self.pixels
        return (off**2).sum(1) < threshold_px**2  # NaN, behind the camera, is not less


def _near(guess: np.ndarray, sightings: Sightings) -> RelativePose | None:
    """Return what a keyframe sees near a pose of its own frame; None if that is too little."""
    seen = sightings.matches
    points = _Points(sightings.points, seen.pixels_query, sightings.camera)
    which = points.agreeing(guess, sightings.threshold_px)
    count, own, kept = np.count_nonzero(which), sightings.keyframe_from_query, 0.0
    if own is not None:
        kept = KEPT * np.count_nonzero(points.agreeing(own, sightings.threshold_px))
    if count < max(MIN_INLIERS, LESS * sightings.needed, kept):
        return None
    points = points.chosen(which)
    keyframe_from_query = refine_pnp(guess, *points)
    return RelativePose(
        keyframe_from_query=keyframe_from_query,
        metric=True,
        covariance=pnp_covariance(inverse(keyframe_from_query), *points),
        support=float(count),
        matches=Matches(points.pixels, seen.pixels_keyframe[which]),
        sightings=sightings,
    )


def _most_seen(
    map_from_keyframe: Sequence[np.ndarray], estimates: Sequence[Estimate]
) -> np.ndarray | None:
    """Return the keyframe's pose (4, 4) that most points agree with, refined; None if too few."""
    seen = [each.sightings for each in estimates]
    in_map = [
        transform_points(pose, each.points)
        for pose, each in zip(map_from_keyframe, seen, strict=True)
    ]
    together = _Points(
        np.concatenate(in_map),
        np.concatenate([each.matches.pixels_query for each in seen]),
        seen[0].camera,
    )
    threshold_px = seen[0].threshold_px
    weights = np.concatenate([np.full(len(each.points), 1 / each.needed) for each in seen])
    strongest = np.argsort([-each.support for each in estimates], kind='stable')[:MAX_TRIED]
    poses = [
        map_from_keyframe[i] @ seen[i].keyframe_from_query
        for i in strongest
        if seen[i].keyframe_from_query is not None
    ]
    if not poses:
        return None
    best = max(poses, key=lambda pose: weights @ together.agreeing(pose, threshold_px))
    for _ in range(ROUNDS):
        which = together.agreeing(best, threshold_px)
        if np.count_nonzero(which) < MIN_INLIERS:
            return None
        best = refine_pnp(best, *together.chosen(which))
    return best
