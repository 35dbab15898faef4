"""Plain folders of posed images: with K.txt, with '_c2w' poses and a lens, KITTI odometry."""

from collections.abc import Sequence
from pathlib import Path
import re

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.datasets.image_files import (
    camera_from_matrix,
    image_size,
    ImageFile,
    ImageFiles,
    only_posed,
)
from relpose_ros.datasets.text_files import only_file, read_lines, read_matrix, rigid_from_rows

RATE_HZ = 30.0
KITTI_RATE_HZ = 10.0
# Folders of KITTI images and which of the rig's cameras took them: grey or colour, both left.
_KITTI_CAMERAS = {'image_l': 0, 'image_0': 0, 'image_2': 2}


def read_images(folder: Path) -> ImageFiles:
    """
    Open images/, depth/ (16-bit, mm), K.txt and poses.txt with a 4x4 map_from_camera per image.

    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    paths = _image_paths(folder / 'images')
    poses = _poses_in_order(folder / 'poses.txt', len(paths))
    K = read_matrix(folder / 'K.txt')
    camera = camera_from_matrix(folder / 'K.txt', image_size(paths[0]), K)
    return _image_files(folder, paths, poses, camera)


def read_lens_images(folder: Path) -> ImageFiles:
    """
    Open rgb/, depth/ (16-bit, mm) and a file '..._c2w.txt' of 'name map_from_camera(16)' lines.

    Its header names the lens: '# ... OPENCV fx fy cx cy k1 k2 p1 p2 = ' and eight numbers.

    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    pose_path = only_file(folder, '*_c2w.txt')
    by_name = {line.split()[0]: line.split()[1:] for line in read_lines(pose_path)}
    poses = {Path(name).stem: rigid_from_rows(words) for name, words in by_name.items()}
    paths = _image_paths(folder / 'rgb')
    camera = _read_lens(pose_path, image_size(paths[0]))
    return _image_files(folder, paths, [poses.get(path.stem) for path in paths], camera)


def read_kitti_images(folder: Path) -> ImageFiles:
    """
    Open a KITTI odometry sequence: image_l/ (or image_0/, image_2/), calib.txt and poses.txt.

    :param folder: poses.txt in it holds a 3x4 map_from_camera0 per image.
    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    name = next((name for name in _KITTI_CAMERAS if (folder / name).is_dir()), 'image_l')
    paths = _image_paths(folder / name)
    poses = _poses_in_order(folder / 'poses.txt', len(paths))
    calibration = folder / 'calib.txt'
    P = _read_projection(calibration, _KITTI_CAMERAS[name])
    camera = camera_from_matrix(calibration, image_size(paths[0]), P)
    # P = K [I | t]: the rig's cameras are turned alike, each sits off the first.
    camera0_from_camera = transform(np.eye(3), -np.linalg.solve(P[:, :3], P[:, 3]))
    poses = [pose if pose is None else pose @ camera0_from_camera for pose in poses]
    return _image_files(folder, paths, poses, camera, KITTI_RATE_HZ)


def _image_paths(folder: Path) -> list[Path]:
    paths = sorted(path for kind in ('png', 'jpg') for path in folder.glob(f'*.{kind}'))
    if not paths:
        raise ValueError(f'{folder}: no png or jpg image in it')
    return sorted(paths, key=lambda path: path.stem)


def _poses_in_order(path: Path, images: int) -> list[np.ndarray | None]:
    """Read a transform per image; None where a line holds no rigid one."""
    lines = read_lines(path)
    if len(lines) != images:
        raise ValueError(f'{path}: {len(lines)} poses for {images} images')
    return [rigid_from_rows(line.split()) for line in lines]


def _image_files(
    folder: Path,
    paths: Sequence[Path],
    poses: Sequence[np.ndarray | None],
    camera: Camera,
    rate_hz: float = RATE_HZ,
) -> ImageFiles:
    def image_file(index: int) -> ImageFile | None:
        path, map_from_camera = paths[index], poses[index]
        if map_from_camera is None:
            return None
        depth_path = folder / 'depth' / f'{path.stem}.png'
        return ImageFile(
            name=f'{path.parent.name}/{path.name}',
            stamp_ns=round(index * 1_000_000_000 / rate_hz),
            path=path,
            camera=camera,
            map_from_camera=map_from_camera,
            depth_path=depth_path if depth_path.is_file() else None,
        )

    return ImageFiles(only_posed(folder, map(image_file, range(len(paths)))))


def _read_lens(path: Path, size: tuple[int, int]) -> Camera:
    """Read the lens of OpenCV's model from the comments of a file."""
    stated = re.search(r'^#.*OPENCV.*=((?:\s+\S+){8})\s*$', path.read_text(), re.MULTILINE)
    try:
        fx, fy, cx, cy, *distortion = (float(word) for word in stated[1].split())
        return Camera(*size, fx, fy, cx, cy, tuple(distortion))
    except (TypeError, ValueError):
        raise ValueError(
            f"{path}: no valid line '# OPENCV fx fy cx cy k1 k2 p1 p2 = ...' in it"
        ) from None


def _read_projection(path: Path, number: int) -> np.ndarray:
    """Read the (3, 4) projection of a camera: a line of 12 numbers, with or without 'P0:'."""
    lines = [re.sub(r'^P\d:', '', line).split() for line in read_lines(path)]
    try:
        P = np.array(lines[number], np.float64).reshape(3, 4)
        np.linalg.inv(P[:, :3])
    except (IndexError, ValueError, np.linalg.LinAlgError):
        raise ValueError(f'{path}: no 3x4 projection of camera {number} in it') from None
    return P
