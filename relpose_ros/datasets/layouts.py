"""Open a folder of posed images, or of pairs of them, by the files that are in it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets import (
    cambridge,
    colmap,
    map_free,
    posed_folder,
    relposenet,
    scannet,
    seven_scenes,
    tum,
)
from relpose_ros.datasets.image_pair import ImagePair

# Patterns of what must be there, and what opens it.
_Layout = tuple[tuple[str, ...], Callable[[Path], Sequence]]

# By name; the first that fits is taken.
_IMAGES: dict[str, _Layout] = {
    '7-Scenes': (('seq-*/frame-*.color.*',), seven_scenes.read_frames),
    'TUM RGB-D': (('rgb', 'groundtruth.txt'), tum.read_images),
    'ScanNet': (('color', 'intrinsic'), scannet.read_images),
    'Map-free': (('seq0', 'intrinsics.txt'), map_free.read_images),
    'Cambridge Landmarks': (('dataset_train.txt', 'dataset_test.txt'), cambridge.read_images),
    'KITTI odometry': (('image_*', 'calib.txt'), posed_folder.read_kitti_images),
    'COLMAP': (('sparse/**/cameras.*',), colmap.read_images),
    'COLMAP model': (('cameras.*', 'images.*'), colmap.read_images),
    'images with K': (('images', 'K.txt'), posed_folder.read_images),
    'images with a lens': (('rgb', '*_c2w.txt'), posed_folder.read_lens_images),
}
_PAIRS: dict[str, _Layout] = {
    'ScanNet-1500': (('test.npz', 'intrinsics.npz'), scannet.read_1500_pairs),
    'SuperGlue': (('*pairs_with_gt.txt',), scannet.read_superglue_pairs),
    'RelPoseNet': (('db_all_*.txt',), relposenet.read_pairs),
    'Map-free': (('seq0', 'intrinsics.txt'), map_free.read_pairs),
    'Map-free scenes': (('s[0-9]*/intrinsics.txt',), map_free.read_pairs),
}


def open_images(folder: Path | str) -> Sequence[PosedImage]:
    """
    Open all posed images of a folder; each is read when it is asked for.

    :raises ValueError: with one sentence naming the path, if no layout fits or a file is wrong.
    """
    return _open(Path(folder), _IMAGES, 'posed images')


def open_pairs(folder: Path | str) -> Sequence[ImagePair]:
    """
    Open the image pairs that a list in a folder names; each is read when it is asked for.

    :raises ValueError: with one sentence naming the path, if no layout fits or a file is wrong.
    """
    return _open(Path(folder), _PAIRS, 'image pairs')


def _open(folder: Path, layouts: dict[str, _Layout], what: str) -> Sequence:
    if not folder.is_dir():
        raise ValueError(f'{folder}: no such folder')
    for patterns, read in layouts.values():
        if all(any(folder.glob(pattern)) for pattern in patterns):
            return read(folder)
    known = '; '.join(f'{name} ({", ".join(patterns)})' for name, (patterns, _) in layouts.items())
    raise ValueError(f'{folder}: no layout of {what} fits; known are {known}')
