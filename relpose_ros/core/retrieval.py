"""Which keyframes to match with an image: of the nearest descriptors the likeliest first."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from relpose_ros.core.estimator import Estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Candidate
from relpose_ros.core.prior import Prior
from relpose_ros.core.vlad import DenseVlad

# Keyframes that are retrieved for an image, and keyframes whose features are kept in memory.
CANDIDATES, CACHED = 30, 500


class Retrieval:
    """Finds keyframes of a map, and keeps their features."""

    def __init__(
        self,
        keyframe_map: KeyframeMap,
        estimator: Estimator,
        device: str = 'cpu',
        cached_keyframes: int = CACHED,
    ) -> None:
        """Prepare for a map and for what an estimator's features tell."""
        self._map, self._estimator = keyframe_map, estimator
        self._describer = DenseVlad(keyframe_map.vocabulary, device)
        self._kept = lru_cache(cached_keyframes)(self._read_features)

    def describe(self, rgb: np.ndarray) -> np.ndarray:
        """Return the descriptor of an image (H, W, 3) uint8 without distortion."""
        return self._describer.describe(rgb)

    def nearest(
        self, descriptor: np.ndarray, count: int = CANDIDATES, prior: Prior | None = None
    ) -> tuple[Candidate, ...]:
        """Return the keyframes of the nearest descriptors, near a prior if there is one."""
        ids, similarity = self._map.nearest(descriptor, count, prior)
        return tuple(Candidate(int(i), float(s)) for i, s in zip(ids, similarity, strict=True))

    def features(self, keyframe_id: int) -> Any:
        """Return the estimator's features of a keyframe."""
        return self._kept(keyframe_id)

    def likeliest_first(self, query: Any, candidates: Sequence[Candidate]) -> list[Candidate]:
        """
        Order keyframes by how much of the query their features show, where the estimator can tell.

        :param query: features of the query.
        """
        if self._estimator.likeness is None:
            return list(candidates)
        keyframes = [self.features(candidate.keyframe_id) for candidate in candidates]
        likeness = self._estimator.likeness(query, keyframes)
        return [candidates[i] for i in np.argsort(-likeness, kind='stable')]

    def _read_features(self, keyframe_id: int) -> Any:
        keyframe = self._map.keyframe(keyframe_id)
        return self._estimator.features(keyframe.rgb, keyframe.camera, keyframe.depth_m)
