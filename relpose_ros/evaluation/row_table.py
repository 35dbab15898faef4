"""Rows as a table for the terminal and the page, and as a page with error curves."""

from collections.abc import Sequence
from pathlib import Path
import re
import textwrap
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
from relpose_ros.evaluation import page
from relpose_ros.evaluation.pair_metrics import Metrics
from relpose_ros.evaluation.pairwise import keyframe_poses, mean_motions
from relpose_ros.evaluation.plots import ESTIMATED, GRID, KEYFRAME, REJECTED
from relpose_ros.evaluation.rows import Evaluation, Judged, KEYFRAME_POSE, MEAN_MOTION, Row

PAGE = 'index.html'
# Of estimators, told apart by the colour blind too (Okabe and Ito).
COLOURS = (ESTIMATED, '#009e73', '#cc79a7', '#e69f00', '#56b4e9')
NOTE_WIDTH = 120
PAIR_NOTE = (
    'Shares are of all pairs: a pair without a pose counts as a failure. The keyframe has no '
    'translation, so the direction of its own pose is undefined; the mean motion is that of the '
    'true poses of these very pairs. A dash: undefined, not measured, or infinite because half of '
    'the pairs or more have no pose. Directions are not folded at 90 degrees.'
)
MATCH_NOTE = (
    'Cells of the keyframe that its depth and the query’s show to be visible in the query; their '
    'matches against the true place. Shares are medians over the pairs, or of all cells pooled.'
)


class Column(NamedTuple):
    """
    A column: its head, the metrics in it and how they are written.

    :param factor: of the value; 100 makes percent of a share.
    """

    head: str
    keys: tuple[str, ...]
    factor: float = 1
    digits: int = 0


PAIR_COLUMNS = (
    Column('pairs', ('pairs',)),
    Column('no pose', ('rejected',)),
    Column('cm', ('position_cm_median',), digits=1),
    Column('dir deg', ('direction_deg_median',), digits=1),
    Column('rot deg', ('rotation_deg_median',), digits=2),
    Column('10deg 10deg %', ('within_10deg_10deg',), 100, 1),
    Column('25cm 5deg %', ('within_25cm_5deg',), 100, 1),
    Column('rot AUC@5/10/20', tuple(f'rotation_auc_{bound}' for bound in (5, 10, 20)), 100, 1),
    Column('dir AUC@5/10/20', tuple(f'direction_auc_{bound}' for bound in (5, 10, 20)), 100, 1),
    Column('pose AUC@5/10/20', tuple(f'pose_auc_{bound}' for bound in (5, 10, 20)), 100, 1),
    Column('VCRE px', ('vcre_px_median',)),
    Column('VCRE ok %', ('within_vcre',), 100, 1),
)
MATCH_COLUMNS = (
    Column('pairs', ('pairs',)),
    Column('visible cells', ('visible_cells',)),
    Column('within a cell %', ('visible_within_cell',), 100, 1),
    Column('half a cell %', ('visible_within_half_cell',), 100, 1),
    Column('mutual ones within a cell %', ('mutual_within_cell',), 100, 1),
    Column('mutual %', ('mutual',), 100, 1),
    Column('all pooled %', ('visible_within_cell_of_all',), 100, 1),
    Column('mutual pooled %', ('mutual_within_cell_of_all',), 100, 1),
)
# The last of each panel's errors is where its curve ends.
PANELS = (
    ('position error [cm]', 100.0, 'position_error_m', (1, 300)),
    ('direction error [deg]', 1.0, 'direction_error_deg', (0.3, 180)),
    ('rotation error [deg]', 1.0, 'rotation_error_deg', (0.1, 180)),
)


def cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows as texts."""
    columns = MATCH_COLUMNS if _are_matches(rows) else PAIR_COLUMNS
    heads = ['scene', 'by', *(column.head for column in columns)]
    return heads, [
        [row.dataset, _by(row), *(text(row.metrics, column) for column in columns)] for row in rows
    ]


def table(rows: Sequence[Row]) -> str:
    """Lay out rows for the terminal."""
    note = textwrap.fill(note_on(rows), NOTE_WIDTH)
    return f'{aligned(*cells(rows), 2)}\n{note}'


def aligned(heads: Sequence[str], lines: Sequence[Sequence[str]], left: int) -> str:
    """
    Lay out texts in columns.

    :param left: so many columns are words, the others numbers.
    """
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (heads, *lines)
    )


def note_on(rows: Sequence[Row]) -> str:
    """Return what a reader of the rows has to know."""
    return MATCH_NOTE if _are_matches(rows) else PAIR_NOTE


def write_page(folder: Path, title: str, evaluations: Sequence[Evaluation]) -> list[Path]:
    """
    Write ``index.html`` with everything in it, and the curves of each evaluation as PNG.

    :param folder: created where it is missing.
    :return: the files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts, written = [], [folder / PAGE]
    for evaluation in evaluations:
        content = page.table(*cells(evaluation.rows)) + f'<p>{note_on(evaluation.rows)}</p>'
        if evaluation.judged:
            curves = error_curves(evaluation.judged)
            content += page.panel(curves)
            name = re.sub('[^a-z0-9]+', '_', evaluation.title.lower())
            written.append(folder / f'{name}.png')
            written[-1].write_bytes(page.png(curves))
        parts.append(page.section(evaluation.title, content))
    written[0].write_text(page.document(title, parts), encoding='utf-8')
    return written


def error_curves(judged: Sequence[Judged]) -> Figure:
    """Draw which share of the pairs is better than an error, beside the trivial predictors."""
    figure = Figure(figsize=(15, 4.5), dpi=100, layout='constrained')
    outcomes = [
        [outcome for scene in each.scenes.values() for outcome in scene] for each in judged
    ]
    curves = [
        *((each.title, own) for each, own in zip(judged, outcomes, strict=True)),
        (MEAN_MOTION, mean_motions(outcomes[0])),
        (KEYFRAME_POSE, keyframe_poses(outcomes[0])),
    ]
    colours = (*COLOURS[: len(judged)], REJECTED, KEYFRAME)
    for axes, (label, factor, name, span) in zip(
        figure.subplots(1, len(PANELS), sharey=True), PANELS, strict=True
    ):
        for (predictor, own), colour in zip(curves, colours, strict=True):
            if not (predictor == KEYFRAME_POSE and name == 'direction_error_deg'):
                errors = factor * np.array([getattr(outcome, name) for outcome in own])
                _curve(axes, errors, span, predictor, colour)
        axes.set_xlabel(label)
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc='outside upper left', ncols=len(curves))
    figure.axes[0].set_ylabel(f'share of {len(outcomes[0])} pairs [%]')
    return figure


def _curve(
    axes: Axes, errors: np.ndarray, span: tuple[float, float], label: str, colour: str
) -> None:
    # Pairs from one place have no direction; they count neither for nor against it.
    errors = errors[~np.isnan(errors)]
    grid = np.geomspace(*span, 400)
    axes.plot(grid, 100 * (errors[:, None] < grid).mean(axis=0), color=colour, label=label)
    axes.set_xscale('log')
    axes.set_xlim(*span)
    axes.set_ylim(0, 104)
    axes.xaxis.set_major_formatter('{x:g}')
    axes.grid(**GRID)


def _are_matches(rows: Sequence[Row]) -> bool:
    return 'visible_cells' in rows[0].metrics


def _by(row: Row) -> str:
    weights = f' {row.weights}' if row.weights else ''
    return f'{row.estimator}{weights}{" with keyframe depth" if row.depth else ""}'


def text(metrics: Metrics, column: Column) -> str:
    """Write what a column shows of a row's metrics."""
    values = [metrics.get(key) for key in column.keys]
    if all(value is None for value in values):
        return '-'
    return '/'.join(
        '-' if value is None else f'{column.factor * value:.{column.digits}f}' for value in values
    )
