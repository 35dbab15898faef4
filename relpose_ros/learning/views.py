"""What the network learns from: many grey views of scenes, with depth and pose, as tensors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
import zipfile

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.posed_image import PosedImage
import torch
from torch import Tensor

FARTHEST_M = 60.0


@dataclass(frozen=True, slots=True)
class Views:
    """
    N views of one size.

    :param grey: (N, H, W) uint8.
    :param depth_m: (N, H, W) float16, 0 where unknown [m].
    :param K: (N, 3, 3) float32 [px].
    :param world_from_camera: (N, 4, 4) float32, camera optical frame; each scene has its world.
    :param scene: (N,) long; views of one scene may share what they show.
    """

    grey: Tensor
    depth_m: Tensor
    K: Tensor
    world_from_camera: Tensor
    scene: Tensor

    def __len__(self) -> int:
        return len(self.grey)

    def __getitem__(self, index: Tensor | slice) -> 'Views':
        """Return some of the views."""
        return Views(*(getattr(self, f.name)[index] for f in fields(self)))

    def to(self, device: str) -> 'Views':
        """Return the views on a device."""
        return Views(*(getattr(self, f.name).to(device) for f in fields(self)))

    def save(self, path: Path) -> None:
        """Write one .npz file; it appears when it is complete."""
        partial = path.with_suffix('.partial')
        with partial.open('wb') as file:
            np.savez(file, **{f.name: getattr(self, f.name).cpu().numpy() for f in fields(self)})
        partial.rename(path)


def load_views(path: Path) -> Views:
    """
    Read what Views.save wrote.

    :raises ValueError: if the file is missing, damaged or something else.
    """
    try:
        with np.load(path) as file:
            return Views(*(torch.from_numpy(file[f.name]) for f in fields(Views)))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path}: holds no views: it is damaged, or not written by render-rooms'
        ) from error


def join(parts: Sequence[Views]) -> Views:
    """
    Put views together; their scenes stay apart.

    :raises ValueError: if there are none, or their sizes differ.
    """
    if not parts:
        raise ValueError('views: there are none')
    sizes = {tuple(part.grey.shape[1:]) for part in parts}
    if len(sizes) > 1:
        raise ValueError(f'views: expected one image size, got {sorted(sizes)}')
    first, shifted = 0, []
    for part in parts:
        shifted.append(replace(part, scene=part.scene + first))
        first += int(part.scene.max()) + 1
    return together(shifted)


def together(parts: Sequence[Views]) -> Views:
    """Put views of the same scenes together."""
    names = [f.name for f in fields(Views)]
    return Views(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def views_of(images: Iterable[PosedImage], size: tuple[int, int]) -> Views:
    """
    Take the views of one recorded scene.

    :param images: rectified, of any size.
    :param size: width and height of the views: images are cropped in the middle to that aspect,
        then resized [px].
    :raises ValueError: if there are no images.
    """
    rows = [_view(image, size) for image in images]
    if not rows:
        raise ValueError('views: there are no images')
    grey, depth_m, K, pose = (np.stack(column) for column in zip(*rows, strict=True))
    return Views(
        torch.from_numpy(grey),
        torch.from_numpy(depth_m),
        torch.from_numpy(K).float(),
        torch.from_numpy(pose).float(),
        torch.zeros(len(rows), dtype=torch.long),
    )


def _view(image: PosedImage, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    width, height = size
    camera, window = _cropped(image.camera, width / height)
    grey = cv2.cvtColor(image.rgb, cv2.COLOR_RGB2GRAY)[window]
    grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    depth_m = np.zeros((height, width), np.float16)
    if image.depth_m is not None:
        near = np.where(image.depth_m < FARTHEST_M, image.depth_m, 0)[window]
        depth_m = cv2.resize(near, size, interpolation=cv2.INTER_NEAREST).astype(np.float16)
    return grey, depth_m, camera.resized(width, height).K, image.map_from_camera


def _cropped(camera: Camera, aspect: float) -> tuple[Camera, tuple[slice, slice]]:
    """Cut the middle of an aspect (width / height) out of an image."""
    width = min(camera.width, round(camera.height * aspect))
    height = min(camera.height, round(camera.width / aspect))
    left, top = (camera.width - width) // 2, (camera.height - height) // 2
    cropped = Camera(width, height, camera.fx, camera.fy, camera.cx - left, camera.cy - top)
    return cropped, (slice(top, top + height), slice(left, left + width))
