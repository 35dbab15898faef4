"""The method on one page: one image in, a pose in the map or the reason why there is none out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
import time
from typing import Any

import numpy as np
from relpose_ros.core.camera import Camera, checked_rgb, rectified
from relpose_ros.core.estimator import Estimator, Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.vlad import DenseVlad


@dataclass(frozen=True, slots=True)
class RelocalizerConfig:
    """
    Settings of the method.

    :param candidates: nearest keyframes that may be matched with an image.
    :param batch: keyframes matched at once; the first batch that gives a pose is the last.
    :param min_similarity: least similarity of a keyframe to be matched.
    :param max_distance_m: a pose further from its keyframe than this is rejected [m].
    :param cached_keyframes: keyframes whose features are kept in memory.
    """

    candidates: int = field(default=30, metadata={'range': (1, 1000)})
    batch: int = field(default=5, metadata={'range': (1, 100)})
    min_similarity: float = field(default=0.0, metadata={'range': (-1.0, 1.0)})
    max_distance_m: float = field(default=10.0, metadata={'range': (0.0, 1000.0)})
    cached_keyframes: int = field(default=500, metadata={'range': (1, 100000)})


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A keyframe that looks like the image.

    :param similarity: dot product of the global descriptors, at most 1.
    """

    keyframe_id: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Localization:
    """
    A pose in the map.

    :param map_from_query: (4, 4), camera optical frame to map [m].
    :param covariance: (6, 6) of x y z [m] and of small rotations about x y z [rad], along the
        map's axes, as geometry_msgs/PoseWithCovariance has it.
    :param keyframe_id: the keyframe it was found from.
    :param keyframe_from_query: (4, 4) [m].
    :param matches: consistent matches with that keyframe.
    :param candidates: what retrieval found, most similar first.
    :param latency_s: duration of each stage [s].
    """

    map_from_query: np.ndarray
    covariance: np.ndarray
    keyframe_id: int
    keyframe_from_query: np.ndarray
    matches: Matches
    candidates: tuple[Candidate, ...]
    latency_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Rejection:
    """
    No pose, and why.

    :param detail: figures for a person.
    :param candidates: what retrieval found, most similar first.
    :param latency_s: duration of each stage [s].
    """

    reason: Reason
    detail: str
    candidates: tuple[Candidate, ...]
    latency_s: dict[str, float]


class Relocalizer:
    """Finds images in a map: describe, retrieve, match, compose."""

    def __init__(
        self,
        keyframe_map: KeyframeMap,
        estimator: Estimator,
        config: RelocalizerConfig | None = None,
        device: str = 'cpu',
    ) -> None:
        """
        Prepare for localizing in a map.

        :raises MapError: if the map has no keyframes.
        """
        keyframe_map.require_keyframes()
        self._config = config or RelocalizerConfig()
        self._map = keyframe_map
        self._estimator = estimator
        self._describer = DenseVlad(keyframe_map.vocabulary, device)
        self._keyframe_features = lru_cache(self._config.cached_keyframes)(self._read_features)

    def localize(self, rgb: np.ndarray, camera: Camera) -> Localization | Rejection:
        """
        Find where an image was taken.

        :param rgb: (H, W, 3) uint8.
        :param camera: intrinsics of the image, with or without distortion.
        :raises ValueError: if the image is not as said.
        """
        latency_s: dict[str, float] = {}
        lap = _stopwatch(latency_s)
        rgb, camera = rectified(checked_rgb(rgb, camera), camera)
        lap('prepare')
        descriptor = self._describer.describe(rgb)
        lap('describe')
        candidates = self._candidates(descriptor)
        lap('search')
        similar = [c for c in candidates if c.similarity >= self._config.min_similarity]
        if not similar:
            detail = (
                f'similarity {candidates[0].similarity:.2f} of {self._config.min_similarity:.2f}'
            )
            return Rejection(Reason.NO_SIMILAR_KEYFRAME, detail, candidates, latency_s)
        query = self._estimator.features(rgb, camera, None)
        lap('features')
        keyframe_id, estimate = self._best_estimate(query, similar)
        lap('match')
        return self._conclusion(keyframe_id, estimate, candidates, latency_s)

    def _candidates(self, descriptor: np.ndarray) -> tuple[Candidate, ...]:
        ids, similarity = self._map.nearest(descriptor, self._config.candidates)
        return tuple(Candidate(int(i), float(s)) for i, s in zip(ids, similarity, strict=True))

    def _best_estimate(
        self, query: Any, candidates: list[Candidate]
    ) -> tuple[int, RelativePose | NoRelativePose]:
        """Match batch by batch, the most similar first, until one gives a metric pose."""
        best: list[tuple[int, RelativePose | NoRelativePose]] = []
        for start in range(0, len(candidates), self._config.batch):
            ids = [c.keyframe_id for c in candidates[start : start + self._config.batch]]
            keyframes = [self._keyframe_features(keyframe_id) for keyframe_id in ids]
            estimates = self._estimator.estimate(query, keyframes)
            # Of equals the first stays: the most similar keyframe's reason is the one to tell.
            best = [max([*best, *zip(ids, estimates, strict=True)], key=_rank)]
            if _rank(best[0])[0]:
                break
        return best[0]

    def _conclusion(
        self,
        keyframe_id: int,
        estimate: RelativePose | NoRelativePose,
        candidates: tuple[Candidate, ...],
        latency_s: dict[str, float],
    ) -> Localization | Rejection:
        if isinstance(estimate, NoRelativePose):
            return Rejection(estimate.reason, estimate.detail, candidates, latency_s)
        if not estimate.metric:
            detail = f'keyframe {keyframe_id} has no depth: only rotation and direction are known'
            return Rejection(Reason.SCALE_UNKNOWN, detail, candidates, latency_s)
        distance_m = np.linalg.norm(estimate.keyframe_from_query[:3, 3])
        if distance_m > self._config.max_distance_m:
            detail = f'{distance_m:.1f} m from keyframe {keyframe_id}'
            return Rejection(Reason.IMPLAUSIBLE_POSE, detail, candidates, latency_s)
        map_from_keyframe = self._map.pose(keyframe_id)
        axes = np.kron(np.eye(2), map_from_keyframe[:3, :3])  # both halves of the covariance
        return Localization(
            map_from_query=map_from_keyframe @ estimate.keyframe_from_query,
            covariance=axes @ estimate.covariance @ axes.T,
            keyframe_id=keyframe_id,
            keyframe_from_query=estimate.keyframe_from_query,
            matches=estimate.matches,
            candidates=candidates,
            latency_s=latency_s,
        )

    def _read_features(self, keyframe_id: int) -> Any:
        keyframe = self._map.keyframe(keyframe_id)
        return self._estimator.features(keyframe.rgb, keyframe.camera, keyframe.depth_m)


def _rank(found: tuple[int, RelativePose | NoRelativePose]) -> tuple[bool, float]:
    estimate = found[1]
    if isinstance(estimate, NoRelativePose):
        return False, -1.0
    return estimate.metric, estimate.support


def _stopwatch(latency_s: dict[str, float]) -> Callable[[str], None]:
    start = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal start
        now = time.perf_counter()
        latency_s[stage], start = now - start, now

    return lap
