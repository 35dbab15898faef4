"""
ScanNet: exported scenes, the pair lists of SuperGlue and the ScanNet-1500 list of LoFTR.

Both lists give second_from_first; here the first image is the keyframe, the second the query.
"""

from collections.abc import Sequence
from pathlib import Path
import re

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse
from relpose_ros.datasets.image_files import (
    camera_from_matrix,
    check_images,
    image_size,
    ImageFile,
    ImageFiles,
    only_posed,
    PairFiles,
)
from relpose_ros.datasets.text_files import (
    matrix_from_words,
    only_file,
    read_arrays,
    read_lines,
    read_matrix,
    read_rigid,
    rigid_from_rows,
)

RATE_HZ = 30.0
# Size of the depth images; LoFTR resizes colour to it and gives the intrinsics for it.
DEPTH_SIZE = (640, 480)


def read_images(folder: Path) -> ImageFiles:
    """
    Open a scene as the SensReader exports it: color/, depth/, pose/ and intrinsic/.

    Frames whose pose was lost (written as -inf) are left out, counted and logged. Colour and
    depth share their centre, as the export has them; depth is given in the colour camera.

    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    paths = {path.stem: path for path in (folder / 'color').glob('*.jpg') if path.stem.isdigit()}
    if not paths:
        raise ValueError(f'{folder / "color"}: no NUMBER.jpg in it')
    numbers = sorted(paths, key=int)
    camera = _read_camera(folder / 'intrinsic/intrinsic_color.txt', image_size(paths[numbers[0]]))
    depth_camera = None
    if (folder / 'depth').is_dir():
        depth_camera = _read_camera(folder / 'intrinsic/intrinsic_depth.txt', DEPTH_SIZE)

    def image_file(number: str) -> ImageFile | None:
        map_from_camera = read_rigid(folder / 'pose' / f'{number}.txt')
        if map_from_camera is None:
            return None
        depth_path = folder / 'depth' / f'{number}.png'
        return ImageFile(
            name=f'color/{number}',
            stamp_ns=_stamp_ns(number),
            path=paths[number],
            camera=camera,
            map_from_camera=map_from_camera,
            depth_path=depth_path if depth_path.is_file() else None,
            depth_camera=depth_camera,
        )

    return ImageFiles(only_posed(folder, map(image_file, numbers)))


def read_superglue_pairs(folder: Path) -> PairFiles:
    """
    Open a list of lines 'A B rotA rotB KA(9) KB(9) B_from_A(16)'.

    The rotations say how an image would have to be turned to stand upright; intrinsics and pose
    are those of the image as it is, so nothing is turned here.

    :param folder: holds one list *pairs_with_gt.txt; the images lie in it or one folder below.
    :raises ValueError: with one sentence naming the path, if a line or an image is missing or
        wrong.
    """
    path = only_file(folder, '*pairs_with_gt.txt')
    lines = [line.split() for line in read_lines(path)]
    if not lines or any(len(line) != 38 for line in lines):
        raise ValueError(f"{path}: expected lines 'A B rotA rotB KA(9) KB(9) B_from_A(16)'")
    folders = (folder, *sorted(each for each in folder.iterdir() if each.is_dir()))
    folder = next((each for each in folders if (each / lines[0][0]).is_file()), folder)
    check_images(path, (folder / name for line in lines for name in line[:2]))
    size = image_size(folder / lines[0][0])

    def pair(line: list[str]) -> tuple[ImageFile, ImageFile] | None:
        matrices = matrix_from_words(path, [line[4:13], line[13:22]]).reshape(2, 3, 3)
        cameras = [camera_from_matrix(path, size, K) for K in matrices]
        return _pair(line[:2], [folder / name for name in line[:2]], cameras, line[22:])

    return PairFiles(only_posed(path, map(pair, lines), 'pairs'))


def read_1500_pairs(folder: Path) -> PairFiles:
    """
    Open ScanNet-1500 as LoFTR publishes it.

    :param folder: holds test.npz, intrinsics.npz and the scenes: sceneXXXX_XX/color/NUMBER.jpg.
    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    path, camera_path = folder / 'test.npz', folder / 'intrinsics.npz'
    arrays, matrices = read_arrays(path, ('name', 'rel_pose')), read_arrays(camera_path)
    if not len(arrays['name']) or arrays['name'].shape[1:] != (4,):
        raise ValueError(f'{path}: expected rows of scene, scan, frame, frame as name')
    frames = [
        [(f'scene{scene:04d}_{scan:02d}', number) for number in numbers]
        for scene, scan, *numbers in arrays['name'].astype(int).tolist()
    ]
    unknown = {scene for (scene, _), _ in frames} - set(matrices)
    if unknown:
        raise ValueError(f'{camera_path}: {min(unknown)} is missing')
    if any(K.shape != (3, 3) for K in matrices.values()):
        raise ValueError(f'{camera_path}: expected (3, 3) calibration matrices')
    names = [[f'{scene}/color/{number}' for scene, number in pair] for pair in frames]
    paths = [[folder / f'{name}.jpg' for name in pair] for pair in names]
    check_images(path, (image for pair in paths for image in pair))
    size = image_size(paths[0][0])
    # The list's intrinsics are the colour camera's, scaled down without regard to pixel centres.
    scale = np.diag([size[0] / DEPTH_SIZE[0], size[1] / DEPTH_SIZE[1], 1])

    def pair(index: int) -> tuple[ImageFile, ImageFile] | None:
        K = scale @ matrices[frames[index][0][0]]
        camera = camera_from_matrix(camera_path, size, K)
        return _pair(names[index], paths[index], [camera] * 2, arrays['rel_pose'][index])

    return PairFiles(only_posed(path, map(pair, range(len(frames))), 'pairs'))


def _pair(
    names: Sequence[str],
    paths: Sequence[Path],
    cameras: Sequence[Camera],
    query_from_keyframe_rows: Sequence[str | float],
) -> tuple[ImageFile, ImageFile] | None:
    """Return keyframe and query; None if the relative pose is no rigid transform."""
    query_from_keyframe = rigid_from_rows(query_from_keyframe_rows)
    if query_from_keyframe is None:
        return None
    poses = (np.eye(4), inverse(query_from_keyframe))
    keyframe, query = (
        ImageFile(name, _stamp_ns(path.stem), path, camera, pose)
        for name, path, camera, pose in zip(names, paths, cameras, poses, strict=True)
    )
    return keyframe, query


def _stamp_ns(stem: str) -> int:
    """Take the time from the number that ends a frame's name, 'frame-000015'; 0 if none does."""
    number = re.search(r'\d+$', stem)
    return round(int(number[0]) * 1_000_000_000 / RATE_HZ) if number else 0


def _read_camera(path: Path, size: tuple[int, int]) -> Camera:
    return camera_from_matrix(path, size, read_matrix(path))
