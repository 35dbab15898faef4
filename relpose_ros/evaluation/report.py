"""An evaluation as one self-contained page and one picture."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
import textwrap

import cv2
from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.evaluation import page, plots
from relpose_ros.evaluation.map_plots import plot_map, plot_result
from relpose_ros.evaluation.match_picture import draw_matches, MatchPicture
from relpose_ros.evaluation.metrics import Outcome, readable, undefined_directions

PAGE, OVERVIEW = 'index.html', 'overview.png'
OVERVIEW_MATCHES = 3
TITLE_WIDTH = 68
WHERE = (
    '<p>A triangle is a camera seen from above, its field of view opening from the dot. Grey: the '
    "map's keyframes, orange those that some pose was found from. Black: where the queries were "
    'taken, blue where the relocalizer says they were; where it is right, blue covers black. An '
    'ellipse says how sure it is.</p>'
)
MATCHES = (
    '<p>Left the query, right the keyframe that supports its pose most; lines join what was '
    'recognised. Below, the keyframes that were retrieved, coloured by similarity (yellow: '
    'alike), and in orange those that agree on the pose.</p>'
)


def write_report(
    folder: Path | str,
    outcomes: Sequence[Outcome],
    result: dict[str, int | float | str | None],
    map_from_keyframe: Mapping[int, np.ndarray],
    matches: Sequence[MatchPicture] = (),
    results: Sequence[Localization | Rejection] = (),
    title: str = 'Relocalization',
) -> tuple[Path, Path]:
    """
    Write ``index.html`` with everything in it and ``overview.png``.

    :param folder: created where it is missing.
    :param outcomes: at least one.
    :param result: as metrics.summary returns it.
    :param map_from_keyframe: (4, 4) by id.
    :param matches: all stand on the page, a few from first to last in the overview.
    :param results: that the matches are pictures of; shown in the map beside them.
    :return: the page and the picture.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    spread = np.linspace(0, len(matches) - 1, min(OVERVIEW_MATCHES, len(matches))).astype(int)
    chosen = [matches[i] for i in spread]
    picture = _overview(outcomes, result, map_from_keyframe, chosen, title)
    (folder / OVERVIEW).write_bytes(picture)
    html = _page(outcomes, result, map_from_keyframe, matches, results, title)
    (folder / PAGE).write_text(html, encoding='utf-8')
    return folder / PAGE, folder / OVERVIEW


def _overview(
    outcomes: Sequence[Outcome],
    result: dict[str, int | float | str | None],
    map_from_keyframe: Mapping[int, np.ndarray],
    matches: Sequence[MatchPicture],
    title: str,
) -> bytes:
    """Return a PNG: map and figures, below them some matches."""
    figure = Figure(figsize=(16, 11 if matches else 8.5), dpi=100, layout='constrained')
    figure.suptitle(title, x=0.012, ha='left', fontsize=20, fontweight='bold')
    ratios = (3.1, 1) if matches else (1,)
    top, *rest = np.ravel(figure.subfigures(len(ratios), 1, height_ratios=ratios))
    left, right = top.subfigures(1, 2, width_ratios=(1.2, 1))
    plot_map(left.subplots(), outcomes, map_from_keyframe)
    numbers, curves = right.subfigures(2, 1)
    _write_figures(numbers.subplots(), result)
    plots.plot_error_curves(*curves.subplots(1, 2, sharey=True), outcomes)
    if matches:
        for axes, match in zip(np.ravel(rest[0].subplots(1, len(matches))), matches, strict=True):
            axes.imshow(draw_matches(match))
            axes.set_title(textwrap.fill(match.title, TITLE_WIDTH), loc='left', fontsize='medium')
            axes.axis('off')
    return page.png(figure)


def _write_figures(axes: Axes, result: dict[str, int | float | str | None]) -> None:
    axes.axis('off')
    rows = readable(result)
    for row, (name, value) in enumerate(rows):
        y = 1 - (row + 0.5) / len(rows)
        axes.text(0.02, y, name, va='center', fontsize=12, color='#4b5563')
        axes.text(0.5, y, value, va='center', fontsize=13, fontweight='bold')


def _page(
    outcomes: Sequence[Outcome],
    result: dict[str, int | float | str | None],
    map_from_keyframe: Mapping[int, np.ndarray],
    matches: Sequence[MatchPicture],
    results: Sequence[Localization | Rejection],
    title: str,
) -> str:
    cards = ''.join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in readable(result)
    )
    above = Figure(figsize=(12, 7.5), dpi=100, layout='constrained')
    plot_map(above.subplots(), outcomes, map_from_keyframe)
    curves = Figure(figsize=(12, 4), dpi=100, layout='constrained')
    plots.plot_error_curves(*curves.subplots(1, 2, sharey=True), outcomes)
    parts = [
        f'<div class="cards">{cards}</div>',
        page.section('Where', page.panel(above) + WHERE),
        page.section('Errors', page.panel(curves) + _note(outcomes)),
        page.section('Matches', _gallery(matches, results, map_from_keyframe)) if matches else '',
        page.section('Rejected', _rejections(outcomes)),
    ]
    if any(outcome.latency_s for outcome in outcomes):
        latency = Figure(figsize=(12, 3), dpi=100, layout='constrained')
        plots.plot_latency(latency.subplots(), outcomes)
        parts.append(page.section('Latency', page.panel(latency)))
    parts.append(page.section('Every query', _every_query(outcomes)))
    return page.document(title, parts)


def _note(outcomes: Sequence[Outcome]) -> str:
    left_out = undefined_directions(outcomes)
    text = 'Shares are of all queries: a rejected query counts as a failure.'
    if left_out:
        text += f' {left_out} stood where their keyframe did and have no direction error.'
    return f'<p>{text}</p>'


def _gallery(
    matches: Sequence[MatchPicture],
    results: Sequence[Localization | Rejection],
    map_from_keyframe: Mapping[int, np.ndarray],
) -> str:
    figures = []
    for match, result in zip(matches, results, strict=True):
        bgr = cv2.cvtColor(draw_matches(match), cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, 85))[1]
        above = Figure(figsize=(9, 5), dpi=100, layout='constrained')
        found = isinstance(result, Localization)
        title = 'What it was found from' if found else 'No pose: what was tried'
        plot_result(above.subplots(), result, map_from_keyframe, title)
        pictures = page.image('jpeg', jpeg.tobytes()) + page.image('png', page.png(above))
        figures.append(
            f'<figure>{pictures}<figcaption>{escape(match.title)}</figcaption></figure>'
        )
    return f'<div class="matches">{"".join(figures)}</div>{MATCHES}'


def _rejections(outcomes: Sequence[Outcome]) -> str:
    names: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.rejected:
            names[outcome.reason].append(outcome.name)
    if not names:
        return '<p>None.</p>'
    rows = [
        (reason, len(of_reason), ', '.join(of_reason))
        for reason, of_reason in sorted(names.items(), key=lambda item: -len(item[1]))
    ]
    return page.table(('reason', 'queries', ''), rows)


def _every_query(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for outcome in outcomes:
        view = '' if outcome.shared_view is None else f'{100 * outcome.shared_view:.0f}'
        latency = '' if outcome.latency_ms is None else f'{outcome.latency_ms:.0f}'
        errors = (outcome.reason, '', '', '')
        if not outcome.rejected:
            errors = (
                f'keyframe {outcome.keyframe_id}',
                f'{100 * outcome.position_error_m:.1f}',
                f'{outcome.direction_error_deg:.1f}',
                f'{outcome.rotation_error_deg:.2f}',
            )
        rows.append((outcome.name, *errors, view, latency))
    heads = ('query', 'answer', 'position [cm]', 'direction [deg]', 'rotation [deg]')
    return page.table((*heads, 'view shared with first keyframe [%]', 'latency [ms]'), rows)
