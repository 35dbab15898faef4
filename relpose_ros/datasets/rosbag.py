"""Posed images of a rosbag2 recording (sqlite3 or mcap), read without ROS."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sqlite3
from typing import Any

import numpy as np
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets import image_messages
from relpose_ros.datasets.pose_messages import frame_of, rigid_from_message, stamp_of
from relpose_ros.datasets.pose_track import FrameTree, PoseTrack
from relpose_ros.datasets.tum import read_trajectory
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.rosbag2 import ReaderError
from rosbags.typesys import get_typestore, Stores

IMAGES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
DEPTH_IMAGES = ('sensor_msgs/msg/Image',)
CAMERA_INFOS = ('sensor_msgs/msg/CameraInfo',)
POSES = (
    'nav_msgs/msg/Odometry',
    'geometry_msgs/msg/PoseStamped',
    'geometry_msgs/msg/PoseWithCovarianceStamped',
)
NO_POSE = 'no pose at its time'


class BagImages:
    """
    The images of a bag that have a pose, in order; each pass over them reads the bag anew.

    The pose comes from the TF chain between ``map_frame`` and the images' frame. Where a
    ``pose_topic`` is given (Odometry, PoseStamped or PoseWithCovarianceStamped), its messages say
    where ``pose_frame`` is, and TF leads on to the camera; so it does from a ``trajectory``.

    :param path: the bag's folder.
    :param image_topic: Image or CompressedImage.
    :param camera_info_topic: CameraInfo of these images.
    :param rectified: images are rectified already (image_rect): see camera_from_info.
    :param depth_topic: Image with depth registered to these images; None without depth.
    :param pose_topic: topic of poses; None takes them from TF.
    :param trajectory: file of 'stamp tx ty tz qx qy qz qw' lines, instead of a pose topic.
    :param map_frame: the map's frame in TF; with a pose topic its messages name it.
    :param pose_frame: the frame whose pose is given; None is an Odometry's child frame, else the
        camera's own.
    :param max_gap_s: an image between poses farther apart than this has none [s].
    :param max_extrapolation_s: so long behind the last pose its motion is continued [s].
    :raises ValueError: with one sentence naming the bag, if it cannot be read, or a topic or
        frame is missing or wrong.
    """

    def __init__(
        self,
        path: Path | str,
        image_topic: str,
        camera_info_topic: str,
        *,
        rectified: bool = False,
        depth_topic: str | None = None,
        pose_topic: str | None = None,
        trajectory: Path | None = None,
        map_frame: str = 'map',
        pose_frame: str | None = None,
        max_gap_s: float = 1.0,
        max_extrapolation_s: float = 0.0,
    ) -> None:
        self._path = Path(path)
        self._image_topic = image_topic
        self._info_topic = camera_info_topic
        self._rectified = rectified
        self._depth_topic = depth_topic
        self.map_frame = map_frame
        limits_s = (max_gap_s, max_extrapolation_s)
        self.skipped: Counter[str] = Counter()
        with self._open() as reader:
            self.image_count = self._check_topic(reader, image_topic, IMAGES)
            self._check_topic(reader, camera_info_topic, CAMERA_INFOS)
            if depth_topic is not None:
                self._check_topic(reader, depth_topic, DEPTH_IMAGES)
            self._info = next(_messages(reader, camera_info_topic))
            self._camera_frame = frame_of(next(_messages(reader, image_topic)))
            self._tree = _read_tf(reader, limits_s)
            if pose_topic is not None:
                self._check_topic(reader, pose_topic, POSES)
                self._hang_on_topic(reader, pose_topic, pose_frame, limits_s)
        if trajectory is not None:
            track = read_trajectory(trajectory, *limits_s)
            self._tree.add(map_frame, pose_frame or self._camera_frame, track)
        if not self._tree.connects(self.map_frame, self._camera_frame):
            raise ValueError(
                f"{path}: nothing connects the camera's frame '{self._camera_frame}' with "
                f"'{self.map_frame}'; known frames are {', '.join(self._tree.frames) or 'none'}"
            )

    def __iter__(self) -> Iterator[PosedImage]:
        """
        Yield the images that have a pose; ``skipped`` then counts the others by reason.

        :raises ValueError: at the end, if there was none.
        """
        self.skipped.clear()
        found = 0
        info = self._info
        depths = _NearestDepth(self._read(self._depth_topic) if self._depth_topic else iter(()))
        for message in self._read(self._image_topic, self._info_topic):
            if hasattr(message, 'k'):
                info = message
                continue
            try:
                image = self._posed(message, info, depths)
            except ValueError as error:
                self.skipped[str(error)] += 1
                continue
            found += 1
            yield image
        if not found:
            reasons = '; '.join(f'{count} x {reason}' for reason, count in self.skipped.items())
            raise ValueError(f'{self._path}: none of the images can be used: {reasons}')

    def _posed(self, message: Any, info: Any, depths: '_NearestDepth') -> PosedImage:
        """Decode an image; raise ValueError with the reason if it cannot be used."""
        stamp_ns = stamp_of(message)
        depth = depths.at(stamp_ns)
        map_from_camera = self._tree.at(self.map_frame, self._camera_frame, stamp_ns)
        if map_from_camera is None:
            raise ValueError(NO_POSE)
        if hasattr(message, 'format'):
            rgb = image_messages.rgb_from_compressed(message)
        else:
            rgb = image_messages.rgb_from_image(message)
        return PosedImage(
            name=str(stamp_ns),
            stamp_ns=stamp_ns,
            rgb=rgb,
            camera=image_messages.camera_from_info(info, self._rectified),
            map_from_camera=map_from_camera,
            depth_m=None if depth is None else image_messages.depth_from_image(depth),
        )

    def _hang_on_topic(
        self, reader: AnyReader, topic: str, pose_frame: str | None, limits_s: tuple[float, float]
    ) -> None:
        """Hang the frame whose poses the topic gives on the frame they are given in."""
        samples = []
        for message in _messages(reader, topic):
            child = getattr(message, 'child_frame_id', '')
            self.map_frame = frame_of(message)
            pose = message.pose if hasattr(message.pose, 'position') else message.pose.pose
            samples.append(
                (stamp_of(message), rigid_from_message(pose.position, pose.orientation))
            )
        pose_frame = pose_frame or child.lstrip('/') or self._camera_frame
        self._tree.add(self.map_frame, pose_frame, _track(samples, limits_s))

    def _check_topic(self, reader: AnyReader, topic: str, types: tuple[str, ...]) -> int:
        """Return the number of messages; raise ValueError if the topic cannot serve."""
        info = reader.topics.get(topic)
        if info is None:
            fitting = [name for name, other in reader.topics.items() if other.msgtype in types]
            raise ValueError(
                f"{self._path}: no topic '{topic}'; "
                f'topics of a fitting type are {", ".join(sorted(fitting)) or "none"}'
            )
        if info.msgtype not in types:
            expected = ' or '.join(types)
            raise ValueError(f'{self._path}: {topic}: expected {expected}, got {info.msgtype}')
        if not info.msgcount:
            raise ValueError(f'{self._path}: {topic}: holds no message')
        return info.msgcount

    def _read(self, *topics: str) -> Iterator[Any]:
        with self._open() as reader:
            yield from _messages(reader, *topics)

    @contextmanager
    def _open(self) -> Iterator[AnyReader]:
        if self._path.suffix == '.bag':
            raise ValueError(f'{self._path}: is of ROS 1; convert it by rosbags-convert')
        # Bags of Humble do not carry their message definitions.
        typestore = get_typestore(Stores.ROS2_HUMBLE)
        try:
            with AnyReader([self._path], default_typestore=typestore) as reader:
                yield reader
        except (AnyReaderError, ReaderError, OSError, sqlite3.Error) as error:
            raise ValueError(f'{self._path}: not a readable rosbag2 folder: {error}') from error


class _NearestDepth:
    """Goes through depth messages alongside the images."""

    def __init__(self, messages: Iterator[Any]) -> None:
        self._messages = messages
        self._before = None
        self._after = next(messages, None)

    def at(self, stamp_ns: int) -> Any | None:
        """Return the depth message nearest in time, if it is near enough [ns]."""
        while self._after is not None and stamp_of(self._after) <= stamp_ns:
            self._before, self._after = self._after, next(self._messages, None)
        near = [message for message in (self._before, self._after) if message is not None]
        nearest = min(near, key=lambda m: abs(stamp_of(m) - stamp_ns), default=None)
        if (
            nearest is None
            or abs(stamp_of(nearest) - stamp_ns) > image_messages.DEPTH_TOLERANCE_NS
        ):
            return None
        return nearest


def _messages(reader: AnyReader, *topics: str) -> Iterator[Any]:
    """Yield the messages of some topics in the order of recording."""
    connections = [c for c in reader.connections if c.topic in topics]
    if not connections:
        return
    for connection, _, data in reader.messages(connections):
        yield reader.deserialize(data, connection.msgtype)


def _read_tf(reader: AnyReader, limits_s: tuple[float, float]) -> FrameTree:
    tree = FrameTree()
    moving: dict[tuple[str, str], list[tuple[int, np.ndarray]]] = defaultdict(list)
    for message in _messages(reader, '/tf'):
        for each in message.transforms:
            sample = rigid_from_message(each.transform.translation, each.transform.rotation)
            frames = (frame_of(each), each.child_frame_id.lstrip('/'))
            moving[frames].append((stamp_of(each), sample))
    for (parent, child), samples in moving.items():
        tree.add(parent, child, _track(samples, limits_s))
    for message in _messages(reader, '/tf_static'):
        for each in message.transforms:
            fixed = rigid_from_message(each.transform.translation, each.transform.rotation)
            if fixed is not None:
                tree.add(frame_of(each), each.child_frame_id.lstrip('/'), fixed)
    return tree


def _track(
    samples: list[tuple[int, np.ndarray | None]], limits_s: tuple[float, float]
) -> PoseTrack:
    """Build a track of the samples that are rigid transforms."""
    valid = [sample for sample in samples if sample[1] is not None]
    return PoseTrack([stamp for stamp, _ in valid], [pose for _, pose in valid], *limits_s)
