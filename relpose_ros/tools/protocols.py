"""Runs the protocols that judge pairs, with progress bars; for `evaluate` and `figures`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from relpose_ros.core.estimator import Estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_builder import build_map, learn_from_keyframes
from relpose_ros.core.map_depth import triangulate_map
from relpose_ros.core.network_pose import NetworkEstimator
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vlad import default_vocabulary
from relpose_ros.datasets import cambridge
from relpose_ros.datasets.image_pair import ImagePair
from relpose_ros.datasets.layouts import open_images, open_pairs
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.evaluation.match_accuracy import match_errors, network_matcher, sift_matcher
from relpose_ros.evaluation.pair_choice import closest_pairs, nearest_pairs, trajectory_pairs
from relpose_ros.evaluation.pairwise import evaluate_pairs, PairOutcome
from relpose_ros.evaluation.paper_rows import scene_key, TABLE_1
from relpose_ros.evaluation.rows import Evaluation, Judged, match_rows, pair_rows, Row
from relpose_ros.tools.progress import counted, Progress

PAIR_PROTOCOLS = ('nearest', 'pairs', 'trajectory', 'map-free', 'matches')
SPLIT_FILES = ('split.yaml', 'TrainSplit.txt', 'dataset_train.txt')


@dataclass(frozen=True, slots=True)
class Protocol:
    """
    How pairs are chosen.

    :param name: one of PAIR_PROTOCOLS.
    :param min_frames: of 'trajectory': images between query and keyframe, at least.
    :param map_path: of 'nearest' and 'matches': a map of the one scene; None builds it.
    :param closest: of 'nearest' and 'matches': take the keyframe that was closest, and not the one
        that is retrieved first: what the estimator does, whatever is retrieved.
    """

    name: str
    min_frames: int = 1
    map_path: Path | None = None
    closest: bool = False

    @property
    def split(self) -> str:
        """Return the name with what the figures depend on."""
        apart = f', at least {self.min_frames} images apart' if self.min_frames > 1 else ''
        return f'{self.name}{apart}{", closest keyframe" if self.closest else ""}'


def run_protocol(
    protocol: Protocol, folder: Path, shown: Sequence[tuple[Estimator, bool]], device: str
) -> Evaluation:
    """
    Judge estimators on the same pairs.

    :param folder: one scene or, for protocols that need a split, a folder of scenes.
    :param shown: estimators, and whether each sees the keyframe's depth, where there is some; for
        the first one keyframes are retrieved.
    :raises ValueError: with one sentence, if the folder does not suit the protocol.
    """
    if protocol.name == 'matches' and not isinstance(shown[0][0], NetworkEstimator):
        raise ValueError("protocol 'matches' judges the network: choose --estimator network")
    title = f'{folder.name}: {protocol.split}'
    with ExitStack() as stack:
        pairs = _scene_pairs(protocol, folder, shown[0][0], device, stack)
        if protocol.name == 'matches':
            return Evaluation(title, _match_rows(protocol.split, pairs, shown[0][0]), [])
        has_depth = all(each[0].keyframe.depth_m is not None for each in pairs.values())
        # Without depth in the data an estimator is judged once, whatever it is shown.
        variants = dict.fromkeys((estimator, depth and has_depth) for estimator, depth in shown)
        judged = [_judged(protocol.name, pairs, *variant) for variant in variants]
    return Evaluation(title, pair_rows(protocol.name, protocol.split, judged), judged)


def _judged(
    protocol: str, pairs: dict[str, Sequence[ImagePair]], estimator: Estimator, depth: bool
) -> Judged:
    scenes: dict[str, list[PairOutcome]] = {}
    for name, of_scene in pairs.items():
        progress = counted(of_scene, f'{name}, {estimator.name}')
        for outcome in evaluate_pairs(estimator, progress, depth):
            scenes.setdefault(_scene(protocol, name, outcome.keyframe), []).append(outcome)
    return Judged(estimator.name, estimator.weights, depth, scenes)


def _match_rows(
    split: str, pairs: dict[str, Sequence[ImagePair]], estimator: NetworkEstimator
) -> list[Row]:
    side_px = estimator.network.config.longest_side_px
    matchers = (network_matcher(estimator), sift_matcher())
    rows = []
    for name, of_scene in pairs.items():
        errors = [
            [match_errors(match, pair, side_px) for match in matchers]
            for pair in counted(of_scene, name)
        ]
        rows += match_rows(split, name, estimator, *zip(*errors, strict=True))
    return rows


def _scene_pairs(
    protocol: Protocol, folder: Path, estimator: Estimator, device: str, stack: ExitStack
) -> dict[str, Sequence[ImagePair]]:
    """
    Return the pairs by scene; what they are read from stays open as long as the stack.

    :param estimator: ranks what is retrieved.
    """
    if protocol.name in ('pairs', 'map-free'):
        return {folder.name: open_pairs(folder)}
    if protocol.name == 'trajectory':
        images = open_images(folder)
        return {folder.name: trajectory_pairs(images, protocol.min_frames, counted=counted)}
    scenes = {}
    for scene in _split_folders(folder):
        keyframes, queries = read_keyframes_and_queries(scene)
        if protocol.closest:
            scenes[scene.name] = closest_pairs(keyframes, queries)
            continue
        opened = stack.enter_context(opened_map(keyframes, device, protocol.map_path))
        scenes[scene.name] = nearest_pairs(opened, queries, estimator, device, counted)
    return scenes


def _scene(protocol: str, folder: str, keyframe: str) -> str:
    """Return the scene of a pair: lists of several scenes name images SCENE/..."""
    first = keyframe.partition('/')[0]
    return first if protocol == 'map-free' or scene_key(first) in TABLE_1 else folder


def _split_folders(folder: Path) -> list[Path]:
    """Return the folder if it has a split, else those in it that have."""
    found = [
        each
        for each in (folder, *sorted(folder.iterdir()))
        if any((each / name).is_file() for name in SPLIT_FILES)
    ]
    if not found:
        raise ValueError(f'{folder}: no {", ".join(SPLIT_FILES)} in it, nor in a folder in it')
    return found[:1] if found[0] == folder else found


def read_keyframes_and_queries(
    folder: Path,
) -> tuple[Sequence[PosedImage], Sequence[PosedImage]]:
    """Open what makes the map and what is looked for in it."""
    if (folder / 'dataset_train.txt').is_file():
        train, test = (cambridge.read_images(folder, (part,)) for part in ('train', 'test'))
        return train, test
    split = read_split(folder)
    return split.keyframes, split.queries


@contextmanager
def opened_map(
    keyframes: Sequence[PosedImage], device: str, path: Path | None = None
) -> Iterator[KeyframeMap]:
    """
    Open a map; build it in a temporary folder if there is none.

    :param path: of the map; None builds it.
    """
    with TemporaryDirectory() as folder:
        if path is None:
            path = Path(folder) / 'map.relmap'
            map_keyframes(path, keyframes, device)
        with KeyframeMap.open(path) as keyframe_map:
            yield keyframe_map


def map_keyframes(path: Path, keyframes: Sequence[PosedImage], device: str) -> None:
    """Map keyframes with build-map's defaults."""
    images = counted(keyframes, 'Keyframes')
    build_map(path, images, default_vocabulary(), device=device)
    with Progress('Learning') as progress:
        learn_from_keyframes(path, device=device, progress=progress)
    with Progress('Triangulation') as progress:
        triangulate_map(path, device, progress)
