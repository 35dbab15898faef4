"""
Evaluate relocalization on a folder in 7-Scenes layout.

For example:
  relpose_ros evaluate 7scenes/redkitchen --json result.json --report out/redkitchen
  relpose_ros evaluate 7scenes/redkitchen --map redkitchen.relmap

Maps the keyframes and localizes the queries of the folder's split.yaml, or of its TrainSplit.txt
and TestSplit.txt. Rejected queries count as failures. Position, direction and rotation errors are
those of the paper's equations (8) to (10).
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_builder import build_map, learn_from_keyframes
from relpose_ros.core.relocalizer import Relocalizer
from relpose_ros.core.vlad import default_vocabulary
from relpose_ros.datasets.seven_scenes import read_split, Split
from relpose_ros.evaluation.localization import evaluate, match_picture
from relpose_ros.evaluation.metrics import Outcome, summary, table
from relpose_ros.evaluation.report import write_report
from relpose_ros.tools.options import add_estimator, estimator_from, existing_folder
from relpose_ros.tools.progress import counted, Progress

SHOWN_MATCHES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('data', type=existing_folder, help='folder in 7-Scenes layout')
    parser.add_argument('--map', type=Path, help='use this map instead of building one')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures')
    parser.add_argument('--report', type=Path, metavar='FOLDER', help='write a page with pictures')
    add_estimator(parser)


def run(arguments: argparse.Namespace) -> None:
    """Build the map if there is none, localize, print and write."""
    estimator, device = estimator_from(arguments)
    split = read_split(arguments.data)
    with TemporaryDirectory() as folder:
        path = arguments.map or Path(folder) / 'map.relmap'
        if not arguments.map:
            map_keyframes(path, split, device)
        with KeyframeMap.open(path) as keyframe_map:
            relocalizer = Relocalizer(keyframe_map, estimator, device=device)
            queries = counted(split.queries, 'Queries')
            outcomes = list(evaluate(relocalizer, keyframe_map, queries))
            result = summary(outcomes, estimator.name, estimator.weights)
            print(table(result))
            if arguments.json:
                arguments.json.write_text(json.dumps(result, indent=2) + '\n')
            if arguments.report:
                report(arguments.report, split, relocalizer, keyframe_map, outcomes, result)


def map_keyframes(path: Path, split: Split, device: str) -> None:
    """Map the keyframes of a split, with build-map's defaults."""
    images = counted(split.keyframes, 'Keyframes')
    build_map(path, images, default_vocabulary(), device=device)
    with Progress('Learning') as progress:
        learn_from_keyframes(path, device=device, progress=progress)


def report(
    folder: Path,
    split: Split,
    relocalizer: Relocalizer,
    keyframe_map: KeyframeMap,
    outcomes: list[Outcome],
    result: dict,
    title: str = 'Relocalization',
) -> None:
    """Write the page, with pictures of some queries spread over the recording."""
    step = max(1, len(split.queries) // SHOWN_MATCHES)
    pictures = []
    for query in split.queries[::step][:SHOWN_MATCHES]:
        localized = relocalizer.localize(query.rgb, query.camera)
        pictures.append(match_picture(query, localized, keyframe_map))
    poses = [keyframe_map.pose(keyframe_id) for keyframe_id in keyframe_map.ids]
    page, picture = write_report(folder, outcomes, result, poses, pictures, title)
    print(f'{page}\n{picture}')
