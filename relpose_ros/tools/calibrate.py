"""
Measure how sure an estimator's answers are, on recordings with known poses.

For example:
  relpose_ros calibrate lounge corridor --out calibration.json
  relpose_ros calibrate lounge corridor --estimator network --out calibration.json

Of each recording a dense, a middling and a sparse map is made, and a dense one of its first half
alone, with depth and without. Images that are not in the map are localized: of the same recording,
and thus of places like those in the map, and of the others, where each answer is wrong. From what
was answered, whatever spoke against it, come the scales of the covariance and the chance that a
pose is wrong. Take recordings that no figure will be judged on.

OUT is a JSON file with an entry per estimator; another estimator's entry in it is kept.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
import json
from pathlib import Path
from typing import TypeVar

import numpy as np
from relpose_ros.core.keyframe_selection import select_keyframes, SelectionConfig
from relpose_ros.core.localization import Localization
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.relocalizer import Relocalizer, RelocalizerConfig
from relpose_ros.datasets.layouts import open_images
from relpose_ros.evaluation.calibration import Answer, fitted, judged
from relpose_ros.evaluation.localization import WithoutDepth
from relpose_ros.tools.options import add_estimator, estimator_from, existing_folder
from relpose_ros.tools.progress import counted
from relpose_ros.tools.protocols import opened_map

# Distance [m] and turn [deg] between the keyframes of a map, and the share of a recording that it
# shows: the same building beyond a map is what is most easily taken for it.
MAPS = ((0.2, 5.0, 1.0), (0.6, 15.0, 1.0), (1.2, 30.0, 1.0), (0.2, 5.0, 0.5))
# Whatever speaks against a pose, it is an answer.
CREDULOUS = RelocalizerConfig(
    candidates=10, max_distance_m=1000.0, max_sigma_m=1000.0, max_wrong_share=1.0
)
Item = TypeVar('Item')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'data', type=existing_folder, nargs='+', help='recordings in a public layout, with depth'
    )
    parser.add_argument(
        '--queries',
        type=int,
        default=30,
        metavar='N',
        help='of each map, from its own recording and from the others (default: 30)',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='JSON file')
    add_estimator(parser)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and write."""
    estimator, device = estimator_from(arguments)
    estimator.calibration = None  # what it propagates is measured anew
    if len(arguments.data) < 2:
        raise ValueError('data: one recording has no images of another place: give several')
    entries = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    recordings = {folder.name: open_images(folder) for folder in arguments.data}
    answers: dict[str, list[Answer]] = {name: [] for name in recordings}
    for name, images in recordings.items():
        foreign = [each for other, each in recordings.items() if other != name]
        each_count = -(-arguments.queries // len(foreign))
        strangers = [image for other in foreign for image in _spread(other, each_count)]
        for title, keyframes, queries in _maps(images, arguments.queries):
            for seen in (keyframes, WithoutDepth(keyframes)):
                with opened_map(seen, device) as keyframe_map:
                    relocalizer = Relocalizer(keyframe_map, estimator, CREDULOUS, device)
                    asked = counted(queries, f'{name}, {title}')
                    answers[name] += _answers(relocalizer, asked, strangers)
    calibration = fitted(answers, estimator.weights)
    given = [each for of_recording in answers.values() for each in of_recording]
    wrong = sum(each.wrong for each in given)
    print(f'{len(given)} answers, {wrong} of them wrong: {calibration}')
    if not wrong:
        known, _ = calibration.operating_points[-1]
        print(f'None was wrong: all poses are rejected at a max_wrong_share below {known:.4f}.')
    entries[estimator.name] = asdict(calibration) | {
        'recordings': list(recordings),
        'answers': len(given),
        'wrong': wrong,
    }
    arguments.out.write_text(json.dumps(entries, indent=2) + '\n')
    print(arguments.out)


def _maps(
    images: Sequence[PosedImage], count: int
) -> Iterator[tuple[str, list[PosedImage], list[PosedImage]]]:
    """Yield of each map of a recording a title, the keyframes, and images that are not in it."""
    names = [image.name for image in images]  # which reads each of them: once is enough
    for distance_m, turn_deg, share in MAPS:
        shown = (images[i] for i in range(int(share * len(images))))
        keyframes = list(select_keyframes(shown, SelectionConfig(distance_m, turn_deg), {}))
        mapped = {keyframe.name for keyframe in keyframes}
        others = [i for i, name in enumerate(names) if name not in mapped]
        title = f'{100 * share:.0f} % of it, a keyframe every {distance_m} m'
        yield title, keyframes, [images[i] for i in _spread(others, count)]


def _answers(
    relocalizer: Relocalizer, queries: Iterable[PosedImage], strangers: Iterable[PosedImage]
) -> Iterator[Answer]:
    """Localize images of the map's recording, and of others."""
    asked = chain(((q, q.map_from_camera) for q in queries), ((s, None) for s in strangers))
    for image, map_from_query in asked:
        result = relocalizer.localize(image.rgb, image.camera)
        if isinstance(result, Localization):
            yield judged(result, map_from_query)


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return so many of them, evenly spread."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).astype(int)
    return [items[i] for i in chosen]
