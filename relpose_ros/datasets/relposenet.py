"""
RelPoseNet's lists of 7-Scenes pairs, with the correction of the paper's Appendix C.

A line is 'imgA imgB scene tx ty tz qw qx qy qz'. The rotation is R_A_from_B, as expected of a
keyframe A and a query B; the translation is the difference of their centres in the map,
c_B - c_A, and has to be turned into A's camera.
"""

from pathlib import Path
import re

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.datasets.image_files import (
    check_images,
    image_size,
    ImageFile,
    only_posed,
    PairFiles,
)
from relpose_ros.datasets.text_files import (
    only_file,
    read_lines,
    read_rigid,
    rigid_from_quaternion,
)

# The lists name scenes by number.
SCENES = ('chess', 'fire', 'heads', 'office', 'pumpkin', 'redkitchen', 'stairs')
RATE_HZ = 30.0
# Public code's calibration of both cameras, which share their centre then.
_FOCAL_PX, _DEPTH_FOCAL_PX = 525.0, 585.0


def corrected(listed: np.ndarray, R_map_from_keyframe: np.ndarray) -> np.ndarray:
    """
    Turn a listed translation into the keyframe's camera (paper, Appendix C).

    :param listed: (4, 4): R_keyframe_from_query and the difference of centres in the map.
    :param R_map_from_keyframe: (3, 3).
    :return: (4, 4), keyframe_from_query.
    """
    return transform(listed[:3, :3], R_map_from_keyframe.T @ listed[:3, 3])


def read_pairs(folder: Path) -> PairFiles:
    """
    Open a list; pairs whose keyframe has no valid pose are left out, counted and logged.

    :param folder: holds one list db_all_*.txt and the scenes it names, as chess/seq-01/....
    :raises ValueError: with one sentence naming the path, if a line or an image is missing or
        wrong.
    """
    path = only_file(folder, 'db_all_*.txt')
    lines = [line.split() for line in read_lines(path)]
    if not lines or not all(_is_pair(line) for line in lines):
        raise ValueError(f"{path}: expected lines 'imgA imgB scene tx ty tz qw qx qy qz'")
    images = {
        (line[2], name): folder / SCENES[int(line[2])] / name[1:]
        for line in lines
        for name in line[:2]
    }
    check_images(path, images.values())
    size = image_size(next(iter(images.values())))

    def pair(line: list[str]) -> tuple[ImageFile, ImageFile] | None:
        keyframe, query = (images[line[2], name] for name in line[:2])
        map_from_keyframe = read_rigid(_beside(keyframe, 'pose.txt'))
        listed = rigid_from_quaternion(line[6:], line[3:6])
        if map_from_keyframe is None or listed is None:
            return None
        keyframe_from_query = corrected(listed, map_from_keyframe[:3, :3])
        map_from_query = map_from_keyframe @ keyframe_from_query
        return (
            _image_file(keyframe, size, map_from_keyframe),
            _image_file(query, size, map_from_query),
        )

    return PairFiles(only_posed(path, map(pair, lines), 'pairs'))


def _is_pair(line: list[str]) -> bool:
    names = all(re.fullmatch(r'/seq-\d+/frame-\d{6}\.color\.png', name) for name in line[:2])
    return len(line) == 10 and names and line[2] in map(str, range(len(SCENES)))


def _image_file(path: Path, size: tuple[int, int], map_from_camera: np.ndarray) -> ImageFile:
    depth_path = _beside(path, 'depth.png')
    number = int(path.name[6:12])
    return ImageFile(
        name='/'.join(path.parts[-3:]),
        stamp_ns=round(number * 1_000_000_000 / RATE_HZ),
        path=path,
        camera=_camera(size, _FOCAL_PX),
        map_from_camera=map_from_camera,
        depth_path=depth_path if depth_path.is_file() else None,
        depth_camera=_camera(size, _DEPTH_FOCAL_PX),
    )


def _camera(size: tuple[int, int], focal_px: float) -> Camera:
    return Camera(*size, focal_px, focal_px, size[0] / 2, size[1] / 2)


def _beside(path: Path, suffix: str) -> Path:
    """Return another file of the same frame."""
    return path.with_name(f'{path.name.partition(".")[0]}.{suffix}')
