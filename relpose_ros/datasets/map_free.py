"""Map-free relocalization: scenes sXXXXX with seq0, seq1, poses.txt and intrinsics.txt."""

from pathlib import Path

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse
from relpose_ros.datasets.image_files import (
    camera_from_matrix,
    check_images,
    ImageFile,
    ImageFiles,
    only_posed,
    PairFiles,
)
from relpose_ros.datasets.text_files import (
    matrix_from_words,
    read_arrays,
    read_lines,
    rigid_from_quaternion,
)

RATE_HZ = 30.0
# The benchmark looks at every 5th query of a validation or test scene.
QUERY_STEP = 5
# What the owners' training takes of a scene's pairs.
OVERLAP_RANGE = (0.4, 0.8)
PAIRS_PER_SCENE = 700


def read_images(folder: Path) -> ImageFiles:
    """
    Open a scene; frames without a pose (zeros, in test scenes) are left out and counted.

    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    return ImageFiles(list(_read_scene(folder).values()))


def read_pairs(folder: Path) -> PairFiles:
    """
    Open the pairs of a scene, or of all scenes in a folder.

    In a training scene (with overlaps.npz) up to PAIRS_PER_SCENE within OVERLAP_RANGE, evenly
    chosen; else the scene's one keyframe with every QUERY_STEP-th query.

    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    if (folder / 'intrinsics.txt').is_file():
        return PairFiles(_pairs(folder))
    scenes = sorted(path.parent for path in folder.glob('s[0-9]*/intrinsics.txt'))
    if not scenes:
        raise ValueError(f'{folder}: no scene with an intrinsics.txt in it')
    return PairFiles([pair for scene in scenes for pair in _pairs(scene)])


def _read_scene(folder: Path) -> dict[str, ImageFile]:
    """Return the posed frames by name, 'seq0/frame_00000.jpg'."""
    cameras, poses = _read_cameras(folder / 'intrinsics.txt'), _read_poses(folder / 'poses.txt')
    unknown = sorted(set(poses) - set(cameras))
    if unknown:
        raise ValueError(f'{folder / "intrinsics.txt"}: {unknown[0]} is missing')

    def image_file(index: int, name: str) -> ImageFile | None:
        if poses[name] is None:
            return None
        # Stamps count the frames of both sequences on end.
        stamp_ns = round(index * 1_000_000_000 / RATE_HZ)
        path = folder / name
        return ImageFile(f'{folder.name}/{name}', stamp_ns, path, cameras[name], poses[name])

    files = only_posed(folder, (image_file(*each) for each in enumerate(sorted(poses))))
    check_images(folder / 'poses.txt', (file.path for file in files))
    return {f'{file.path.parent.name}/{file.path.name}': file for file in files}


def _pairs(folder: Path) -> list[tuple[ImageFile, ImageFile]]:
    """Return keyframe and query of the pairs of a scene."""
    scene = _read_scene(folder)
    overlaps = folder / 'overlaps.npz'
    if overlaps.is_file():
        names = _overlapping(overlaps)
    else:
        queries = [name for name in scene if name.startswith('seq1/')]
        names = [('seq0/frame_00000.jpg', query) for query in queries[::QUERY_STEP]]
    pairs = ((scene.get(keyframe), scene.get(query)) for keyframe, query in names)
    return only_posed(folder, (pair if all(pair) else None for pair in pairs), 'pairs')


def _overlapping(path: Path) -> list[tuple[str, str]]:
    arrays = read_arrays(path, ('idxs', 'overlaps'))
    if arrays['idxs'].shape[1:] != (4,) or arrays['overlaps'].ndim != 1:
        raise ValueError(f'{path}: expected idxs (N, 4) and overlaps (N,)')
    low, high = OVERLAP_RANGE
    rows = arrays['idxs'][(arrays['overlaps'] > low) & (arrays['overlaps'] < high)].tolist()
    chosen = np.linspace(0, len(rows), min(PAIRS_PER_SCENE, len(rows)), endpoint=False)
    return [
        (f'seq{a}/frame_{i:05d}.jpg', f'seq{b}/frame_{j:05d}.jpg')
        for a, i, b, j in (rows[index] for index in chosen.astype(int))
    ]


def _read_cameras(path: Path) -> dict[str, Camera]:
    """Read 'name fx fy cx cy width height' lines."""
    lines = [line.split() for line in read_lines(path)]
    numbers = matrix_from_words(path, [line[1:] for line in lines])
    if numbers.shape[1:] != (6,):
        raise ValueError(f"{path}: expected lines 'name fx fy cx cy width height'")
    return {
        line[0]: camera_from_matrix(
            path, (int(width), int(height)), np.array([[fx, 0, cx], [0, fy, cy]])
        )
        for line, (fx, fy, cx, cy, width, height) in zip(lines, numbers, strict=True)
    }


def _read_poses(path: Path) -> dict[str, np.ndarray | None]:
    """Read 'name qw qx qy qz tx ty tz' lines: camera_from_map, here inverted."""
    poses = {}
    for name, *words in (line.split() for line in read_lines(path)):
        camera_from_map = rigid_from_quaternion(words[:4], words[4:])
        poses[name] = None if camera_from_map is None else inverse(camera_from_map)
    return poses
