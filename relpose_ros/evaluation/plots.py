"""The pictures of an evaluation: map from above, error curves, latency, matches."""

from collections import defaultdict
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
import numpy as np
from relpose_ros.evaluation.metrics import Outcome
from relpose_ros.evaluation.risk import RiskCoverage

# Told apart by the colour blind too (Okabe and Ito).
KEYFRAME, TRUE, ESTIMATED, REJECTED = '#9aa4b1', '#111827', '#0072b2', '#d55e00'
GRID = {'color': '#e5e7eb', 'linewidth': 0.8}


def plot_map(
    axes: Axes, outcomes: Sequence[Outcome], map_from_keyframe: Sequence[np.ndarray]
) -> None:
    """
    Draw keyframes, true and estimated query poses as seen from above.

    Up is the axis of the map along which the cameras stand upright.
    """
    true = np.array([outcome.map_from_query for outcome in outcomes])
    found = [outcome for outcome in outcomes if not outcome.rejected]
    estimated = np.array([o.estimated_map_from_query for o in found]).reshape(-1, 4, 4)
    keyframes = np.array(map_from_keyframe).reshape(-1, 4, 4)
    plane = plane_from_above(np.concatenate((true, keyframes)))
    extent_m = np.ptp(np.concatenate((true, keyframes))[:, plane, 3], axis=0).max()
    size_m = 0.04 * max(extent_m, 0.5)

    _wedges(axes, keyframes, plane, size_m, KEYFRAME, f'{len(keyframes)} keyframes')
    _wedges(axes, true, plane, size_m, TRUE, f'{len(true)} queries, true pose')
    _wedges(axes, estimated, plane, 0.75 * size_m, ESTIMATED, f'{len(found)} estimated poses')
    ends = [(o.map_from_query[plane, 3], o.estimated_map_from_query[plane, 3]) for o in found]
    axes.add_collection(LineCollection(ends, colors=REJECTED, linewidths=1.2, label='error'))
    lost = np.array([o.map_from_query[plane, 3] for o in outcomes if o.rejected]).reshape(-1, 2)
    axes.plot(*lost.T, 'X', color=REJECTED, markersize=9, label=f'{len(lost)} rejected')

    # A wild estimate must not shrink the map to a dot.
    everything = np.concatenate((true, keyframes))[:, plane, 3]
    low, high = everything.min(axis=0) - 2 * size_m, everything.max(axis=0) + 2 * size_m
    axes.dataLim.set_points(np.array((low, high)))
    axes.autoscale_view()
    axes.set_aspect('equal', adjustable='datalim')
    axes.set_xlabel(f'{"xyz"[plane[0]]} [m]')
    axes.set_ylabel(f'{"xyz"[plane[1]]} [m]')
    axes.set_title('Map from above', loc='left', fontweight='bold')
    axes.legend(frameon=True, framealpha=0.9, edgecolor='none', fontsize='small')
    axes.grid(**GRID)


def plane_from_above(map_from_camera: np.ndarray) -> list[int]:
    """
    Return the map's axes that run right and up on a picture taken from above, not mirrored.

    :param map_from_camera: (n, 4, 4); on average the cameras are upright.
    """
    up = -map_from_camera[:, :3, 1].mean(axis=0)
    vertical = int(np.abs(up).argmax())
    right, away = (vertical + 1) % 3, (vertical + 2) % 3
    return [right, away] if up[vertical] > 0 else [away, right]


def _wedges(
    axes: Axes, poses: np.ndarray, plane: list[int], size_m: float, colour: str, label: str
) -> None:
    """Draw each camera as a point with its field of view opening from it."""
    centres = poses[:, plane, 3]
    left, right = ((x, 0.0, 1.0) for x in (-0.5, 0.5))
    corners = [centres + size_m * (poses[:, :3, :3] @ ray)[:, plane] for ray in (left, right)]
    lines = np.stack((corners[0], centres, corners[1], corners[0]), axis=1)
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.9))
    axes.plot(*centres.T, '.', color=colour, markersize=5, label=label)


def plot_error_curves(
    position_axes: Axes, rotation_axes: Axes, outcomes: Sequence[Outcome]
) -> None:
    """Draw which share of the queries is better than an error; rejected ones never are."""
    position_cm = [100 * outcome.position_error_m for outcome in outcomes]
    rotation_deg = [outcome.rotation_error_deg for outcome in outcomes]
    position_axes.set_title('Share of queries under an error', loc='left', fontweight='bold')
    position_axes.set_ylabel('share of all queries [%]')
    _curve(position_axes, position_cm, 'position error [cm]', (5, 25), (0.3, 300))
    _curve(rotation_axes, rotation_deg, 'rotation error [deg]', (5,), (0.05, 50))


def _curve(
    axes: Axes,
    errors: Sequence[float],
    label: str,
    bounds: Sequence[float],
    span: tuple[float, float],
) -> None:
    grid = np.geomspace(*span, 400)
    share = 100 * (np.array(errors)[:, None] < grid).mean(axis=0)
    axes.plot(grid, share, color=ESTIMATED, linewidth=2)
    axes.fill_between(grid, share, color=ESTIMATED, alpha=0.08, linewidth=0)
    for row, bound in enumerate(bounds, start=1):
        at_bound = 100 * np.mean(np.array(errors) < bound)
        axes.plot((bound, bound), (0, at_bound), color=TRUE, linewidth=1, linestyle=':')
        axes.plot(bound, at_bound, 'o', color=TRUE, markersize=4)
        text = f'{at_bound:.0f} % under {bound:g}'
        axes.annotate(
            text, (bound, at_bound), (5, -13 * row), textcoords='offset points', fontsize='small'
        )
    axes.set_xscale('log')
    axes.set_xlim(*span)
    axes.set_ylim(0, 104)
    axes.xaxis.set_major_formatter('{x:g}')
    axes.set_xlabel(label)
    axes.grid(**GRID)


def plot_latency(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    """Draw the median duration of each stage, with a whisker to the slowest twentieth."""
    stages: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for stage, seconds in outcome.latency_s.items():
            stages[stage].append(1000 * seconds)
    names = list(stages)[::-1]
    median = [float(np.median(stages[name])) for name in names]
    slow = [float(np.percentile(stages[name], 95)) for name in names]
    axes.barh(names, median, color=ESTIMATED, height=0.6)
    axes.hlines(names, median, slow, color=TRUE, linewidth=1.2)
    for row, (value, end) in enumerate(zip(median, slow, strict=True)):
        axes.annotate(f'{value:.1f}', (end, row), (5, 0), textcoords='offset points', va='center')
    axes.set_xlim(0, 1.15 * max(slow))
    axes.set_xlabel('median (line to 95 %) [ms]')
    axes.set_title('Latency per stage', loc='left', fontweight='bold')
    axes.set_axisbelow(True)
    axes.grid(axis='x', **GRID)


def plot_risk(axes: Axes, curve: RiskCoverage) -> None:
    """Draw the share of wrong answers against the share of queries answered, surest first."""
    axes.step(100 * curve.answered, 100 * curve.risk, where='post', color=ESTIMATED)
    axes.set(xlabel='queries answered, surest first [%]', ylabel='wrong answers [%]')
    axes.set(xlim=(0, 100), ylim=(0, max(5.0, 110 * curve.risk.max(initial=0))))
    axes.set_title(f'risk against coverage, area {curve.area:.3f}', loc='left')
    axes.grid(**GRID)
