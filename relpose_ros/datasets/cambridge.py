"""
Cambridge Landmarks: dataset_train.txt and dataset_test.txt name images and their poses.

The focal length comes from reconstruction.nvm. Its radial distortion is ignored, as in the public
code that the published figures come from.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.datasets.image_files import (
    check_images,
    image_size,
    ImageFile,
    ImageFiles,
    only_posed,
)
from relpose_ros.datasets.text_files import read_lines, rigid_from_quaternion

# The videos were sampled at 2 Hz.
RATE_HZ = 2.0
FULL_SIZE = (1920, 1080)
USUAL_FOCAL_PX = 1670.0
# Poses farther from the landmark failed; public code leaves them out, too.
MAX_COORDINATE_M = 10_000
_HEADER_LINES = 2


def read_images(folder: Path, parts: Sequence[str] = ('train', 'test')) -> ImageFiles:
    """
    Open the images of a landmark; those without a valid pose are left out, counted and logged.

    :param folder: holds the lists, the images and, for the true focal lengths, the reconstruction.
    :param parts: 'train' is the map, 'test' are the queries.
    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    poses = {}
    for part in parts:
        poses |= _read_poses(folder / f'dataset_{part}.txt')
    check_images(folder, (folder / name for name in poses))
    focal_px = _read_focal_lengths(folder / 'reconstruction.nvm')
    size = image_size(folder / next(iter(poses)))

    def image_file(index: int, name: str) -> ImageFile | None:
        if poses[name] is None:
            return None
        f = focal_px.get(name.partition('.')[0], USUAL_FOCAL_PX)
        cx, cy = (side / 2 - 0.5 for side in FULL_SIZE)
        camera = Camera(*FULL_SIZE, f, f, cx, cy).resized(*size)
        # Stamps count the images of all sequences on end.
        stamp_ns = round(index * 1_000_000_000 / RATE_HZ)
        return ImageFile(name, stamp_ns, folder / name, camera, poses[name])

    return ImageFiles(only_posed(folder, (image_file(*each) for each in enumerate(poses))))


def _read_poses(path: Path) -> dict[str, np.ndarray | None]:
    """Read 'name X Y Z W P Q R' lines: camera centre and R_camera_from_map as w x y z."""
    poses = {}
    for name, *words in (line.split() for line in read_lines(path)[_HEADER_LINES:]):
        map_from_camera = rigid_from_quaternion(words[3:], words[:3])
        if map_from_camera is not None:
            centre = map_from_camera[:3, 3]
            valid = np.abs(centre).max() < MAX_COORDINATE_M
            map_from_camera = transform(map_from_camera[:3, :3].T, centre) if valid else None
        poses[name] = map_from_camera
    if not poses:
        raise ValueError(f"{path}: expected two lines of header, then 'name X Y Z W P Q R'")
    return poses


def _read_focal_lengths(path: Path) -> dict[str, float]:
    """Read focal lengths [px] by image name without suffix; none where there is no such file."""
    if not path.is_file():
        return {}
    with path.open() as file:
        # The points that follow are hundreds of megabytes.
        lines = (line.split() for line in file if line.strip())
        try:
            version, (count,) = next(lines), next(lines)
            focal_px = {
                name.partition('.')[0]: float(focal)
                for name, focal, *_ in islice(lines, int(count))
            }
        except (StopIteration, ValueError):
            version = ()
    if version[:1] != ['NVM_V3'] or not all(focal > 0 for focal in focal_px.values()):
        raise ValueError(f'{path}: expected an NVM_V3 file with a focal length for each image')
    return focal_px
