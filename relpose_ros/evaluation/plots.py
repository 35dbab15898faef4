"""The curves of an evaluation: errors and latency."""

from collections import defaultdict
from collections.abc import Sequence

from matplotlib.axes import Axes
import numpy as np
from relpose_ros.evaluation.metrics import Outcome
from relpose_ros.evaluation.risk import RiskCoverage

# Told apart by the colour blind too (Okabe and Ito).
KEYFRAME, TRUE, ESTIMATED, REJECTED = '#9aa4b1', '#111827', '#0072b2', '#d55e00'
GRID = {'color': '#e5e7eb', 'linewidth': 0.8}


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
