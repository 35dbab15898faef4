"""From posed images to a map."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from relpose_ros.core.camera import rectified
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_file import MapError
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vlad import DenseVlad, learn_vocabulary
from relpose_ros.core.vocabulary import DenseVladConfig, Vocabulary

# In the manifest of a map that is not complete: of what and how it is built.
UNFINISHED = 'unfinished'


@dataclass(frozen=True, slots=True)
class BuiltMap:
    """
    What became of the images given.

    :param keyframes: images that are in the map.
    :param without_texture: names of images that show nothing to recognise and were left out.
    """

    keyframes: int
    without_texture: tuple[str, ...]


class MapBuilder:
    """Adds posed images to a map, of a recording as of a live camera."""

    def __init__(self, keyframe_map: KeyframeMap, device: str = 'cpu') -> None:
        """
        Take a map that is open for editing.

        :param device: where the images are described.
        """
        self._map = keyframe_map
        self._describer = DenseVlad(keyframe_map.vocabulary, device)

    def add(self, image: PosedImage) -> int | None:
        """
        Add an image without the distortion of its lens; it is safe once this returns.

        :return: the keyframe's id; None if the image shows no texture and was left out.
        :raises MapError: if the file cannot be written.
        """
        rgb, camera = rectified(image.rgb, image.camera)
        depth_m = image.depth_m
        if depth_m is not None:
            depth_m, _ = rectified(depth_m, image.camera)
        descriptor = self._describer.describe(rgb)
        if not descriptor.any():
            return None
        return self._map.add(
            image.stamp_ns, image.map_from_camera, camera, rgb, descriptor, depth_m
        )


def build_map(
    path: Path,
    images: Iterable[PosedImage],
    vocabulary: Vocabulary,
    map_frame: str = 'map',
    device: str = 'cpu',
    recipe: str | None = None,
) -> BuiltMap:
    """
    Write a map with one keyframe per image, in order; each is safe once it is added.

    With a recipe the map is marked as unfinished until `finish_map`. Called again with the same
    recipe on such a map, it goes on behind the newest keyframe.

    :param path: a file that does not exist yet, or an unfinished map.
    :param images: with or without lens distortion and depth.
    :param vocabulary: describes the keyframes.
    :param device: where the images are described.
    :param recipe: names the images and how they are chosen; None for a map built in one go.
    :raises MapError: if the file exists or cannot be written, or no image was of use.
    """
    without_texture = []
    with _begun(path, vocabulary, map_frame, recipe) as keyframe_map:
        builder = MapBuilder(keyframe_map, device)
        ids = keyframe_map.ids
        newest_ns = keyframe_map.stamp_ns(ids[-1]) if ids else None
        for image in images:
            if newest_ns is not None and image.stamp_ns <= newest_ns:
                continue
            if builder.add(image) is None:
                without_texture.append(image.name)
        keyframe_map.require_keyframes()
        return BuiltMap(len(keyframe_map), tuple(without_texture))


def finish_map(path: Path) -> None:
    """
    Mark a map as complete: build_map does not go on with it any more.

    :raises MapError: if the map cannot be used.
    """
    with KeyframeMap.edit(path) as keyframe_map:
        keyframe_map.note(UNFINISHED, None)


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


def _begun(path: Path, vocabulary: Vocabulary, map_frame: str, recipe: str | None) -> KeyframeMap:
    """Create the map, or open the unfinished one of the same recipe."""
    if recipe is None or not path.exists():
        notes = {} if recipe is None else {UNFINISHED: recipe}
        return KeyframeMap.create(path, vocabulary, map_frame, notes)
    keyframe_map = KeyframeMap.edit(path)
    unfinished = keyframe_map.manifest.get(UNFINISHED)
    if unfinished == recipe:
        return keyframe_map
    keyframe_map.close()
    if unfinished is None:
        raise MapError(f'{path}: exists already; remove it or choose another name')
    raise MapError(
        f'{path}: was begun with other arguments; remove it, choose another name, or go on with '
        f'{unfinished}'
    )


class _KeyframeImages(Sequence[np.ndarray]):
    """The images of a map, read one at a time."""

    def __init__(self, keyframe_map: KeyframeMap) -> None:
        self._map, self._ids = keyframe_map, keyframe_map.ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._map.keyframe(self._ids[index]).rgb
