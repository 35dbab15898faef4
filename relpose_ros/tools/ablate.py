"""
Measure what each part of the method gives, on a folder with keyframes and queries.

For example:
  relpose_ros ablate 7scenes/redkitchen --out out/ablation

Maps the keyframes and localizes the queries as `evaluate` does, by every variant: the pose that
the network regresses, the geometry of its matches, coarse and placed exactly, the blend of both,
also of keyframes that are not ranked, and SIFT; with keyframe depth and without; from 1, 2, 5 and
10 keyframes; fused as ours and, from 5, as others do. OUT/ablation.json holds the rows,
OUT/index.html shows them.

A query without a pose counts as a failure; `wrong` counts answers off by more than 50 cm or
10 deg. Each row takes exactly k keyframes, where the node goes on to the next ones if they give
no pose, and 1 % of its poses may be wrong, where the node has a stricter default. `match ms` is
the time of k relative poses, `fuse ms` of what makes one pose of them.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
from pathlib import Path

from relpose_ros.core.estimators import chosen_device, load_estimator
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.evaluation import page
from relpose_ros.evaluation.ablation import ablate, all_methods, figures
from relpose_ros.evaluation.row_table import aligned, Column, text
from relpose_ros.tools.options import add_device, existing_folder
from relpose_ros.tools.progress import counted
from relpose_ros.tools.protocols import opened_map

COLUMNS = (
    Column('rejected', ('rejected',)),
    Column('cm', ('position_cm_median',), digits=1),
    Column('deg', ('rotation_deg_median',), digits=2),
    Column('5cm 5deg %', ('within_5cm_5deg',), 100, 1),
    Column('25cm 5deg %', ('within_25cm_5deg',), 100, 1),
    Column('wrong', ('wrong',)),
    Column('match ms', ('match_ms_median',), digits=1),
    Column('fuse ms', ('fuse_ms_median',), digits=1),
)
HEADS = ['estimator', 'depth', 'fusion', 'k', *(column.head for column in COLUMNS)]
TEXT_COLUMNS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('data', type=existing_folder, help='folder in the layout of 7-Scenes')
    parser.add_argument('--map', type=Path, help='use this map instead of building one')
    parser.add_argument(
        '--out', type=Path, default=Path('out/ablation'), help='default: out/ablation'
    )
    parser.add_argument(
        '--weights', default='', metavar='FILE', help="the network's, by default the package's"
    )
    add_device(parser)


def run(arguments: argparse.Namespace) -> None:
    """Judge, print and write."""
    device = chosen_device(arguments.device)
    split = read_split(arguments.data)
    network = load_estimator('network', arguments.weights, device)
    with opened_map(split.keyframes, device, arguments.map) as keyframe_map:
        methods = all_methods(network, device, keyframe_map.depth_count > 0)
        queries = counted(split.queries, 'Queries')
        outcomes = ablate(keyframe_map, queries, methods, device)
    rows = [
        {'dataset': arguments.data.name, **asdict(variant), 'metrics': figures(variant, each)}
        for variant, each in outcomes.items()
    ]
    title = f'{arguments.data.name}: {len(split.queries)} queries, weights {network.weights}'
    lines = [_texts(row) for row in rows]
    print(f'{title}, {device}\n{aligned(HEADS, lines, TEXT_COLUMNS)}')
    print(*_write(arguments.out, title, rows, lines), sep='\n')


def _texts(row: dict) -> list[str]:
    about = [row['estimator'], 'yes' if row['depth'] else 'no', row['fusion'], str(row['k'])]
    return [*about, *(text(row['metrics'], column) for column in COLUMNS)]


def _write(folder: Path, title: str, rows: Sequence[dict], lines: list[list[str]]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / 'ablation.json', folder / 'index.html']
    written[0].write_text(json.dumps(rows, indent=2, allow_nan=False) + '\n')
    parts = [page.section(title, page.table(HEADS, lines))]
    written[1].write_text(page.document('Ablation', parts), encoding='utf-8')
    return written
