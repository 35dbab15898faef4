"""
Recordings in the layout of 7-Scenes: seq-XX/frame-XXXXXX.{color.png,depth.png,pose.txt}.

What is a map image and what a query is said by a ``split.yaml`` in the folder, or by the
official TrainSplit.txt and TestSplit.txt (see split_file).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import logging
from pathlib import Path

import cv2
import numpy as np
from relpose_ros.core import geometry
from relpose_ros.core.camera import Camera, register_depth
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets.image_files import read_image
from relpose_ros.datasets.image_messages import metres_from_millimetres
from relpose_ros.datasets.split_file import (
    FrameRange,
    Layout,
    Lens,
    read_layout,
    SPLIT_FILES,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """A frame on disk; ``lens`` is that of its colour image."""

    name: str
    stamp_ns: int
    path: Path
    lens: Lens
    map_from_camera: np.ndarray
    map_from_depth_camera: np.ndarray | None


class Frames(Sequence[PosedImage]):
    """Posed images on disk; each is read when it is asked for."""

    def __init__(self, frames: list[_Frame], depth_lens: Lens | None) -> None:
        self._frames = frames
        self._depth_lens = depth_lens

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int | slice) -> 'PosedImage | Frames':
        if isinstance(index, slice):
            return Frames(self._frames[index], self._depth_lens)
        frame = self._frames[index]
        bgr = read_image(frame.path, cv2.IMREAD_COLOR)
        camera = frame.lens.camera(bgr.shape[1], bgr.shape[0])
        return PosedImage(
            name=frame.name,
            stamp_ns=frame.stamp_ns,
            rgb=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
            camera=camera,
            map_from_camera=frame.map_from_camera,
            depth_m=self._depth(frame, camera),
        )

    def in_order(self) -> 'Frames':
        """Return each frame once, in order of time."""
        by_name = {frame.name: frame for frame in self._frames}
        return Frames(sorted(by_name.values(), key=lambda f: f.stamp_ns), self._depth_lens)

    def _depth(self, frame: _Frame, camera: Camera) -> np.ndarray | None:
        path = _beside(frame.path, 'depth.png')
        if frame.map_from_depth_camera is None or not path.exists():
            return None
        depth_mm = read_image(path, cv2.IMREAD_UNCHANGED)
        if depth_mm.dtype != np.uint16 or depth_mm.ndim != 2:
            raise ValueError(f'{path}: expected 16-bit depth, got {depth_mm.dtype}')
        depth_m = metres_from_millimetres(depth_mm)
        if self._depth_lens is None:
            return depth_m
        depth_camera = self._depth_lens.camera(depth_m.shape[1], depth_m.shape[0])
        camera_from_map = geometry.inverse(frame.map_from_camera)
        camera_from_depth_camera = camera_from_map @ frame.map_from_depth_camera
        return register_depth(depth_m, depth_camera, camera_from_depth_camera, camera)


@dataclass(frozen=True, slots=True)
class Split:
    """
    A recording divided into what makes the map and what is looked for in it.

    :param keyframes: the images of the map.
    :param queries: the images to evaluate on.
    :param replay: the images to play on a camera topic.
    :param rate_hz: rate of the recording [Hz].
    """

    keyframes: Frames
    queries: Frames
    replay: Frames
    rate_hz: float


def read_split(folder: Path | str) -> Split:
    """
    Open a recording; frames without a valid pose are left out, counted and logged.

    With official lists every 10th train frame makes the map, every 10th test frame is a query
    and all test frames are the replay. Stamps count the frames of all sequences on end.

    :param folder: holds the sequences and split.yaml, or TrainSplit.txt and TestSplit.txt.
    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f'{folder}: no such folder')
    layout = read_layout(folder)
    recording = _Recording(folder, layout)
    split = Split(
        keyframes=recording.frames('keyframes', layout.keyframes),
        queries=recording.frames('queries', layout.queries),
        replay=recording.frames('replay', layout.replay),
        rate_hz=layout.rate_hz,
    )
    recording.report()
    return split


def read_frames(folder: Path | str) -> Frames:
    """
    Open the frames of all of a split's parts as one; without a split, all frames there are.

    Frames without a valid pose are left out, counted and logged.

    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    folder = Path(folder)
    if any((folder / name).is_file() for name in SPLIT_FILES):
        layout = read_layout(folder)
    else:
        names = sorted(path.name for path in folder.glob('seq-*') if path.is_dir())
        layout = Layout(keyframes=tuple(map(FrameRange, names)), queries=(), replay=())
    recording = _Recording(folder, layout)
    frames = recording.frames('frames', (*layout.keyframes, *layout.queries, *layout.replay))
    recording.report()
    return frames.in_order()


class _Recording:
    """The sequences on disk and the poses of their frames."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._folder = folder
        self._layout = layout
        self.without_pose: set[str] = set()
        self._images: dict[str, dict[int, Path]] = {}
        self._first_index: dict[str, int] = {}
        ranges = (*layout.keyframes, *layout.queries, *layout.replay)
        total = 0
        for sequence in dict.fromkeys(chosen.sequence for chosen in ranges):
            self._images[sequence] = _images(folder / sequence)
            self._first_index[sequence] = total
            total += max(self._images[sequence]) + 1
        self._colour_poses = None
        if layout.colour_poses is not None:
            self._colour_poses = _read_colour_poses(folder / layout.colour_poses)

    def frames(self, role: str, ranges: tuple[FrameRange, ...]) -> Frames:
        found = []
        for chosen in ranges:
            for number, path in self._images[chosen.sequence].items():
                frame = self._frame(chosen.sequence, number, path) if number in chosen else None
                if frame is not None:
                    found.append(frame)
        if not found:
            raise ValueError(f'{self._folder}: none of the {role} is an image with a valid pose')
        return Frames(found, self._layout.depth_camera)

    def report(self) -> None:
        """Log how many frames were left out."""
        if self.without_pose:
            count = len(self.without_pose)
            logger.warning('%s: left out %d frames without a valid pose', self._folder, count)

    def _frame(self, sequence: str, number: int, path: Path) -> _Frame | None:
        """Return the frame, or None and a note if it has no valid pose."""
        name = f'{sequence}/frame-{number:06d}'
        lens = self._layout.camera
        map_from_depth_camera = _read_pose(_beside(path, self._layout.pose_suffix))
        map_from_camera = map_from_depth_camera
        if self._colour_poses is not None:
            map_from_camera, focal_px = self._colour_poses.get(name, (None, lens.focal_px))
            lens = replace(lens, focal_px=focal_px)
        if map_from_camera is None:
            self.without_pose.add(name)
            return None
        if self._layout.depth_camera is None:
            map_from_depth_camera = map_from_camera
        index = self._first_index[sequence] + number
        stamp_ns = round(index * 1_000_000_000 / self._layout.rate_hz)
        return _Frame(name, stamp_ns, path, lens, map_from_camera, map_from_depth_camera)


def _images(folder: Path) -> dict[int, Path]:
    """Return the colour images of a sequence by their number, in order."""
    if not folder.is_dir():
        raise ValueError(f'{folder}: no such sequence')
    paths = sorted(p for kind in ('png', 'jpg') for p in folder.glob(f'frame-*.color.{kind}'))
    images = {int(path.name[6:12]): path for path in paths if path.name[6:12].isdigit()}
    if not images:
        raise ValueError(f'{folder}: no frame-XXXXXX.color.png or .color.jpg in it')
    return images


def _beside(path: Path, suffix: str) -> Path:
    """Return another file of the same frame."""
    return path.with_name(f'{path.name.partition(".")[0]}.{suffix}')


def _read_pose(path: Path) -> np.ndarray | None:
    """Return a frame's pose; None if the file is missing or holds no rigid transform."""
    try:
        return geometry.checked_transform(path.name, np.loadtxt(path))
    except (OSError, ValueError):
        return None


def _read_colour_poses(path: Path) -> dict[str, tuple[np.ndarray, float]]:
    """
    Read 'name qw qx qy qz tx ty tz f' lines: camera_from_map and the focal length.

    :return: map_from_camera and focal length [px] by frame name; invalid lines are left out.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such file')
    poses = {}
    for line in path.read_text().splitlines():
        name, *words = line.split() or ['']
        try:
            qw, qx, qy, qz, tx, ty, tz, focal_px = (float(word) for word in words)
            rotation = geometry.rotation_from_quaternion(np.array([qx, qy, qz, qw]))
        except ValueError:
            continue
        camera_from_map = geometry.transform(rotation, np.array([tx, ty, tz]))
        if np.isfinite(camera_from_map).all() and focal_px > 0:
            poses[name.partition('.')[0]] = (geometry.inverse(camera_from_map), focal_px)
    return poses
