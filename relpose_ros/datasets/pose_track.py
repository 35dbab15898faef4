"""
Poses over time and the tree of frames they hang in, for recordings.

Between two stamps a pose is interpolated; before the first, behind the last and across long gaps
there is none: a map built on guessed poses would be wrong without a word.
"""

from collections.abc import Sequence

import numpy as np
from relpose_ros.core.geometry import inverse, transform
from scipy.spatial.transform import Rotation, Slerp


class PoseTrack:
    """
    A frame's pose over time.

    :param stamps_ns: in any order; of equal stamps the first counts [ns].
    :param target_from_source: (4, 4) each.
    :param max_gap_s: poses farther apart than this are not connected [s].
    """

    def __init__(
        self,
        stamps_ns: Sequence[int],
        target_from_source: Sequence[np.ndarray],
        max_gap_s: float = 1.0,
    ) -> None:
        self._stamps_ns, first = np.unique(np.array(stamps_ns, np.int64), return_index=True)
        self._transforms = [target_from_source[i] for i in first]
        self._max_gap_ns = max_gap_s * 1e9

    def at(self, stamp_ns: int) -> np.ndarray | None:
        """Return (4, 4) target_from_source at a time [ns]; None where the track has no pose."""
        after = int(np.searchsorted(self._stamps_ns, stamp_ns))
        if after == len(self._stamps_ns):
            return None
        if self._stamps_ns[after] == stamp_ns:
            return self._transforms[after]
        if after == 0:
            return None
        begin_ns, end_ns = (int(stamp) for stamp in self._stamps_ns[after - 1 : after + 1])
        if end_ns - begin_ns > self._max_gap_ns:
            return None
        begin, end = self._transforms[after - 1 : after + 1]
        share = (stamp_ns - begin_ns) / (end_ns - begin_ns)
        turn = Slerp((0, 1), Rotation.from_matrix((begin[:3, :3], end[:3, :3])))
        return transform(turn(share).as_matrix(), (1 - share) * begin[:3, 3] + share * end[:3, 3])


class FrameTree:
    """The frames of a recording: each hangs on one parent, fixed or moving."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, PoseTrack | np.ndarray]] = {}

    def add(self, parent: str, child: str, parent_from_child: PoseTrack | np.ndarray) -> None:
        """Hang a frame on its parent: (4, 4) if it is fixed there, a track if it moves."""
        self._parents[child] = (parent, parent_from_child)

    @property
    def frames(self) -> list[str]:
        """Return the names of all frames."""
        parents = [parent for parent, _ in self._parents.values()]
        return sorted({*self._parents, *parents})

    def connects(self, target: str, source: str) -> bool:
        """Say whether both frames hang in the same tree."""
        return self._line(target)[-1] == self._line(source)[-1]

    def at(self, target: str, source: str, stamp_ns: int) -> np.ndarray | None:
        """
        Return (4, 4) target_from_source at a time [ns]; None where a pose on the way is missing.

        :param target: a frame.
        :param source: a frame connected with ``target``.
        """
        up, down = self._line(source), self._line(target)
        common = next(frame for frame in up if frame in down)
        common_from_source = self._climb(up[: up.index(common)], stamp_ns)
        common_from_target = self._climb(down[: down.index(common)], stamp_ns)
        if common_from_source is None or common_from_target is None:
            return None
        return inverse(common_from_target) @ common_from_source

    def _line(self, frame: str) -> list[str]:
        """Return the frame, its parent, and so on up to the root."""
        line = [frame]
        while line[-1] in self._parents and len(line) <= len(self._parents):
            line.append(self._parents[line[-1]][0])
        return line

    def _climb(self, frames: list[str], stamp_ns: int) -> np.ndarray | None:
        """Return (4, 4) from the first frame to the parent of the last."""
        result = np.eye(4)
        for frame in frames:
            step = self._parents[frame][1]
            if isinstance(step, PoseTrack):
                step = step.at(stamp_ns)
            if step is None:
                return None
            result = step @ result
        return result
