"""Textures from photographs: prints show whole ones, surfaces repeat parts of them."""

from pathlib import Path

import cv2
import numpy as np
from relpose_ros.learning.patterns import SIDE_PX

ENDINGS = ('.jpg', '.jpeg', '.png')
# Share of each kind's textures that show photographs, and how much of a photograph's height.
PRINTED = {'picture': 0.8, 'poster': 0.5, 'screen': 0.5, 'label': 0.4, 'outdoor': 0.5}
SURFACES = {'fabric': 0.4, 'wallpaper': 0.4, 'rug': 0.5, 'crumpled': 0.4, 'plain': 0.15}
SURFACES = {**SURFACES, 'marble': 0.5, 'carpet': 0.3, 'linoleum': 0.3, 'wood': 0.25}
WHOLE, PART = (0.45, 1.0), (0.1, 0.3)


def photographs_in(folder: Path) -> list[Path]:
    """
    Return the photographs of a folder and the folders in it, in order.

    :raises ValueError: if there are none.
    """
    paths = sorted(p for p in folder.rglob('*') if p.suffix.lower() in ENDINGS)
    if not paths:
        raise ValueError(f'{folder}: holds no photographs ({", ".join(ENDINGS)})')
    return paths


def photographed(
    kind: str, index: int, count: int, paths: list[Path], rng: np.random.Generator
) -> np.ndarray | None:
    """
    Make one texture of a kind from a photograph.

    :param index: of count textures of that kind.
    :return: (S, S, 3) uint8 RGB; None if this one is not made of a photograph.
    :raises ValueError: if a photograph cannot be read.
    """
    share = PRINTED.get(kind, SURFACES.get(kind, 0.0))
    if index >= round(share * count):
        return None
    path = paths[rng.integers(len(paths))]
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path}: cannot be read as an image')
    if kind in PRINTED:
        return _cut(image, rng, WHOLE, SIDE_PX)
    quarter = _cut(image, rng, PART, SIDE_PX // 2)
    half = np.hstack((quarter, quarter[:, ::-1]))  # mirrored, so that it repeats without seams
    return np.vstack((half, half[::-1]))


def _cut(
    image: np.ndarray, rng: np.random.Generator, shares: tuple[float, float], side_px: int
) -> np.ndarray:
    """Return a square part of an image, its side a share of the shorter side."""
    side = max(8, int(rng.uniform(*shares) * min(image.shape[:2])))
    side = min(side, *image.shape[:2])
    top, left = (int(rng.integers(n - side + 1)) for n in image.shape[:2])
    part = image[top : top + side, left : left + side, ::-1]
    way = cv2.INTER_AREA if side > side_px else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(part), (side_px, side_px), interpolation=way)
