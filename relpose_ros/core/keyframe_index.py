"""Search among the descriptors of a map: exact, with FAISS."""

import faiss
import numpy as np
from relpose_ros.core.prior import Prior, REACH_M


class KeyframeIndex:
    """Descriptors and positions of keyframes."""

    def __init__(self, ids: np.ndarray, positions_m: np.ndarray, descriptors: np.ndarray) -> None:
        """
        Build the index.

        :param ids: (n,) int64.
        :param positions_m: (n, 3) in the map frame [m].
        :param descriptors: (n, D), unit norm or zero.
        """
        self._ids, self._positions_m = ids, positions_m
        self._index = faiss.IndexFlatIP(descriptors.shape[1])
        self._index.add(descriptors.astype(np.float32))

    @property
    def positions_m(self) -> dict[int, np.ndarray]:
        """Return (3,) in the map frame by keyframe id [m]."""
        return dict(zip(self._ids.tolist(), self._positions_m, strict=True))

    def nearest(
        self, descriptor: np.ndarray, count: int, prior: Prior | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Find the keyframes whose descriptors have the largest dot product with one.

        :param descriptor: (D,) unit norm, or zero.
        :param count: how many to return; all if there are fewer.
        :param prior: search only keyframes that may show what a camera there sees.
        :return: ids (n,) int64 and similarities (n,) float32, largest first.
        """
        among, selection = len(self._ids), None
        if prior is not None:
            distance_m = prior.distance_m(self._positions_m)
            rows = np.flatnonzero(distance_m <= prior.radius_m + REACH_M)
            among = len(rows)
            selection = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))
        if among == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        similarity, row = self._index.search(
            descriptor.astype(np.float32)[None], min(count, among), params=selection
        )
        return self._ids[row[0]], similarity[0]

    def descriptors(self) -> np.ndarray:
        """Return all descriptors, (n, D) float32."""
        return self._index.reconstruct_n(0, self._index.ntotal)
