"""The method on one page: one image in, a pose in the map or the reason why there is none out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
import time
from typing import Any

import numpy as np
from relpose_ros.core.calibration import Calibration
from relpose_ros.core.camera import Camera, checked_rgb, rectified
from relpose_ros.core.confidence import calibrated, evidence, worst_sigma_m
from relpose_ros.core.estimator import Estimator, NoRelativePose, Reason, RelativePose
from relpose_ros.core.fusion import fuse, FusedPose, KeyframeEstimate
from relpose_ros.core.geometry import inverse, position_error_m, rotation_error_rad
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Candidate, Localization, Rejection
from relpose_ros.core.prior import Prior
from relpose_ros.core.retrieval import CACHED, CANDIDATES, Retrieval

# More keyframes are worth their time if the last ones made the standard deviation this small.
WORTHWHILE = 0.8
# A single keyframe's errors show nowhere: matching goes on until another one agrees with it.
MIN_AGREEING = 2
# Keyframes this far from a pose, or this much turned from it, are about equally hard to match.
APART_M, APART_RAD = 1.0, 0.5

Fuse = Callable[[Sequence[KeyframeEstimate]], FusedPose | None]
Matched = tuple[int, RelativePose | NoRelativePose]  # keyframe id and what it says of the query


@dataclass(frozen=True, slots=True)
class RelocalizerConfig:
    """
    Settings of the method.

    :param candidates: nearest keyframes that may be matched with an image.
    :param batch: keyframes matched at once; more follow until the pose is sure.
    :param min_similarity: least similarity of a keyframe to be matched.
    :param max_distance_m: a pose further from its keyframe than this is rejected [m].
    :param enough_sigma_m: no more keyframes are matched once two agree and the position's standard
        deviation along its worst axis is no larger than this, or hardly falls any more [m].
    :param max_sigma_m: a pose with a larger one is rejected [m].
    :param max_wrong_share: at most this share of the poses given may be wrong by 50 cm or 10
        degrees, as calibrated: the least sure are rejected.
    :param cached_keyframes: keyframes whose features are kept in memory; fewer than `candidates`
        and every image reads them anew.
    """

    candidates: int = field(default=CANDIDATES, metadata={'range': (1, 1000)})
    batch: int = field(default=5, metadata={'range': (1, 100)})
    min_similarity: float = field(default=0.0, metadata={'range': (-1.0, 1.0)})
    max_distance_m: float = field(default=10.0, metadata={'range': (0.0, 1000.0)})
    enough_sigma_m: float = field(default=0.03, metadata={'range': (0.0, 1000.0)})
    max_sigma_m: float = field(default=0.5, metadata={'range': (0.0, 1000.0)})
    max_wrong_share: float = field(default=0.002, metadata={'range': (0.0, 1.0)})
    cached_keyframes: int = field(default=CACHED, metadata={'range': (1, 100000)})


class Relocalizer:
    """Finds images in a map: describe, search, rank, match, fuse."""

    def __init__(
        self,
        keyframe_map: KeyframeMap,
        estimator: Estimator,
        config: RelocalizerConfig | None = None,
        device: str = 'cpu',
        fuse: Fuse = fuse,
    ) -> None:
        """
        Prepare for localizing in a map.

        :param fuse: makes one pose of several keyframes; another method may be put in its place
            for comparison.
        :raises MapError: if the map has no keyframes.
        """
        keyframe_map.require_keyframes()
        self._config = config or RelocalizerConfig()
        self._map = keyframe_map
        self._estimator = estimator
        self._fuse = fuse
        cached = self._config.cached_keyframes
        self._retrieval = Retrieval(keyframe_map, estimator, device, cached)

    def localize(
        self, rgb: np.ndarray, camera: Camera, prior: Prior | None = None
    ) -> Localization | Rejection:
        """
        Find where an image was taken.

        :param rgb: (H, W, 3) uint8.
        :param camera: intrinsics of the image, with or without distortion.
        :param prior: where the camera is known to be: only keyframes around it are searched, and
            a pose outside is rejected.
        :raises ValueError: if the image is not as said.
        """
        latency_s: dict[str, float] = {}
        lap = stopwatch(latency_s)
        rgb, camera = rectified(checked_rgb(rgb, camera), camera)
        lap('prepare')
        descriptor = self._retrieval.describe(rgb)
        lap('describe')
        candidates = self._retrieval.nearest(descriptor, self._config.candidates, prior)
        lap('search')
        if not candidates:
            detail = f'the prior: {prior}'
            return Rejection(Reason.NO_KEYFRAME_NEAR_PRIOR, detail, candidates, latency_s)
        similar = [c for c in candidates if c.similarity >= self._config.min_similarity]
        if not similar:
            detail = (
                f'similarity {candidates[0].similarity:.2f} of {self._config.min_similarity:.2f}'
            )
            return Rejection(Reason.NO_SIMILAR_KEYFRAME, detail, candidates, latency_s)
        query = self._estimator.features(rgb, camera, None)
        lap('features')
        similar = self._retrieval.likeliest_first(query, similar)
        candidates = (*similar, *candidates[len(similar) :])
        lap('rank')
        matched: list[Matched] = []
        answer: Localization | Rejection | None = None
        sigma_m = inf
        while similar:
            batch, similar = similar[: self._config.batch], similar[self._config.batch :]
            matched += self._match(query, batch)
            lap('match')
            fused = self._fuse(self._in_map(matched))
            lap('fuse')
            answer = None
            if fused is not None:
                answer = self._conclusion(fused, matched, prior, candidates, latency_s)
                similar = self._covisible_first(similar, fused)
            if isinstance(answer, Localization) and len(answer.agreeing_ids) >= MIN_AGREEING:
                before_m, sigma_m = sigma_m, worst_sigma_m(answer.covariance)
                if not sigma_m > self._config.enough_sigma_m:
                    break
                if sigma_m > WORTHWHILE * before_m:
                    break
        return answer or Rejection(*_why_none(matched), candidates, latency_s)

    def similarity(self, rgb: np.ndarray) -> float:
        """
        Return how much an image looks like the keyframe that it looks like most.

        :param rgb: (H, W, 3) uint8, without distortion.
        """
        return self._retrieval.nearest(self._retrieval.describe(rgb), 1)[0].similarity

    def _match(self, query: Any, candidates: list[Candidate]) -> list[Matched]:
        ids = [candidate.keyframe_id for candidate in candidates]
        keyframes = [self._retrieval.features(keyframe_id) for keyframe_id in ids]
        return list(zip(ids, self._estimator.estimate(query, keyframes), strict=True))

    def _in_map(self, matched: list[Matched]) -> list[KeyframeEstimate]:
        return [KeyframeEstimate(self._map.pose(i), relative) for i, relative in _solved(matched)]

    def _covisible_first(self, candidates: list[Candidate], fused: FusedPose) -> list[Candidate]:
        """Order keyframes by how much of the view at a pose they can share."""

        def apart(candidate: Candidate) -> float:
            map_from_keyframe = self._map.pose(candidate.keyframe_id)
            distance_m = position_error_m(map_from_keyframe, fused.map_from_query)
            turn_rad = rotation_error_rad(map_from_keyframe, fused.map_from_query)
            return distance_m / APART_M + turn_rad / APART_RAD

        return sorted(candidates, key=apart)

    def _conclusion(
        self,
        fused: FusedPose,
        matched: list[Matched],
        prior: Prior | None,
        candidates: tuple[Candidate, ...],
        latency_s: dict[str, float],
    ) -> Localization | Rejection:
        agreeing = [_solved(matched)[i] for i in fused.agreeing]
        keyframe_id, estimate = agreeing[0]
        found = evidence(fused, self._in_map(matched))
        covariance, wrong_chance = calibrated(fused, found, self._estimator.calibration)
        keyframe_from_query = inverse(self._map.pose(keyframe_id)) @ fused.map_from_query
        sure = covariance, wrong_chance, self._estimator.calibration
        doubts = doubt(self._config, keyframe_from_query, *sure)
        if doubts is not None:
            reason, detail = doubts
            detail = f'{detail} from keyframe {keyframe_id}'
            return Rejection(reason, detail, candidates, latency_s)
        if prior is not None:
            off_m = prior.distance_m(fused.map_from_query[:3, 3])
            if off_m > prior.radius_m:
                detail = f'{off_m:.1f} m from the centre of the prior: {prior}'
                return Rejection(Reason.OUTSIDE_PRIOR, detail, candidates, latency_s)
        return Localization(
            map_from_query=fused.map_from_query,
            covariance=covariance,
            keyframe_id=keyframe_id,
            keyframe_from_query=keyframe_from_query,
            matches=estimate.matches,
            agreeing_ids=tuple(each for each, _ in agreeing),
            agreement=fused.agreement,
            evidence=found,
            wrong_chance=wrong_chance,
            candidates=candidates,
            latency_s=latency_s,
        )


def doubt(
    config: RelocalizerConfig,
    keyframe_from_query: np.ndarray,
    covariance: np.ndarray,
    wrong_chance: float | None,
    calibration: Calibration | None,
) -> tuple[Reason, str] | None:
    """
    Return why a pose is not to be believed; None if it is.

    :param keyframe_from_query: (4, 4), the pose as its keyframe sees it [m].
    :param covariance: (6, 6), as Localization has it.
    :param wrong_chance: as Localization has it.
    :param calibration: of the estimator; None if nothing was measured.
    """
    distance_m, sigma_m = np.linalg.norm(keyframe_from_query[:3, 3]), worst_sigma_m(covariance)
    if distance_m > config.max_distance_m:
        return Reason.IMPLAUSIBLE_POSE, f'{distance_m:.1f} m'
    if sigma_m > config.max_sigma_m:
        return Reason.UNCERTAIN_POSE, f'known to {sigma_m:.2f} m'
    if calibration and wrong_chance > calibration.largest_chance(config.max_wrong_share):
        return Reason.UNCERTAIN_POSE, f'wrong with a chance of {100 * wrong_chance:.1f} %'
    return None


def _solved(matched: list[Matched]) -> list[tuple[int, RelativePose]]:
    return [(i, each) for i, each in matched if isinstance(each, RelativePose)]


def _why_none(matched: list[Matched]) -> tuple[Reason, str]:
    """Tell why these keyframes give no pose: what was missing to the most promising one."""
    solved = _solved(matched)
    if not solved:
        # Nothing ranks failures but retrieval: the likeliest keyframe's reason is the one.
        failure = matched[0][1]
        return failure.reason, failure.detail
    if any(relative.metric for _, relative in solved):
        return Reason.NO_CONSISTENT_POSE, f'{len(solved)} keyframes contradict each other'
    ids = ', '.join(str(keyframe_id) for keyframe_id, _ in solved)
    return Reason.SCALE_UNKNOWN, (
        f'no depth, and the directions from the keyframes that match do not meet: {ids}'
    )


def stopwatch(latency_s: dict[str, float]) -> Callable[[str], None]:
    """
    Measure stages that follow each other.

    :param latency_s: filled with the duration of each stage [s].
    :return: to be called with a stage's name when it ends.
    """
    start = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal start
        now = time.perf_counter()
        # Stages of every batch add up.
        latency_s[stage], start = latency_s.get(stage, 0.0) + now - start, now

    return lap
