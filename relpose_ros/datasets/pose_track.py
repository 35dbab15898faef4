"""
Poses over time and the tree of frames they hang in, for recordings and live.

Between two stamps a pose is interpolated; before the first, behind the last and across long gaps
there is none: a map built on guessed poses would be wrong without a word. Who must go on a little
behind the last pose sets a limit, and the motion of as long a time before is continued.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

import numpy as np
from relpose_ros.core.geometry import inverse, transform
from scipy.spatial.transform import Rotation


class PoseTrack:
    """
    A frame's pose over time.

    :param stamps_ns: in any order; of equal stamps the first counts [ns].
    :param target_from_source: (4, 4) each.
    :param max_gap_s: poses farther apart than this are not connected [s].
    :param max_extrapolation_s: so long behind the last pose its motion is continued [s].
    """

    def __init__(
        self,
        stamps_ns: Sequence[int] = (),
        target_from_source: Sequence[np.ndarray] = (),
        max_gap_s: float = 1.0,
        max_extrapolation_s: float = 0.0,
    ) -> None:
        self._stamps_ns: list[int] = []
        self._transforms: list[np.ndarray] = []
        self._max_gap_ns = max_gap_s * 1e9
        self._max_extrapolation_ns = round(max_extrapolation_s * 1e9)
        for stamp_ns, each in zip(stamps_ns, target_from_source, strict=True):
            self.add(stamp_ns, each)

    def add(self, stamp_ns: int, target_from_source: np.ndarray) -> None:
        """Add a pose [ns], (4, 4); of equal stamps the first counts."""
        index = bisect_left(self._stamps_ns, stamp_ns)
        if stamp_ns not in self._stamps_ns[index : index + 1]:
            self._stamps_ns.insert(index, int(stamp_ns))
            self._transforms.insert(index, target_from_source)

    def forget_before(self, stamp_ns: int) -> None:
        """Drop the poses before a time [ns]."""
        count = bisect_left(self._stamps_ns, stamp_ns)
        del self._stamps_ns[:count], self._transforms[:count]

    @property
    def begin_ns(self) -> float:
        """Stamp of the first pose [ns]; infinite if there is none."""
        return self._stamps_ns[0] if self._stamps_ns else inf

    @property
    def end_ns(self) -> float:
        """Stamp of the last pose [ns]; minus infinite if there is none."""
        return self._stamps_ns[-1] if self._stamps_ns else -inf

    def at(self, stamp_ns: int) -> np.ndarray | None:
        """Return (4, 4) target_from_source at a time [ns]; None where the track has no pose."""
        after = bisect_left(self._stamps_ns, stamp_ns)
        if after == len(self._stamps_ns):
            return self._continued(stamp_ns)
        if self._stamps_ns[after] == stamp_ns:
            return self._transforms[after]
        if after == 0:
            return None
        begin_ns, end_ns = self._stamps_ns[after - 1 : after + 1]
        if end_ns - begin_ns > self._max_gap_ns:
            return None
        share = (stamp_ns - begin_ns) / (end_ns - begin_ns)
        return _moved(*self._transforms[after - 1 : after + 1], share)

    def _continued(self, stamp_ns: int) -> np.ndarray | None:
        """Continue the motion before the last pose, no farther than it is known to go."""
        limit_ns = self._max_extrapolation_ns
        if not self._stamps_ns or stamp_ns > self.end_ns + limit_ns:
            return None
        # Over as long a time as the limit: noise does not grow beyond bounds.
        begin = self.at(self._stamps_ns[-1] - limit_ns)
        if begin is None:
            return None
        return _moved(begin, self._transforms[-1], 1 + (stamp_ns - self.end_ns) / limit_ns)


class FrameTree:
    """The frames of a robot: each hangs on one parent, fixed or moving."""

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

    def parent(self, child: str) -> tuple[str, PoseTrack | np.ndarray] | None:
        """Return what a frame hangs on, and how; None for a root and an unknown frame."""
        return self._parents.get(child)

    def between(self, target: str, source: str) -> tuple[list[str], list[str]]:
        """
        Return the frames below the first that both hang on, from each upwards.

        :param target: a frame.
        :param source: a frame connected with ``target``.
        """
        down, up = self._line(target), self._line(source)
        common = next(frame for frame in up if frame in down)
        return down[: down.index(common)], up[: up.index(common)]

    def at(self, target: str, source: str, stamp_ns: int) -> np.ndarray | None:
        """
        Return (4, 4) target_from_source at a time [ns]; None where a pose on the way is missing.

        :param target: a frame.
        :param source: a frame connected with ``target``.
        """
        down, up = self.between(target, source)
        common_from_source = self._climb(up, stamp_ns)
        common_from_target = self._climb(down, stamp_ns)
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


def _moved(begin: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """Go from one pose towards another at constant speed, and beyond it for a share above 1."""
    turn = Rotation.from_matrix(begin[:3, :3].T @ end[:3, :3]).as_rotvec()
    rotation = begin[:3, :3] @ Rotation.from_rotvec(share * turn).as_matrix()
    return transform(rotation, (1 - share) * begin[:3, 3] + share * end[:3, 3])
