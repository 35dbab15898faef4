"""
Evaluate an estimator, or relocalization as a whole, on a folder in a public layout.

For example:
  relpose_ros evaluate 7scenes/redkitchen --json result.json --report out/redkitchen
  relpose_ros evaluate 7scenes/redkitchen --map redkitchen.relmap
  relpose_ros evaluate 7scenes --protocol nearest --estimator network
  relpose_ros evaluate scannet1500 --protocol pairs --report out/scannet

Protocols:
  localization  map the keyframes and localize the queries of the folder's split.yaml, or of its
                TrainSplit.txt and TestSplit.txt, by the same road as the node
  nearest       each query against the one keyframe that the estimator would match first; also on a
                folder of such folders (paper, tables 1 to 3) and of Cambridge (table 5)
  pairs         the pairs of a list: ScanNet-1500, SuperGlue's, RelPoseNet's (tables 1, 2, 4)
  trajectory    a recording against itself: with depth, images that share at least 40 % of their
                views; without, images up to 3 frames apart
  map-free      scenes of Map-free (table 6)
  matches       coarse matches of `nearest` against depth, beside dense RootSIFT

All but localization print beside ours the paper's row and those of the trivial predictors. A query
or pair without a pose counts as a failure. Errors are those of the paper's equations (8) to (10).
"""

import argparse
from dataclasses import replace
import json
from pathlib import Path

from matplotlib.figure import Figure
from relpose_ros.core.estimator import Estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.relocalizer import Relocalizer, RelocalizerConfig
from relpose_ros.datasets.seven_scenes import read_split, Split
from relpose_ros.evaluation import page, plots, row_table
from relpose_ros.evaluation.localization import evaluate, match_picture
from relpose_ros.evaluation.metrics import Outcome, summary, table
from relpose_ros.evaluation.report import write_report
from relpose_ros.evaluation.risk import risk_coverage
from relpose_ros.tools.options import add_estimator, estimator_from, existing_folder
from relpose_ros.tools.progress import counted
from relpose_ros.tools.protocols import opened_map, PAIR_PROTOCOLS, Protocol, run_protocol

LOCALIZATION = 'localization'
SHOWN_MATCHES = 6
RISKS = (0.0, 0.01, 0.05)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('data', type=existing_folder, help='folder in a public layout')
    parser.add_argument(
        '--protocol',
        choices=(LOCALIZATION, *PAIR_PROTOCOLS),
        default=LOCALIZATION,
        help='what is judged against what (default: localization)',
    )
    parser.add_argument('--map', type=Path, help='use this map instead of building one')
    parser.add_argument(
        '--min-frames',
        type=int,
        default=1,
        metavar='N',
        help='trajectory: keyframes are at least so many images from their query (default: 1)',
    )
    parser.add_argument(
        '--closest',
        action='store_true',
        help='nearest, matches: the keyframe that was taken closest, not the one retrieved',
    )
    parser.add_argument(
        '--answer-all',
        action='store_true',
        help='localization: reject no pose for its chance of being wrong, and print and draw what '
        'share of the answers would be wrong at which share of queries answered',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures')
    parser.add_argument('--report', type=Path, metavar='FOLDER', help='write a page with pictures')
    add_estimator(parser)


def run(arguments: argparse.Namespace) -> None:
    """Judge, print and write."""
    estimator, device = estimator_from(arguments)
    if arguments.protocol == LOCALIZATION:
        _localize(arguments, estimator, device)
        return
    protocol = Protocol(arguments.protocol, arguments.min_frames, arguments.map, arguments.closest)
    # The network never looks at depth: its row is not to say that it saw some.
    shown = [(estimator, estimator.name == 'geometric')]
    evaluation = run_protocol(protocol, arguments.data, shown, device)
    print(row_table.table(evaluation.rows))
    if arguments.json:
        rows = [row.as_json() for row in evaluation.rows]
        text = json.dumps({'protocol': protocol.name, 'rows': rows}, indent=2)
        arguments.json.write_text(text + '\n')
    if arguments.report:
        print(*row_table.write_page(arguments.report, 'Evaluation', [evaluation]), sep='\n')


def _localize(arguments: argparse.Namespace, estimator: Estimator, device: str) -> None:
    """Build the map if there is none and localize the queries."""
    split = read_split(arguments.data)
    with opened_map(split.keyframes, device, arguments.map) as keyframe_map:
        config = RelocalizerConfig()
        if arguments.answer_all:
            if estimator.calibration is None:
                raise ValueError(f'{estimator.name}: not calibrated for these weights: calibrate')
            config = replace(config, max_wrong_share=1.0)
        relocalizer = Relocalizer(keyframe_map, estimator, config, device)
        queries = counted(split.queries, 'Queries')
        outcomes = list(evaluate(relocalizer, keyframe_map, queries))
        result = summary(outcomes, estimator.name, estimator.weights)
        print(table(result))
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=2) + '\n')
        if arguments.report:
            report(arguments.report, split, relocalizer, keyframe_map, outcomes, result)
        if arguments.answer_all:
            _show_risk(outcomes, arguments.report)


def _show_risk(outcomes: list[Outcome], folder: Path | None) -> None:
    """Print risk against coverage, and draw it where there is a page."""
    curve = risk_coverage(outcomes)
    at = ', '.join(f'{100 * curve.answered_at(r):.0f} % at {100 * r:.0f} % wrong' for r in RISKS)
    print(f'risk against coverage: area {curve.area:.4f}; answered: {at}')
    if folder:
        figure = Figure(figsize=(6, 4), dpi=100, layout='constrained')
        plots.plot_risk(figure.subplots(), curve)
        (folder / 'risk.png').write_bytes(page.png(figure))
        print(folder / 'risk.png')


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
    pictures, results = [], []
    for query in split.queries[::step][:SHOWN_MATCHES]:
        localized = relocalizer.localize(query.rgb, query.camera)
        pictures.append(match_picture(query, localized, keyframe_map))
        results.append(localized)
    poses = {keyframe_id: keyframe_map.pose(keyframe_id) for keyframe_id in keyframe_map.ids}
    page, picture = write_report(folder, outcomes, result, poses, pictures, results, title)
    print(f'{page}\n{picture}')
