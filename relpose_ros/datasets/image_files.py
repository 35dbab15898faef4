"""Posed images on disk, alone and in pairs: what the readers of public layouts have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from relpose_ros.core.camera import Camera, rectified
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets.image_pair import ImagePair

logger = logging.getLogger(__name__)

Entry = TypeVar('Entry')


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """
    A posed image on disk.

    :param name: unique within its recording.
    :param stamp_ns: time of exposure [ns].
    :param path: the image.
    :param camera: the camera of the image as it is stored, lens distortion included.
    :param map_from_camera: (4, 4).
    :param depth_path: 16-bit depth as seen from the image's camera centre; None without depth.
    :param depth_camera: the depth image's own intrinsics; None if they are the image's.
    :param depth_counts_per_m: what the depth image holds for one metre.
    """

    name: str
    stamp_ns: int
    path: Path
    camera: Camera
    map_from_camera: np.ndarray
    depth_path: Path | None = None
    depth_camera: Camera | None = None
    depth_counts_per_m: float = 1000.0

    def read(self) -> PosedImage:
        """
        Read image and depth and take the distortion of the lens out of both.

        :raises ValueError: with one sentence naming the path, if a file is missing or broken or
            its size not its camera's.
        """
        rgb, camera = rectified(_of_size(self.path, read_rgb(self.path), self.camera), self.camera)
        return PosedImage(
            self.name, self.stamp_ns, rgb, camera, self.map_from_camera, self._depth_m()
        )

    def _depth_m(self) -> np.ndarray | None:
        if self.depth_path is None:
            return None
        counts = read_image(self.depth_path, cv2.IMREAD_UNCHANGED)
        if counts.dtype != np.uint16 or counts.ndim != 2:
            raise ValueError(f'{self.depth_path}: expected 16-bit depth, got {counts.dtype}')
        _of_size(self.depth_path, counts, self.depth_camera or self.camera)
        # 0 and 65535 are sensors' words for unknown.
        depth_m = np.where(counts == 65535, 0, counts) / np.float32(self.depth_counts_per_m)
        if self.depth_camera is None:
            return rectified(depth_m.astype(np.float32), self.camera)[0]
        # Both cameras share their centre: a depth pixel only moves, its depth stays.
        return cv2.warpPerspective(
            depth_m.astype(np.float32),
            self.depth_camera.K @ np.linalg.inv(self.camera.K),
            (self.camera.width, self.camera.height),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        )


class ImageFiles(Sequence[PosedImage]):
    """Posed images on disk; each is read when it is asked for."""

    def __init__(self, files: Sequence[ImageFile]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int | slice) -> 'PosedImage | ImageFiles':
        if isinstance(index, slice):
            return ImageFiles(self._files[index])
        return self._files[index].read()


class PairFiles(Sequence[ImagePair]):
    """Pairs of posed images on disk, keyframe first; each is read when it is asked for."""

    def __init__(self, pairs: Sequence[tuple[ImageFile, ImageFile]]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int | slice) -> 'ImagePair | PairFiles':
        if isinstance(index, slice):
            return PairFiles(self._pairs[index])
        keyframe, query = self._pairs[index]
        return ImagePair(keyframe.read(), query.read())


def only_posed(where: Path, entries: Iterable[Entry | None], what: str = 'frames') -> list[Entry]:
    """
    Leave out, count and log what has no valid pose.

    :param where: the folder or file to name.
    :param entries: None stands for one without a valid pose.
    :param what: what the entries are.
    :raises ValueError: if none is left.
    """
    entries = list(entries)
    posed = [entry for entry in entries if entry is not None]
    if not posed:
        raise ValueError(f'{where}: none of its {len(entries)} {what} has a valid pose')
    if len(posed) < len(entries):
        left_out = len(entries) - len(posed)
        logger.warning('%s: left out %d %s without a valid pose', where, left_out, what)
    return posed


def check_images(where: Path, paths: Iterable[Path]) -> None:
    """
    Say what is missing before hours of work, not in the middle.

    :param where: the list that names the images.
    :raises ValueError: if an image is missing.
    """
    missing = sorted({path for path in paths if not path.is_file()})
    if missing:
        raise ValueError(f'{where}: {len(missing)} of its images are missing: {missing[0]} ...')


def read_rgb(path: Path) -> np.ndarray:
    """
    Read a colour or grey image as it was taken: calibrations know of no orientation tag.

    :return: (H, W, 3) uint8.
    :raises ValueError: if it is missing or broken.
    """
    bgr = read_image(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def image_size(path: Path) -> tuple[int, int]:
    """
    Return width and height of an image [px]; many calibration files leave them out.

    :raises ValueError: if it is missing or broken.
    """
    height, width = read_rgb(path).shape[:2]
    return width, height


def camera_from_matrix(where: Path, size: tuple[int, int], K: np.ndarray) -> Camera:
    """
    Make a camera without distortion.

    :param where: the file that states the matrix, for the error.
    :param size: width and height of its images [px].
    :param K: its upper left (2, 3) counts [px].
    :raises ValueError: if it is no calibration matrix.
    """
    if K.ndim != 2 or K.shape[0] < 2 or K.shape[1] < 3:
        raise ValueError(f'{where}: expected a calibration matrix, got shape {K.shape}')
    try:
        return Camera(*size, *(float(value) for value in (K[0, 0], K[1, 1], K[0, 2], K[1, 2])))
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from None


def read_image(path: Path, flags: int) -> np.ndarray:
    """
    Read a file as OpenCV does.

    :raises ValueError: if it is missing or broken.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such image')
    image = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f'{path}: broken image')
    return image


def _of_size(path: Path, image: np.ndarray, camera: Camera) -> np.ndarray:
    height, width = image.shape[:2]
    if (width, height) != (camera.width, camera.height):
        raise ValueError(
            f'{path}: image is {width}x{height}, its camera {camera.width}x{camera.height}'
        )
    return image
