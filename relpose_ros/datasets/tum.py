"""
Recordings in the layout of TUM RGB-D: rgb/, depth/ and groundtruth.txt.

Lists of stamps (rgb.txt, depth.txt) are used where they are there; else an image's name is its
stamp. The poses are those of the colour camera; depth is registered to it.
"""

from decimal import Decimal, InvalidOperation
from itertools import islice
import logging
from pathlib import Path
import re

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.datasets.image_files import image_size, ImageFile, ImageFiles, only_posed
from relpose_ros.datasets.pose_track import PoseTrack
from relpose_ros.datasets.text_files import read_lines, rigid_from_quaternion

logger = logging.getLogger(__name__)

# The owner's calibration of the colour cameras: fx fy cx cy, distortion. The third's images are
# rectified already.
_CALIBRATIONS = {
    '1': ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    '2': ((520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    '3': ((535.4, 539.2, 320.1, 247.6), ()),
}
_DEFAULT_CAMERA = '3'
DEPTH_COUNTS_PER_M = 5000.0
# As in the owner's associate.py.
MAX_DEPTH_OFFSET_NS = 20_000_000
# The poses come at 100 Hz: a wider gap is one in which the camera was not seen.
MAX_POSE_GAP_S = 0.1


def read_images(folder: Path) -> ImageFiles:
    """
    Open a recording; images without a pose at their time are left out, counted and logged.

    The pose is interpolated, the depth image is the nearest in time. Which of the owner's cameras
    it is, is taken from the word 'freiburgN' in the folder's name or the pose file's header.

    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    images = _stamped_images(folder, 'rgb')
    if not images:
        raise ValueError(f'{folder / "rgb"}: no image in it')
    depths = _stamped_images(folder, 'depth')
    depth_stamps_ns = np.array(list(depths), np.int64)
    track = read_trajectory(folder / 'groundtruth.txt', MAX_POSE_GAP_S)
    camera = _camera(folder, *image_size(next(iter(images.values()))))

    def image_file(stamp_ns: int, path: Path) -> ImageFile | None:
        map_from_camera = track.at(stamp_ns)
        if map_from_camera is None:
            return None
        depth_path = None
        if depths:
            nearest_ns = int(depth_stamps_ns[np.abs(depth_stamps_ns - stamp_ns).argmin()])
            if abs(nearest_ns - stamp_ns) <= MAX_DEPTH_OFFSET_NS:
                depth_path = depths[nearest_ns]
        return ImageFile(
            name=f'rgb/{path.name}',
            stamp_ns=stamp_ns,
            path=path,
            camera=camera,
            map_from_camera=map_from_camera,
            depth_path=depth_path,
            depth_counts_per_m=DEPTH_COUNTS_PER_M,
        )

    return ImageFiles(only_posed(folder, (image_file(*each) for each in images.items())))


def read_trajectory(path: Path, max_gap_s: float, max_extrapolation_s: float = 0.0) -> PoseTrack:
    """
    Read 'stamp tx ty tz qx qy qz qw' lines; those that are no pose are left out.

    :param max_gap_s: poses farther apart than this are not connected [s].
    :param max_extrapolation_s: so long behind the last pose its motion is continued [s].
    :raises ValueError: with one sentence naming the path, if no line is a pose.
    """
    lines = [line.split() for line in read_lines(path)]
    stamps_ns, poses = [], []
    for stamp, *words in lines:
        if len(words) != 7:
            continue
        pose = rigid_from_quaternion((words[6], *words[3:6]), words[:3])
        if pose is not None:
            stamps_ns.append(_nanoseconds(path, stamp))
            poses.append(pose)
    if not poses:
        raise ValueError(f"{path}: no line of it is a pose 'stamp tx ty tz qx qy qz qw'")
    if len(poses) < len(lines):
        logger.warning('%s: left out %d lines without a valid pose', path, len(lines) - len(poses))
    return PoseTrack(stamps_ns, poses, max_gap_s, max_extrapolation_s)


def _stamped_images(folder: Path, kind: str) -> dict[int, Path]:
    """Return the images that are on disk by stamp [ns], in order."""
    list_file = folder / f'{kind}.txt'
    if list_file.is_file():
        entries = [line.split()[:2] for line in read_lines(list_file)]
        if any(len(entry) < 2 for entry in entries):
            raise ValueError(f"{list_file}: expected lines of 'stamp file'")
        stamped = [(stamp, folder / name) for stamp, name in entries]
    else:
        list_file = folder / kind
        paths = sorted(list_file.glob('*.png')) + sorted(list_file.glob('*.jpg'))
        stamped = [(path.stem, path) for path in paths]
    found = {_nanoseconds(list_file, stamp): path for stamp, path in stamped if path.is_file()}
    if len(found) < len(stamped):
        logger.warning('%s: %d of its images are missing', list_file, len(stamped) - len(found))
    return dict(sorted(found.items()))


def _camera(folder: Path, width: int, height: int) -> Camera:
    """Return the camera of an image size, by the sensor's number in the recording's name."""
    with (folder / 'groundtruth.txt').open() as file:
        header = [line for line in islice(file, 5) if line.startswith('#')]
    known = re.search(r'freiburg([123])', f'{folder.resolve().name} {header}')
    intrinsics, distortion = _CALIBRATIONS[known[1] if known else _DEFAULT_CAMERA]
    return Camera(640, 480, *intrinsics, distortion).resized(width, height)


def _nanoseconds(where: Path, seconds: str) -> int:
    """Convert a stamp exactly: a float of today's time is only good to 0.2 us."""
    try:
        return round(Decimal(seconds) * 1_000_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"{where}: '{seconds}' is not a stamp in seconds") from None
