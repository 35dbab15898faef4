"""Which frames of a recording make the map, which are queries, and by which lens."""

from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

from relpose_ros.core.camera import Camera
import yaml

# The official sequences run at 30 Hz: neighbours show the same, a map of all would only be slow.
OFFICIAL_STEP = 10
RATE_HZ = 30.0
POSE_SUFFIX = 'pose.txt'
SPLIT_FILES = ('split.yaml', 'TrainSplit.txt', 'TestSplit.txt')


@dataclass(frozen=True, slots=True)
class Lens:
    """
    Intrinsics as these recordings give them: one focal length for both axes.

    :param focal_px: focal length [px].
    :param principal_point_px: u, v [px]; None puts it at half the image's width and height.
    """

    focal_px: float
    principal_point_px: tuple[float, float] | None = None

    def camera(self, width: int, height: int) -> Camera:
        """Return the camera of an image of this size [px]."""
        cx, cy = self.principal_point_px or (width / 2, height / 2)
        return Camera(width, height, self.focal_px, self.focal_px, cx, cy)


@dataclass(frozen=True, slots=True)
class FrameRange:
    """
    Every ``step``-th frame of a sequence.

    :param sequence: the name of the sequence's folder.
    :param start: number of the first frame.
    :param stop: number behind the last frame; None takes all.
    :param step: distance between two frames.
    """

    sequence: str
    start: int = 0
    stop: int | None = None
    step: int = 1

    def __contains__(self, number: int) -> bool:
        """Say whether the frame of this number belongs to the range."""
        before_end = self.stop is None or number < self.stop
        return self.start <= number and before_end and (number - self.start) % self.step == 0


@dataclass(frozen=True, slots=True)
class Layout:
    """
    How a recording is to be read; the defaults are those of public 7-Scenes code.

    :param keyframes: the frames of the map.
    :param queries: the frames to evaluate on.
    :param replay: the frames to play on a camera topic.
    :param camera: the lens of the colour camera.
    :param depth_camera: the lens of the depth camera; None if depth is registered to colour.
    :param colour_poses: file of camera_from_map poses and focal lengths; None takes pose.txt.
    :param pose_suffix: a frame's pose file is 'frame-XXXXXX.' and this.
    :param rate_hz: rate of the recording [Hz].
    """

    keyframes: tuple[FrameRange, ...]
    queries: tuple[FrameRange, ...]
    replay: tuple[FrameRange, ...]
    camera: Lens = Lens(525.0)
    depth_camera: Lens | None = Lens(585.0, (320.0, 240.0))
    colour_poses: str | None = None
    pose_suffix: str = POSE_SUFFIX
    rate_hz: float = RATE_HZ


def read_layout(folder: Path) -> Layout:
    """
    Read split.yaml, or TrainSplit.txt and TestSplit.txt where there is none.

    :raises ValueError: with one sentence naming the path, if they are missing or wrong.
    """
    split, *lists = (folder / name for name in SPLIT_FILES)
    if split.is_file():
        return _from_yaml(split)
    if not all(path.is_file() for path in lists):
        raise ValueError(f'{folder}: no split.yaml, nor TrainSplit.txt and TestSplit.txt')
    train, test = (_sequences(path) for path in lists)
    return Layout(
        keyframes=tuple(FrameRange(name, step=OFFICIAL_STEP) for name in train),
        queries=tuple(FrameRange(name, step=OFFICIAL_STEP) for name in test),
        replay=tuple(FrameRange(name) for name in test),
    )


def _sequences(path: Path) -> list[str]:
    """Read an official list: 'sequence1' stands for the folder seq-01."""
    names = []
    for line in path.read_text().split():
        number = re.fullmatch(r'(?:sequence|seq-)(\d+)', line)
        if number is None:
            raise ValueError(f"{path}: expected lines like 'sequence1', got '{line}'")
        names.append(f'seq-{int(number[1]):02d}')
    if not names:
        raise ValueError(f'{path}: names no sequence')
    return names


def _from_yaml(path: Path) -> Layout:
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: not YAML: {" ".join(str(error).split())}') from None
    optional = ('colour_poses', 'camera', 'depth_camera', 'replay')
    content = _mapping(str(path), content, ('layout', 'keyframes', 'queries'), optional)
    if content['layout'] != '7scenes':
        raise ValueError(f"{path}: layout: expected '7scenes', got '{content['layout']}'")
    replay = dict(_mapping(f'{path}: replay', content.get('replay', content['queries'])))
    rate_hz = _number(f'{path}: rate_hz', replay.pop('rate_hz', RATE_HZ))
    camera = _mapping(f'{path}: camera', content.get('camera', {'focal_px': 525.0}))
    depth_camera = content.get('depth_camera')
    pose_suffix = POSE_SUFFIX
    if depth_camera is not None:
        depth_camera = dict(_mapping(f'{path}: depth_camera', depth_camera))
        pose_suffix = str(depth_camera.pop('poses', pose_suffix))
    return Layout(
        keyframes=(_range(f'{path}: keyframes', content['keyframes']),),
        queries=(_range(f'{path}: queries', content['queries']),),
        replay=(_range(f'{path}: replay', replay),),
        camera=_lens(f'{path}: camera', camera),
        depth_camera=depth_camera and _lens(f'{path}: depth_camera', depth_camera),
        colour_poses=str(content['colour_poses']) if 'colour_poses' in content else None,
        pose_suffix=pose_suffix,
        rate_hz=rate_hz,
    )


def _range(where: str, value: Any) -> FrameRange:
    value = _mapping(where, value, ('sequence', 'start', 'stop'), ('step',))
    numbers = (value['start'], value['stop'], value.get('step', 1))
    if not all(isinstance(number, int) for number in numbers) or numbers[2] < 1:
        raise ValueError(f'{where}: expected whole numbers and a step from 1, got {numbers}')
    return FrameRange(str(value['sequence']), *numbers)


def _lens(where: str, value: Any) -> Lens:
    value = _mapping(where, value, ('focal_px',), ('principal_point_px',))
    focal_px = _number(f'{where}: focal_px', value['focal_px'])
    point = value.get('principal_point_px')
    if point is None:
        return Lens(focal_px)
    if not isinstance(point, list) or len(point) != 2:
        raise ValueError(f'{where}: principal_point_px: expected [u, v], got {point}')
    u, v = (_number(f'{where}: principal_point_px', number) for number in point)
    return Lens(focal_px, (u, v))


def _number(where: str, value: Any) -> float:
    if not isinstance(value, int | float) or not value > 0:
        raise ValueError(f'{where}: expected a positive number, got {value}')
    return float(value)


def _mapping(
    where: str, value: Any, required: tuple[str, ...] = (), optional: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Return the mapping if it has all required keys and, where they are named, no other."""
    if not isinstance(value, dict):
        raise ValueError(f'{where}: expected a mapping, got {value}')
    missing = [key for key in required if key not in value]
    if missing:
        raise ValueError(f"{where}: '{missing[0]}' is missing")
    known = (*required, *(optional or ()))
    unknown = [key for key in value if key not in known]
    if optional is not None and unknown:
        raise ValueError(f"{where}: unknown key '{unknown[0]}'; known are {', '.join(known)}")
    return value
