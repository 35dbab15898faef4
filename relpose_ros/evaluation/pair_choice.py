"""Which keyframe each query is judged against."""

from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
from relpose_ros.core.estimator import Estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.retrieval import Retrieval
from relpose_ros.datasets.image_pair import ImagePair
from relpose_ros.evaluation.covisibility import shared_view

# Share of the view that both images of a pair see: the paper's range begins there.
MIN_SHARED_VIEW = 0.4
# Cameras that look further apart share no view worth a look.
MAX_TURN_DEG = 75.0
# How far the keyframe may be where nothing tells what is shared.
FRAMES_WITHOUT_DEPTH = 3
# Shared views are measured on images made so much smaller.
SHRINK = 4

Counted = Callable[[Iterable[PosedImage], str], Iterable[PosedImage]]


class ChosenPairs(Sequence[ImagePair]):
    """Pairs whose images are read when they are asked for."""

    def __init__(
        self,
        keyframes: Sequence[PosedImage],
        queries: Sequence[PosedImage],
        chosen: Sequence[tuple[int, int]],
    ) -> None:
        """
        Keep what to read.

        :param chosen: index of a keyframe and of its query.
        """
        self._keyframes, self._queries, self._chosen = keyframes, queries, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int | slice) -> 'ImagePair | ChosenPairs':
        if isinstance(index, slice):
            return ChosenPairs(self._keyframes, self._queries, self._chosen[index])
        keyframe, query = self._chosen[index]
        return ImagePair(self._keyframes[keyframe], self._queries[query])


def nearest_pairs(
    keyframe_map: KeyframeMap,
    queries: Sequence[PosedImage],
    estimator: Estimator,
    device: str = 'cpu',
    counted: Counted = lambda images, title: images,
) -> ChosenPairs:
    """
    Pair every query with the keyframe that is retrieved first for an estimator.

    :param keyframe_map: stays open while the pairs are read.
    :param counted: shows progress over images.
    """
    retrieval = Retrieval(keyframe_map, estimator, device)
    keyframes = _Keyframes(keyframe_map)
    chosen = []
    for index, query in enumerate(counted(queries, 'Retrieval')):
        nearest = retrieval.nearest(retrieval.describe(query.rgb))
        features = estimator.features(query.rgb, query.camera, None)
        first = retrieval.likeliest_first(features, nearest)[0]
        chosen.append((keyframes.ids.index(first.keyframe_id), index))
    return ChosenPairs(keyframes, queries, chosen)


def closest_pairs(keyframes: Sequence[PosedImage], queries: Sequence[PosedImage]) -> ChosenPairs:
    """
    Pair every query with the keyframe that was taken the least way off.

    :raises ValueError: if there are no keyframes.
    """
    if not keyframes:
        raise ValueError('keyframes: expected at least one')
    places_m = np.array([each.map_from_camera[:3, 3] for each in keyframes])
    chosen = []
    for index, query in enumerate(queries):
        off_m = np.linalg.norm(places_m - query.map_from_camera[:3, 3], axis=1)
        chosen.append((int(off_m.argmin()), index))
    return ChosenPairs(keyframes, queries, chosen)


class _Keyframes(Sequence[PosedImage]):
    """The keyframes of a map as posed images."""

    def __init__(self, keyframe_map: KeyframeMap) -> None:
        self._map, self.ids = keyframe_map, list(keyframe_map.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> PosedImage:
        found = self._map.keyframe(self.ids[index])
        return PosedImage(
            f'keyframe {self.ids[index]}',
            found.stamp_ns,
            found.rgb,
            found.camera,
            found.map_from_camera,
            found.depth_m,
        )


def trajectory_pairs(
    images: Sequence[PosedImage],
    min_frames: int = 1,
    seed: int = 0,
    counted: Counted = lambda images, title: images,
) -> ChosenPairs:
    """
    Pair the images of one recording.

    With depth, each image is a query once: its keyframe is drawn from those at least `min_frames`
    images away that share MIN_SHARED_VIEW of the view with it, seen from either side; an image
    without such a keyframe is left out. Without depth the keyframe is the image `min_frames`
    before the query.

    :raises ValueError: if there is no pair.
    """
    gap, generator = max(1, min_frames), np.random.default_rng(seed)
    count = len(images)
    if images[0].depth_m is None:
        drawn = [_neighbour_of(query, count, gap, generator) for query in range(count)]
    else:
        small = [_shrunk(image) for image in counted(images, 'Shared views')]
        drawn = [_keyframe_of(query, small, gap, generator) for query in range(count)]
    chosen = [(keyframe, i) for i, keyframe in enumerate(drawn) if keyframe is not None]
    if not chosen:
        raise ValueError(
            f'{count} images make no pair at least {gap} images apart with a shared view'
        )
    return ChosenPairs(images, images, chosen)


def _neighbour_of(query: int, count: int, gap: int, generator: np.random.Generator) -> int | None:
    far = gap + FRAMES_WITHOUT_DEPTH
    near = [i for i in range(count) if gap <= abs(i - query) < far]
    return int(generator.choice(near)) if near else None


def _keyframe_of(
    query: int, images: Sequence[PosedImage], gap: int, generator: np.random.Generator
) -> int | None:
    axis = images[query].map_from_camera[:3, 2]
    for keyframe in generator.permutation(len(images)).tolist():
        turned = axis @ images[keyframe].map_from_camera[:3, 2]
        if abs(keyframe - query) < gap or turned < np.cos(np.radians(MAX_TURN_DEG)):
            continue
        if _mutual_view(images[keyframe], images[query]) >= MIN_SHARED_VIEW:
            return keyframe
    return None


def _mutual_view(a: PosedImage, b: PosedImage) -> float:
    """Return the smaller of what each shows of the other's view; 0 without depth."""
    forth = shared_view(a, b.camera, b.map_from_camera, b.depth_m)
    if not forth or forth < MIN_SHARED_VIEW:
        return 0.0
    return min(forth, shared_view(b, a.camera, a.map_from_camera, a.depth_m) or 0.0)


def _shrunk(image: PosedImage) -> PosedImage:
    """Keep the geometry and drop the picture: a whole recording has to fit into memory."""
    camera = image.camera.resized(image.camera.width // SHRINK, image.camera.height // SHRINK)
    size = (camera.width, camera.height)
    depth_m = image.depth_m
    if depth_m is not None:
        depth_m = cv2.resize(depth_m, size, interpolation=cv2.INTER_NEAREST)
    blank = np.zeros((camera.height, camera.width, 3), np.uint8)
    return PosedImage(image.name, image.stamp_ns, blank, camera, image.map_from_camera, depth_m)
