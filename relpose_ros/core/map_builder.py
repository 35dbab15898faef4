"""From posed images to a map."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from relpose_ros.core.camera import rectified
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vlad import DenseVlad, learn_vocabulary
from relpose_ros.core.vocabulary import DenseVladConfig, Vocabulary


@dataclass(frozen=True, slots=True)
class BuiltMap:
    """
    What became of the images given.

    :param keyframes: images that are in the map.
    :param without_texture: names of images that show nothing to recognise and were left out.
    """

    keyframes: int
    without_texture: tuple[str, ...]


def build_map(
    path: Path,
    images: Iterable[PosedImage],
    vocabulary: Vocabulary,
    map_frame: str = 'map',
    device: str = 'cpu',
) -> BuiltMap:
    """
    Write a map with one keyframe per image, in order; each is safe once it is added.

    :param path: a file that does not exist yet.
    :param images: with or without lens distortion and depth.
    :param vocabulary: describes the keyframes.
    :param device: where the images are described.
    :raises MapError: if the file exists or cannot be written, or no image was of use.
    """
    describer = DenseVlad(vocabulary, device)
    without_texture = []
    with KeyframeMap.create(path, vocabulary, map_frame) as keyframe_map:
        for image in images:
            rgb, camera = rectified(image.rgb, image.camera)
            depth_m = image.depth_m
            if depth_m is not None:
                depth_m, _ = rectified(depth_m, image.camera)
            descriptor = describer.describe(rgb)
            if not descriptor.any():
                without_texture.append(image.name)
                continue
            keyframe_map.add(
                image.stamp_ns, image.map_from_camera, camera, rgb, descriptor, depth_m
            )
        keyframe_map.require_keyframes()
        return BuiltMap(len(keyframe_map), tuple(without_texture))


def learn_from_keyframes(
    path: Path,
    words: bool = False,
    device: str = 'cpu',
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """
    Learn the whitening of the descriptor from a map's own keyframes; describe them anew with it.

    :param path: the map; changed in one transaction, at the end.
    :param words: learn the visual words too, instead of keeping those that the map has.
    :param progress: called with the number of descriptions done and to do.
    :raises MapError: if the map cannot be used or is empty.
    """
    with KeyframeMap.edit(path) as keyframe_map:
        keyframe_map.require_keyframes()
        present = keyframe_map.vocabulary
        whitened = replace(present.config, max_dimensions=DenseVladConfig().max_dimensions)
        vocabulary = learn_vocabulary(
            _KeyframeImages(keyframe_map),
            whitened,
            device=device,
            progress=progress,
            centres=None if words else present.centres,
        )
        keyframe_map.replace_vocabulary(vocabulary, DenseVlad(vocabulary, device).describe)


class _KeyframeImages(Sequence[np.ndarray]):
    """The images of a map, read one at a time."""

    def __init__(self, keyframe_map: KeyframeMap) -> None:
        self._map, self._ids = keyframe_map, keyframe_map.ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._map.keyframe(self._ids[index]).rgb
