"""Batches for training, from what a recipe names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets.image_files import read_rgb
from relpose_ros.datasets.layouts import open_images
from relpose_ros.learning.augmentation import make_shots, plain_shots, Shots
from relpose_ros.learning.photographs import photographs_in
from relpose_ros.learning.recipe import Recipe, Source
from relpose_ros.learning.rgbd_warp import warped
from relpose_ros.learning.view_pairs import (
    GroupSampler,
    overlapping_pairs,
    self_pairs,
    ViewPairs,
)
from relpose_ros.learning.views import join, load_views, together, Views, views_of
import torch
from torch import Tensor

PHOTOGRAPH_FOCAL = 0.82  # of the image width: what a photograph's lens is taken for
VALIDATION_PAIRS = 96  # of each source


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Shots and the pairs among them.

    :param first: (P,) long, image 1 of each pair.
    :param second: (P,) long, image 2.
    """

    shots: Shots
    first: Tensor
    second: Tensor


class TrainingData:
    """Draws the batches of a recipe; a step's batch is always the same."""

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        """
        Read the sources.

        :param folder: that the sources' paths start from.
        :raises ValueError: if a source cannot be read or has no pairs.
        """
        self._recipe = recipe
        self._views, sources = _read(recipe, recipe.sources, folder)
        self._views = self._views.to(device)
        self._sampler = GroupSampler(sources, recipe.seed)

    def __len__(self) -> int:
        """Return the number of views."""
        return len(self._views)

    def batch(self, step: int) -> Batch:
        """Draw the batch of a step."""
        options, count = self._recipe.optimization, self._recipe.optimization.group_size
        groups = self._sampler.draw(options.groups, count, step)
        wild = (groups == groups.roll(1, 1)) | (groups == groups.roll(-1, 1))
        generator = torch.Generator().manual_seed(self._recipe.seed + 7919 * step)
        mirrored = torch.rand(options.groups, generator=generator) < 0.5
        mirrored = mirrored[:, None].expand(-1, count)
        device = self._views.grey.device
        shots = make_shots(
            self._views[groups.flatten().to(device)],
            self._recipe.augmentation,
            mirrored.flatten().to(device),
            wild.flatten().to(device),
            self._recipe.seed + 104_729 * step,
        )
        number = torch.arange(groups.numel(), device=device).unflatten(0, groups.shape)
        if count == 2:
            return Batch(shots, *number.unbind(1))
        return Batch(shots, number.flatten(), number.roll(-1, 1).flatten())


def validation_batches(recipe: Recipe, folder: Path, device: str) -> dict[str, list[Batch]]:
    """
    Return the same plain pairs at every call, by source.

    :raises ValueError: if a source cannot be read or has no pairs.
    """
    batches = {}
    for source in recipe.validation:
        views, pairs = _read(replace(recipe, self_pairs=0.0), (source,), folder)
        groups = GroupSampler(pairs, 0).draw(VALIDATION_PAIRS, 2, 0)
        views = views.to(device)
        name = Path(source.views or source.images or source.photographs).parts[0]
        batches[name] = [
            _plain(views, part.to(device), recipe.augmentation.size) for part in groups.split(16)
        ]
    return batches


def _plain(views: Views, groups: Tensor, size: tuple[int, int]) -> Batch:
    number = torch.arange(groups.numel(), device=groups.device).unflatten(0, groups.shape)
    return Batch(plain_shots(views[groups.flatten()], size), *number.unbind(1))


def _read(
    recipe: Recipe, sources: Iterable[Source], folder: Path
) -> tuple[Views, list[tuple[ViewPairs, float]]]:
    """Return the views of all sources and their pairs, numbered throughout."""
    parts, pairs, start = [], [], 0
    for source in sources:
        views = _views(source, folder, recipe.view_px)
        own = self_pairs(views)
        if source.photographs is None:
            found = overlapping_pairs(views, recipe.pairs)
            pairs.append((_shifted(found, start), source.share * (1 - recipe.self_pairs)))
            pairs.append((_shifted(own, start), source.share * recipe.self_pairs))
        else:
            pairs.append((_shifted(own, start), source.share))
        parts.append(views)
        start += len(views)
    return join(parts), [(found, share) for found, share in pairs if share > 0]


def _shifted(pairs: ViewPairs, start: int) -> ViewPairs:
    return ViewPairs(pairs.first + start, pairs.second + start, pairs.overlap)


def _views(source: Source, folder: Path, size: tuple[int, int]) -> Views:
    if source.views is not None:
        paths = sorted(folder.glob(source.views))
        if not paths:
            raise ValueError(f'{folder / source.views}: no such files')
        return join([load_views(path) for path in paths])
    if source.images is not None:
        recordings = sorted(path for path in folder.glob(source.images) if path.is_dir())
        if not recordings:
            raise ValueError(f'{folder / source.images}: no such folder')
        return join([_recording(path, source, size) for path in recordings])
    return join([views_of([image], size) for image in _photographs(folder / source.photographs)])


def _recording(folder: Path, source: Source, size: tuple[int, int]) -> Views:
    images = open_images(folder)
    chosen = range(*source.frames) if source.frames else range(len(images))
    views = views_of((images[i] for i in chosen if i < len(images)), size)
    return together([views, *(warped(views, seed) for seed in range(source.warps))])


def _photographs(folder: Path) -> Iterator[PosedImage]:
    """Yield photographs as pictures that hang one metre in front of the camera."""
    for path in photographs_in(folder):
        rgb = read_rgb(path)
        height, width = rgb.shape[:2]
        focal = PHOTOGRAPH_FOCAL * width
        camera = Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
        depth_m = np.ones((height, width), np.float32)
        yield PosedImage(path.name, 0, rgb, camera, np.eye(4), depth_m)
