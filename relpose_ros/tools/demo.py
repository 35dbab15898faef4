"""
Build a map, start the relocalizer, play a camera to it, and show what it publishes.

For example:
  relpose_ros demo
  relpose_ros demo --data 7scenes/redkitchen --out out/redkitchen

Without --data the recording is an apartment that the package renders itself. Camera, relocalizer
and recorder are three processes that talk over ROS topics. First each query is sent when the one
before has been answered, which gives the accuracy; then the replay runs at the camera's rate,
which shows how the node keeps up. The page is OUT/index.html, the figures OUT/result.json.
"""

import argparse
import json
from pathlib import Path

from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.relocalizer import Relocalizer
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.evaluation.live import outcomes, play
from relpose_ros.evaluation.metrics import summary, table
from relpose_ros.learning.apartment import write_apartment
from relpose_ros.tools.evaluate import report
from relpose_ros.tools.options import add_estimator, estimator_from, existing_folder, UNTRAINED
from relpose_ros.tools.protocols import map_keyframes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('--data', type=existing_folder, help='folder in 7-Scenes layout')
    parser.add_argument('--out', type=Path, default=Path('out/demo'), help='default: out/demo')
    add_estimator(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prepare, play, judge, show."""
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if arguments.weights == UNTRAINED:
        raise ValueError('the node runs no untrained weights: its poses would mean nothing')
    estimator, device = estimator_from(arguments)
    data = arguments.data or _apartment(out)
    split = read_split(data)
    path = out / 'map.relmap'
    path.unlink(missing_ok=True)
    map_keyframes(path, split.keyframes, device)
    parameters = {
        'map_path': path,
        'estimator': arguments.estimator,
        'device': device,
        'reliability': 'reliable',
    }
    if arguments.weights:
        parameters['weights'] = arguments.weights
    print(f'Playing {len(split.queries)} queries over topics ...')
    answers = play(data, 'queries', 0.0, out, parameters)
    print(f'Replaying {len(split.replay)} images at {split.rate_hz:.0f} Hz ...')
    parameters['reliability'] = 'best_effort'
    replayed = play(data, 'replay', split.rate_hz, out, parameters)
    with KeyframeMap.open(path) as keyframe_map:
        judged = list(outcomes(split.queries, answers, keyframe_map))
        result = summary(judged, estimator.name, estimator.weights)
        (out / 'result.json').write_text(json.dumps(result, indent=2) + '\n')
        print(table(result))
        accepted = sum(answer.result == 'accepted' for answer in replayed.values())
        print(
            f'at {split.rate_hz:.0f} Hz: {len(replayed)} of {len(split.replay)} images taken, '
            f'the newest each time; {accepted} poses'
        )
        relocalizer = Relocalizer(keyframe_map, estimator, device=device)
        report(out, split, relocalizer, keyframe_map, judged, result, f'Demo: {data.name}')


def _apartment(out: Path) -> Path:
    """Render the apartment, unless an earlier run has done so."""
    folder = out / 'apartment'
    if not folder.exists():
        write_apartment(folder)
    return folder
