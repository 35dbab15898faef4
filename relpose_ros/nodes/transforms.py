"""
Transforms between frames at the time of an image, from /tf and /tf_static.

tf2_ros' Buffer does the same on a distribution, but is not everywhere rclpy is; this one also
tells what is missing. It interpolates, and never gives the identity or an old pose instead.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.datasets.pose_messages import frame_of, rigid_from_message, stamp_of
from relpose_ros.datasets.pose_track import FrameTree, PoseTrack
from relpose_ros.nodes.waiting import hear, wait_until
from tf2_msgs.msg import TFMessage

# What a robot's TF sends while an image is worked on must not be lost.
TF = QoSProfile(depth=1000)
TF_STATIC = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# Several publishers of one frame may be so far out of order; farther back is a bag that loops.
JUMP_NS = 1_000_000_000


class NoTransform(Enum):
    """Why there is no transform."""

    UNKNOWN_FRAME = 'unknown_frame'
    NOT_CONNECTED = 'not_connected'
    TOO_OLD = 'too_old'
    NOT_YET = 'not_yet'
    GAP = 'gap'


@dataclass(frozen=True, slots=True)
class MissingTransform:
    """
    What is missing, and a sentence for the user.

    :param reason: what may be told apart: only NOT_YET is worth waiting for.
    """

    reason: NoTransform
    detail: str


class TransformHistory:
    """What was heard of transforms during the last seconds."""

    def __init__(
        self, history_s: float = 10.0, max_gap_s: float = 1.0, max_extrapolation_s: float = 0.0
    ) -> None:
        """
        Begin with none.

        :param history_s: a frame's poses are kept for so long before its newest [s].
        :param max_gap_s: poses farther apart than this are not connected [s].
        :param max_extrapolation_s: so long behind the last pose its motion is continued [s].
        """
        self._history_ns = round(history_s * 1e9)
        self._limits_s = (max_gap_s, max_extrapolation_s)
        self._tree = FrameTree()
        self.jumps = 0

    def add_fixed(self, parent: str, child: str, parent_from_child: np.ndarray) -> None:
        """Hang a frame on its parent for good, (4, 4) [m]."""
        self._tree.add(parent, child, parent_from_child)

    def add(self, parent: str, child: str, stamp_ns: int, parent_from_child: np.ndarray) -> None:
        """
        Add a pose of a moving frame; a new parent counts instead of the one before.

        A stamp far before the newest means that time has jumped back: all poses are forgotten.

        :param stamp_ns: [ns].
        :param parent_from_child: (4, 4) [m].
        """
        track = self._track(parent, child)
        if stamp_ns < track.end_ns - JUMP_NS:
            self.forget()
            self.jumps += 1
            track = self._track(parent, child)
        track.add(stamp_ns, parent_from_child)
        track.forget_before(track.end_ns - self._history_ns)

    def forget_future(self, stamp_ns: int) -> None:
        """
        Forget all poses of moving frames if one is far behind a time that is the present.

        :param stamp_ns: [ns].
        """
        tracks = [(self._tree.parent(child) or (None, None))[1] for child in self._tree.frames]
        ends_ns = [track.end_ns for track in tracks if isinstance(track, PoseTrack)]
        if max(ends_ns, default=stamp_ns) > stamp_ns + JUMP_NS:
            self.forget()

    def forget(self) -> None:
        """Forget all poses of moving frames, not what hangs on what."""
        for child in self._tree.frames:
            parent, track = self._tree.parent(child) or (None, None)
            if isinstance(track, PoseTrack):
                self._tree.add(parent, child, PoseTrack((), (), *self._limits_s))

    def at(self, target: str, source: str, stamp_ns: int) -> np.ndarray | None:
        """Return (4, 4) target_from_source at a time [ns]; None: see `missing`."""
        if self._unconnected(target, source) is not None:
            return None
        return self._tree.at(target, source, stamp_ns)

    def parent(self, frame: str) -> str | None:
        """Return the frame that a frame hangs on; None if it hangs on none."""
        hung = self._tree.parent(frame)
        return None if hung is None else hung[0]

    def missing(self, target: str, source: str, stamp_ns: int) -> MissingTransform | None:
        """Return what keeps `at` from answering; None if it does not."""
        unconnected = self._unconnected(target, source)
        if unconnected is not None:
            return unconnected
        for child in (each for line in self._tree.between(target, source) for each in line):
            parent, track = self._tree.parent(child)
            if isinstance(track, PoseTrack) and track.at(stamp_ns) is None:
                return _lacking(f"TF of '{child}' in '{parent}'", track, stamp_ns)
        return None

    def _track(self, parent: str, child: str) -> PoseTrack:
        known_parent, track = self._tree.parent(child) or (None, None)
        if known_parent != parent or not isinstance(track, PoseTrack):
            track = PoseTrack((), (), *self._limits_s)
            self._tree.add(parent, child, track)
        return track

    def _unconnected(self, target: str, source: str) -> MissingTransform | None:
        frames = self._tree.frames
        for frame in (target, source):
            if frame not in frames:
                known = ', '.join(frames) or 'none'
                detail = f"frame '{frame}' is not on TF; known frames are {known}"
                return MissingTransform(NoTransform.UNKNOWN_FRAME, detail)
        if not self._tree.connects(target, source):
            detail = f"nothing on TF connects '{source}' with '{target}'"
            return MissingTransform(NoTransform.NOT_CONNECTED, detail)
        return None


class TransformListener:
    """A history that hears /tf and /tf_static; see TransformHistory for its settings."""

    def __init__(
        self,
        node: Node,
        history_s: float = 10.0,
        max_gap_s: float = 1.0,
        max_extrapolation_s: float = 0.0,
    ) -> None:
        """Subscribe."""
        self._node = node
        self._history = TransformHistory(history_s, max_gap_s, max_extrapolation_s)
        self._static = node.create_subscription(
            TFMessage, '/tf_static', self._on_tf_static, TF_STATIC
        )
        self._moving = node.create_subscription(TFMessage, '/tf', self._on_tf, TF)

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in (self._static, self._moving):
            self._node.destroy_subscription(subscription)

    def forget_future(self, stamp_ns: int) -> None:
        """Forget what is far behind a time that is the present [ns]."""
        hear(self._static, self._moving)
        self._history.forget_future(stamp_ns)

    def at(self, target: str, source: str, stamp_ns: int) -> np.ndarray | None:
        """Return (4, 4) target_from_source at a time [ns]; None: see `missing`."""
        hear(self._static, self._moving)
        return self._history.at(target.lstrip('/'), source.lstrip('/'), stamp_ns)

    def parent(self, frame: str) -> str | None:
        """Return the frame that a frame hangs on; None if it hangs on none."""
        hear(self._static, self._moving)
        return self._history.parent(frame.lstrip('/'))

    def missing(self, target: str, source: str, stamp_ns: int) -> MissingTransform | None:
        """Return what keeps `at` from answering; None if it does not."""
        return self._history.missing(target.lstrip('/'), source.lstrip('/'), stamp_ns)

    def wait_for(
        self, target: str, source: str, stamp_ns: int, limit_s: float
    ) -> np.ndarray | MissingTransform:
        """
        Return (4, 4) target_from_source at a time, as soon as it is there.

        TF comes after the image as often as before it. Nothing else runs meanwhile.

        :param stamp_ns: [ns].
        :param limit_s: how long to wait for what may still come [s].
        """

        def settled() -> bool:
            if self.at(target, source, stamp_ns) is not None:
                return True
            # What began too late, or has a gap, will not be mended by waiting.
            reason = self.missing(target, source, stamp_ns).reason
            return reason in (NoTransform.TOO_OLD, NoTransform.GAP)

        wait_until(settled, limit_s)
        found = self.at(target, source, stamp_ns)
        return self.missing(target, source, stamp_ns) if found is None else found

    def _on_tf_static(self, msg: TFMessage) -> None:
        for each in msg.transforms:
            fixed = rigid_from_message(each.transform.translation, each.transform.rotation)
            if fixed is not None:
                self._history.add_fixed(frame_of(each), each.child_frame_id.lstrip('/'), fixed)

    def _on_tf(self, msg: TFMessage) -> None:
        jumps = self._history.jumps
        for each in msg.transforms:
            pose = rigid_from_message(each.transform.translation, each.transform.rotation)
            if pose is not None:
                child = each.child_frame_id.lstrip('/')
                self._history.add(frame_of(each), child, stamp_of(each), pose)
        if self._history.jumps > jumps:
            text = 'the time on TF jumps back (a bag that loops?): going on with the new time'
            self._node.get_logger().warning(text)


def _lacking(what: str, track: PoseTrack, stamp_ns: int) -> MissingTransform:
    """Say where a time lies relative to a track without a pose for it."""
    if track.begin_ns > track.end_ns:
        return MissingTransform(NoTransform.NOT_YET, f'{what} has not come since time jumped back')
    if stamp_ns > track.end_ns:
        late_s = (stamp_ns - track.end_ns) * 1e-9
        detail = f'the newest {what} is {late_s:.3f} s older than the image'
        return MissingTransform(NoTransform.NOT_YET, detail)
    if stamp_ns < track.begin_ns:
        early_s = (track.begin_ns - stamp_ns) * 1e-9
        detail = f'the oldest {what} is {early_s:.3f} s newer than the image'
        return MissingTransform(NoTransform.TOO_OLD, detail)
    return MissingTransform(NoTransform.GAP, f'{what} has a gap at the time of the image')
