"""
Recompute every accuracy figure that README and documentation print.

For example:
  relpose_ros figures data --out out/figures

DATA holds public recordings in folders of their own: red_kitchen, scannet_pairs, stairs_mini,
tum_long_office, tum_structure_notexture, hololens_lounge, icsl_corridor, kitti_clip; those that
are missing are left out, and said to be. The network, its regression alone and the geometric
estimator are judged on the same pairs, with and without the keyframe's depth, and localize in maps
with the depth of a camera and of colour alone. OUT/figures.json is
a list of rows {id, dataset, split, estimator, k, depth, weights, metrics}; OUT/index.html shows
them.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from relpose_ros.core.estimator import Estimator
from relpose_ros.core.estimators import chosen_device, load_estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.network_pose import NetworkEstimator
from relpose_ros.core.refine import RefinementConfig
from relpose_ros.core.relocalizer import Relocalizer, RelocalizerConfig
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.evaluation.localization import evaluate, WithoutDepth
from relpose_ros.evaluation.metrics import summary
from relpose_ros.evaluation.row_table import table, write_page
from relpose_ros.evaluation.rows import Evaluation, Row
from relpose_ros.tools.options import add_device, existing_folder
from relpose_ros.tools.progress import counted
from relpose_ros.tools.protocols import map_keyframes, Protocol, run_protocol

# Of a summary: not figures of accuracy, or said by the row.
NOT_ACCURACY = ('latency_ms_median', 'estimator', 'weights')


class Set(NamedTuple):
    """
    A folder and how its pairs are chosen.

    :param trained: whether the shipped weights may have seen it; its figures are no zero-shot.
    """

    folder: str
    protocol: Protocol
    trained: bool = False


KITCHEN = 'red_kitchen'
TRAJECTORY = Protocol('trajectory')
SETS = (
    Set(KITCHEN, Protocol('nearest')),
    Set(KITCHEN, Protocol('matches')),
    Set(KITCHEN, Protocol('nearest', closest=True)),
    Set(KITCHEN, Protocol('matches', closest=True)),
    Set('scannet_pairs', Protocol('pairs')),
    Set('stairs_mini', TRAJECTORY),
    Set('tum_long_office', TRAJECTORY),
    # Its pictures hang on walls of the rooms that the weights learned from.
    Set('tum_structure_notexture', TRAJECTORY, trained=True),
    Set('kitti_clip', TRAJECTORY),
    # The camera comes back: only revisits are relocalization.
    Set('hololens_lounge', replace(TRAJECTORY, min_frames=60), trained=True),
    Set('icsl_corridor', TRAJECTORY, trained=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('data', type=existing_folder, help='folder that holds the recordings')
    parser.add_argument(
        '--out', type=Path, default=Path('out/figures'), help='default: out/figures'
    )
    parser.add_argument(
        '--weights', default='', metavar='FILE', help="the network's, by default the package's"
    )
    add_device(parser)


def run(arguments: argparse.Namespace) -> None:
    """Judge, print and write."""
    device = chosen_device(arguments.device)
    network = load_estimator('network', arguments.weights, device)
    regression = NetworkEstimator(
        network.network, network.weights, device, RefinementConfig(pose='regression')
    )
    geometric = load_estimator('geometric', device=device)
    whole = (network, geometric)
    shown = [*((each, depth) for each in whole for depth in (False, True)), (regression, False)]
    present = [each for each in SETS if (arguments.data / each.folder).is_dir()]
    if not present:
        names = ', '.join(dict.fromkeys(each.folder for each in SETS))
        raise ValueError(f'{arguments.data}: holds none of {names}')
    for name in dict.fromkeys(each.folder for each in SETS if each not in present):
        print(f'left out {name}: it is not in {arguments.data}')
    evaluations, localized = [], []
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'map.relmap'
        if present[0].folder == KITCHEN:
            localized = list(_localized(arguments.data / KITCHEN, path, whole, device))
        for each in present:
            protocol = replace(each.protocol, map_path=path)
            evaluation = run_protocol(protocol, arguments.data / each.folder, shown, device)
            evaluations.append(_marked(evaluation) if each.trained else evaluation)
            print(f'\n{evaluations[-1].title}\n{table(evaluation.rows)}')
    rows = [*localized, *(row for evaluation in evaluations for row in evaluation.rows)]
    for path in write_page(arguments.out, 'Figures', evaluations):
        print(path)
    text = json.dumps([row.as_json() for row in rows], indent=2, allow_nan=False)
    (arguments.out / 'figures.json').write_text(text + '\n')
    print(arguments.out / 'figures.json')


def _localized(
    folder: Path, path: Path, estimators: Sequence[Estimator], device: str
) -> Iterator[Row]:
    """
    Map the keyframes of a split and localize its queries, as the node does.

    :param path: of the map with the camera's depth; one of colour alone comes beside it.
    """
    split = read_split(folder)
    colour = path.with_stem('colour'), WithoutDepth(split.keyframes)
    for (mapped, keyframes), depth in ((colour, False), ((path, split.keyframes), True)):
        map_keyframes(mapped, keyframes, device)
        with KeyframeMap.open(mapped) as keyframe_map:
            for estimator in estimators:
                relocalizer = Relocalizer(keyframe_map, estimator, device=device)
                queries = counted(split.queries, f'Queries, {estimator.name}')
                outcomes = list(evaluate(relocalizer, keyframe_map, queries))
                result = summary(outcomes, estimator.name, estimator.weights)
                metrics = {key: value for key, value in result.items() if key not in NOT_ACCURACY}
                about = (estimator.name, RelocalizerConfig().batch, depth, estimator.weights)
                yield Row(folder.name, 'localization', *about, metrics)


def _marked(evaluation: Evaluation) -> Evaluation:
    """Say in title and rows that the weights may know the recording."""
    rows = [replace(row, split=f'{row.split}, training set') for row in evaluation.rows]
    return replace(evaluation, title=f'{evaluation.title}, training set', rows=rows)
