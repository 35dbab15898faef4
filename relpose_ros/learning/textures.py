"""Procedural textures, made once and shared by all worlds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from relpose_ros.learning import interiors, patterns, prints
from relpose_ros.learning.photographs import photographed, photographs_in

MAKERS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], int]] = {
    'wood': (patterns.wood, 8),
    'planks': (patterns.planks, 3),
    'tiles': (patterns.tiles, 4),
    'plaster': (patterns.plaster, 4),
    'wallpaper': (patterns.wallpaper, 3),
    'brick': (patterns.brick, 1),
    'carpet': (patterns.carpet, 3),
    'fabric': (patterns.fabric, 12),
    'rug': (patterns.rug, 4),
    'marble': (patterns.marble, 2),
    'paint': (patterns.paint, 3),
    'metal': (patterns.metal, 2),
    'leaf': (patterns.leaf, 3),
    'picture': (prints.picture, 10),
    'poster': (prints.poster, 12),
    'books': (prints.books, 10),
    'screen': (prints.screen, 4),
    'label': (prints.label, 12),
    'cardboard': (prints.cardboard, 2),
    'outdoor': (prints.outdoor, 2),
    'plain': (interiors.plain, 12),
    'wall': (interiors.wall_paint, 8),
    'linoleum': (interiors.linoleum, 4),
    'concrete': (interiors.concrete, 2),
    'leather': (interiors.leather, 4),
    'crumpled': (interiors.crumpled, 5),
    'ceiling_panel': (interiors.ceiling_panel, 2),
    'blind': (interiors.blind, 2),
    'grille': (interiors.grille, 3),
    'paper': (interiors.paper, 6),
    'whiteboard': (interiors.whiteboard, 4),
    'notices': (interiors.notices, 4),
    'keyboard': (interiors.keyboard, 2),
    'sign': (interiors.sign, 6),
}


@dataclass(frozen=True, slots=True)
class Textures:
    """
    Texture images by kind.

    :param images: (M, S, S, 3) uint8 RGB, S a power of two.
    :param kinds: the images of each kind.
    """

    images: np.ndarray
    kinds: Mapping[str, range]

    def pick(self, kind: str, rng: np.random.Generator) -> int:
        """Return the index of a random image of a kind."""
        return int(rng.choice(self.kinds[kind]))

    def pyramid(self) -> np.ndarray:
        """Return all levels (P, 3) uint8, the largest level of all images first."""
        levels = [self.images]
        while (side := levels[-1].shape[1] // 2) > 0:
            halved = [
                cv2.resize(i, (side, side), interpolation=cv2.INTER_AREA) for i in levels[-1]
            ]
            levels.append(np.stack(halved))
        levels = [level.reshape(-1, 3) for level in levels]
        return np.concatenate(levels)


def make_textures(seed: int = 0, photographs: Path | None = None) -> Textures:
    """
    Make all kinds of textures; the same seed makes the same images.

    :param photographs: a folder; prints, and parts of surfaces, are then taken from its images.
    :raises ValueError: if the folder holds none, or one that cannot be read.
    """
    images, kinds = [], {}
    paths = photographs_in(photographs) if photographs else []
    for number, (kind, (make, count)) in enumerate(MAKERS.items()):
        kinds[kind] = range(len(images), len(images) + count)
        for index in range(count):
            rng, image = np.random.default_rng((seed, number, index)), None
            if paths:
                image = photographed(kind, index, count, paths, rng)
            image = make(rng) if image is None else image
            images.append(np.clip(image, 0, 255).astype(np.uint8))
    return Textures(np.stack(images), kinds)
