"""A map as one self-contained page: from above, by similarity, and what is suspicious in it."""

import base64
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from importlib.resources import files
import json

import cv2
from matplotlib import colormaps
from matplotlib.figure import Figure
import numpy as np
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.evaluation import page
from relpose_ros.evaluation.map_check import Finding
from relpose_ros.evaluation.map_coverage import Coverage, coverage
from relpose_ros.evaluation.map_survey import most_similar, View
from relpose_ros.evaluation.plots import ESTIMATED, GRID, REJECTED

MAP_WIDTH_PX, MAP_HEIGHT_PX = 1000, 640
MATRIX_CELLS = 400
COLOURS = 'viridis'


def map_page(
    keyframe_map: KeyframeMap,
    views: Sequence[View],
    findings: Sequence[Finding],
) -> str:
    """
    Return the page.

    :param views: all keyframes of the map, by id; at least one.
    :param findings: what is suspicious.
    """
    descriptors = keyframe_map.descriptors()
    rows, similarities = most_similar(descriptors)
    seen = coverage(views)
    data = {
        'keyframes': _records(views, findings, rows, similarities, seen),
        'axes': ['xyz'[axis] for axis in seen.axes],
        'matrix': _matrix(descriptors),
        'colours': (255 * colormaps[COLOURS](np.arange(256))[:, :3]).astype(int).tolist(),
    }
    parts = [
        f'<style>{_part("map_page.css")}</style>{_summary(keyframe_map, views, findings)}',
        page.section('From above', _from_above(views, findings, seen)),
        page.section('Suspicious', _suspicions(keyframe_map, findings)),
        page.section('Similarity', _similarity(views, rows, similarities)),
        page.section('Keyframes', _gallery(views)),
        f'<script type="module">const DATA = {json.dumps(data)};\n',
        f'{_part("map_page.js")}</script>',
    ]
    return page.document(keyframe_map.path.name, parts)


def _part(name: str) -> str:
    return files('relpose_ros.evaluation').joinpath(name).read_text(encoding='utf-8')


def _summary(keyframe_map: KeyframeMap, views: Sequence[View], findings: Sequence[Finding]) -> str:
    extent_m = np.ptp([view.map_from_camera[:3, 3] for view in views], axis=0)
    values = (
        (len(views), 'keyframes'),
        (sum(view.depth_m is not None for view in views), 'with depth'),
        (len({finding.keyframe_id for finding in findings}), 'suspicious'),
        (' x '.join(f'{side:.1f}' for side in extent_m) + ' m', 'x, y, z of the cameras'),
        (keyframe_map.map_frame, 'frame'),
        (f'{keyframe_map.path.stat().st_size / 1e6:.1f} MB', 'file'),
    )
    cards = ''.join(
        f'<div class="card"><b>{escape(str(value))}</b><span>{name}</span></div>'
        for value, name in values
    )
    cameras = ', '.join(
        sorted({f'{v.camera.width}x{v.camera.height}, f {v.camera.fx:.1f} px' for v in views})
    )
    identity = keyframe_map.vocabulary.identity
    created = keyframe_map.manifest['created']
    return (
        f'<div class="cards">{cards}</div>'
        f'<p>Created {escape(created)}; camera {cameras}; descriptor {escape(identity)}</p>'
    )


def _records(
    views: Sequence[View],
    findings: Sequence[Finding],
    rows: np.ndarray,
    similarities: np.ndarray,
    seen: Coverage,
) -> list[dict]:
    """Return what the script knows of each keyframe."""
    said = defaultdict(list)
    for finding in findings:
        said[finding.keyframe_id].append(f'{finding.kind.label}: {finding.detail}')
    places = _on_picture(np.array([view.map_from_camera[:3, 3] for view in views]), seen)
    return [
        {
            'id': view.id,
            'stamp': f'{view.stamp_ns / 1e9:.3f}',
            'position': np.round(view.map_from_camera[:3, 3], 3).tolist(),
            'place': np.round(place, 1).tolist(),
            'blur': round(view.blur, 2),
            'findings': said[view.id],
            'similar': [
                [int(row), round(float(similarity), 3)]
                for row, similarity in zip(near, alike, strict=True)
            ],
        }
        for view, place, near, alike in zip(views, places, rows, similarities, strict=True)
    ]


def _scale(seen: Coverage) -> float:
    """Return pixels of the picture for a metre."""
    height, width = seen.keyframes.shape
    return min(MAP_WIDTH_PX / width, MAP_HEIGHT_PX / height) / seen.cell_m


def _on_picture(points_map: np.ndarray, seen: Coverage) -> np.ndarray:
    """Return where points, (n, 3) [m], are on the picture, (n, 2) [px], v downwards."""
    flat = (points_map[:, seen.axes] - seen.low) * _scale(seen)
    flat[:, 1] = seen.keyframes.shape[0] * seen.cell_m * _scale(seen) - flat[:, 1]
    return flat


def _from_above(views: Sequence[View], findings: Sequence[Finding], seen: Coverage) -> str:
    """Return the map as SVG over pictures of what is covered, with a panel for one keyframe."""
    height, width = seen.keyframes.shape
    cell_px = seen.cell_m * _scale(seen)
    size = f'width="{width * cell_px:.1f}" height="{height * cell_px:.1f}"'
    most = max(int(seen.keyframes.max()), 1)
    far_m = float(np.nanmax(np.append(seen.nearest_m, 0.1)))
    none = seen.keyframes == 0
    layers = (
        (
            'keyframes',
            'how many keyframes see a place',
            f'1 to {most}',
            np.log1p(seen.keyframes) / np.log1p(most),
        ),
        ('sides', 'from how many of 8 sides a place is seen', '1 to 8', (seen.sectors - 1) / 7),
        (
            'distance',
            'from how near a place is seen',
            f'far ({far_m:.1f} m) to near',
            1 - np.nan_to_num(seen.nearest_m) / far_m,
        ),
    )
    images, choices = [], []
    for name, meaning, span, value in layers:
        rgba = (255 * colormaps[COLOURS](value.clip(0, 1))).astype(np.uint8)
        rgba[none, 3] = 0
        png = cv2.imencode('.png', cv2.cvtColor(rgba[::-1], cv2.COLOR_RGBA2BGRA))[1].tobytes()
        shown = '' if name == 'keyframes' else ' style="display:none"'
        images.append(
            f'<image class="layer" data-layer="{name}" {size}{shown} '
            f'href="data:image/png;base64,{base64.b64encode(png).decode()}"/>'
        )
        choices.append(
            f'<button data-layer="{name}" title="{escape(meaning)}">{name}</button>'
            f'<span class="legend" data-layer="{name}">{escape(meaning)}: <i></i> {span}</span>'
        )
    choices.append('<button data-layer="none">nothing</button>')
    assumed = sum(view.depth_m is None for view in views)
    note = (
        f'<p>{assumed} keyframes have no depth: they are taken to see as far as 4 m.</p>'
        if assumed
        else ''
    )
    return (
        f'<div class="panel above"><div class="tools">coverage: {"".join(choices)}</div>'
        f'<svg id="above" viewBox="0 0 {width * cell_px:.1f} {height * cell_px:.1f}">'
        f'<g id="world">{"".join(images)}<g id="links"></g>{_wedges(views, findings, seen)}</g>'
        f'{_ruler(seen)}</svg><aside id="one"></aside></div>{note}'
    )


def _wedges(views: Sequence[View], findings: Sequence[Finding], seen: Coverage) -> str:
    """Return each keyframe as a wedge that opens to where it looks."""
    suspects = {finding.keyframe_id for finding in findings}
    poses = np.array([view.map_from_camera for view in views])
    scale = _scale(seen)
    size_m = float(np.clip(90 / np.sqrt(len(views)), 9, 26)) / scale
    centres = _on_picture(poses[:, :3, 3], seen)
    corners = [
        _on_picture(poses[:, :3, 3] + size_m * (poses[:, :3, :3] @ (x, 0.0, 1.0)), seen)
        for x in (-0.45, 0.45)
    ]
    return ''.join(
        f'<path class="keyframe{" suspect" * (view.id in suspects)}" data-row="{row}" '
        f'd="M{c[0]:.1f} {c[1]:.1f}L{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}Z"/>'
        for row, (view, c, a, b) in enumerate(zip(views, centres, *corners, strict=True))
    )


def _ruler(seen: Coverage) -> str:
    """Return a bar of a round length."""
    height = seen.keyframes.shape[0] * seen.cell_m * _scale(seen)
    lengths_m = [m for m in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if m * _scale(seen) < 180]
    length_m = lengths_m[-1] if lengths_m else 0.1
    end = 14 + length_m * _scale(seen)
    return (
        f'<g id="ruler"><path d="M14 {height - 20:.0f}v6H{end:.0f}v-6"/>'
        f'<text x="{end + 8:.0f}" y="{height - 12:.0f}">{length_m:g} m</text></g>'
    )


def _suspicions(keyframe_map: KeyframeMap, findings: Sequence[Finding]) -> str:
    if not findings:
        return '<p>Nothing.</p>'
    by_kind = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding)
    blocks = []
    for kind, of_kind in by_kind.items():
        cases = ''.join(
            f'<figure data-id="{f.keyframe_id}"><div class="pair">'
            + ''.join(
                f'<img alt="keyframe {each}" data-of="{each}">'
                for each in (f.keyframe_id, f.other_id)
                if each is not None
            )
            + f'</div><figcaption><b>{f.keyframe_id}</b> {escape(f.detail)}'
            + (f' (to {f.other_id})' if f.other_id is not None else '')
            + '</figcaption></figure>'
            for f in of_kind
        )
        command = f'edit-map {keyframe_map.path.name} NEW.relmap --drop-suspicious {kind.label}'
        blocks.append(
            f'<details{" open" if len(of_kind) <= 12 else ""}><summary><b>{kind.label}</b> '
            f'{len(of_kind)}: {escape(kind.meaning)}</summary><div class="cases">{cases}</div>'
            f'<p>To drop them: <code>{escape(command)}</code></p></details>'
        )
    return f'<div class="panel">{"".join(blocks)}</div>'


def _matrix(descriptors: np.ndarray) -> dict:
    """Return the similarities of all pairs as bytes, at most MATRIX_CELLS along a side."""
    count = len(descriptors)
    starts = np.unique(np.linspace(0, count, min(count, MATRIX_CELLS), endpoint=False).astype(int))
    cells = np.empty((len(starts), len(starts)), np.float32)
    for row, (begin, end) in enumerate(zip(starts, [*starts[1:], count], strict=True)):
        block = (descriptors[begin:end] @ descriptors.T).max(axis=0)
        cells[row] = np.maximum.reduceat(block, starts)
    # A keyframe is like itself: that must not darken all else.
    others = cells[~np.eye(len(starts), dtype=bool)]
    top = float(np.percentile(others, 99.5)) if others.size else 1.0
    levels = (255 * (cells / max(top, 0.01)).clip(0, 1)).astype(np.uint8)
    return {
        'starts': starts.tolist(),
        'top': round(top, 3),
        'levels': base64.b64encode(levels.tobytes()).decode(),
    }


def _similarity(views: Sequence[View], rows: np.ndarray, similarities: np.ndarray) -> str:
    """Return the matrix, which the script draws, beside similarity over distance."""
    centres = np.array([view.map_from_camera[:3, 3] for view in views])
    apart_m = np.linalg.norm(centres[:, None] - centres[rows], axis=-1)
    figure = Figure(figsize=(6, 5), dpi=100, layout='constrained')
    axes = figure.subplots()
    if similarities.size:
        axes.plot(apart_m[:, 1:], similarities[:, 1:], '.', color=ESTIMATED, ms=3, alpha=0.4)
        axes.plot(apart_m[:, 0], similarities[:, 0], '.', color=REJECTED, ms=5, alpha=0.7)
    axes.set_xlabel('distance of a keyframe to its 5 most similar, the first in orange [m]')
    axes.set_ylabel('similarity')
    axes.set_title('Far and yet similar: aliased', loc='left', fontweight='bold')
    axes.grid(**GRID)
    return (
        '<div class="two"><div class="panel"><canvas id="matrix"></canvas>'
        '<p id="cell">Keyframe against keyframe, in the order of their ids; bright is similar. '
        'A bright patch away from the diagonal is a place seen again, or one that looks alike.'
        f'</p></div>{page.panel(figure)}</div>'
    )


def _gallery(views: Sequence[View]) -> str:
    return (
        '<div class="gallery">'
        + ''.join(
            f'<figure data-row="{row}">'
            f'{page.image("jpeg", view.thumbnail)}<figcaption>{view.id}</figcaption></figure>'
            for row, view in enumerate(views)
        )
        + '</div>'
    )
