"""A map and what was found in it, as seen from above: what rviz shows, for people without it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Ellipse
import numpy as np
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.evaluation.metrics import Outcome
from relpose_ros.evaluation.plots import ESTIMATED, GRID, KEYFRAME, REJECTED, TRUE

AGREEING = '#e69f00'
SIMILARITIES = Normalize(0.0, 0.5)  # the same colours as in rviz
SIGMAS = 3
# Ellipses are enlarged so far that the median one has this share of the picture's extent.
ELLIPSE_SHARE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """
    How a map is looked at from above.

    :param plane: the map's axes that run right and up in the picture.
    :param low: (2,) of those coordinates, the lower left corner of what is of interest [m].
    :param high: (2,), the upper right corner [m].
    """

    plane: list[int]
    low: np.ndarray
    high: np.ndarray

    @property
    def wedge_m(self) -> float:
        """Return how long a camera's field of view is drawn [m]."""
        return 0.04 * max(float((self.high - self.low).max()), 0.5)

    def ground(self, map_from_camera: np.ndarray) -> np.ndarray:
        """Return where cameras stand, (n, 2), of (n, 4, 4)."""
        return np.reshape(map_from_camera, (-1, 4, 4))[:, self.plane, 3]


def view_from_above(map_from_camera: np.ndarray) -> View:
    """
    Look at cameras from above; up is the axis along which they stand upright.

    :param map_from_camera: (n, 4, 4).
    """
    plane = plane_from_above(map_from_camera)
    ground = map_from_camera[:, plane, 3]
    return View(plane, ground.min(axis=0), ground.max(axis=0))


def plane_from_above(map_from_camera: np.ndarray) -> list[int]:
    """
    Return the map's axes that run right and up on a picture taken from above, not mirrored.

    :param map_from_camera: (n, 4, 4); on average the cameras are upright.
    """
    up = -map_from_camera[:, :3, 1].mean(axis=0)
    vertical = int(np.abs(up).argmax())
    right, away = (vertical + 1) % 3, (vertical + 2) % 3
    return [right, away] if up[vertical] > 0 else [away, right]


def plot_map(
    axes: Axes, outcomes: Sequence[Outcome], map_from_keyframe: Mapping[int, np.ndarray]
) -> None:
    """
    Draw keyframes, true and estimated query poses, the path, and how sure the poses are.

    :param map_from_keyframe: (4, 4) by id.
    """
    keyframes = _stacked(map_from_keyframe.values())
    true = _stacked(outcome.map_from_query for outcome in outcomes)
    found = [outcome for outcome in outcomes if not outcome.rejected]
    estimated = _stacked(outcome.estimated_map_from_query for outcome in found)
    used = sorted({i for outcome in found for i in outcome.agreeing_ids})
    view = view_from_above(np.concatenate((true, keyframes)))

    _wedges(axes, view, keyframes, KEYFRAME, f'{len(keyframes)} keyframes')
    agreeing = _stacked(map_from_keyframe[i] for i in used)
    _wedges(axes, view, agreeing, AGREEING, f'{len(used)} of them agreed on a pose')
    axes.plot(*_path(view, outcomes).T, color=ESTIMATED, alpha=0.4, label='path')
    _wedges(axes, view, true, TRUE, f'{len(true)} queries, true pose')
    _wedges(axes, view, estimated, ESTIMATED, f'{len(found)} estimated poses', 0.75)
    _ellipses(axes, view, [(o.estimated_map_from_query, o.covariance) for o in found])
    ends = np.stack(
        (view.ground(_stacked(o.map_from_query for o in found)), view.ground(estimated))
    )
    errors = LineCollection(ends.swapaxes(0, 1), colors=REJECTED, linewidths=1.2, label='error')
    axes.add_collection(errors)
    lost = view.ground(_stacked(o.map_from_query for o in outcomes if o.rejected))
    axes.plot(*lost.T, 'X', color=REJECTED, markersize=9, label=f'{len(lost)} rejected')
    _finish(axes, view, 'Map from above')


def plot_result(
    axes: Axes,
    result: Localization | Rejection,
    map_from_keyframe: Mapping[int, np.ndarray],
    title: str,
) -> None:
    """
    Draw what one image was found from, as rviz shows it.

    Its candidates are coloured by similarity; with a pose come the keyframes that agree on it,
    lines between them, and how sure it is.

    :param map_from_keyframe: (4, 4) by id.
    """
    keyframes = _stacked(map_from_keyframe.values())
    view = view_from_above(keyframes)
    _wedges(axes, view, keyframes, KEYFRAME, 'keyframes')
    scale = ScalarMappable(SIMILARITIES, 'viridis')
    candidates = sorted(result.candidates, key=lambda each: each.similarity)
    colours = scale.to_rgba([each.similarity for each in candidates])
    poses = _stacked(map_from_keyframe[each.keyframe_id] for each in candidates)
    _wedges(axes, view, poses, colours, None)
    axes.figure.colorbar(scale, ax=axes, label='similarity of candidates', fraction=0.04)
    if isinstance(result, Localization):
        agreeing = _stacked(map_from_keyframe[i] for i in result.agreeing_ids)
        query = result.map_from_query[None]
        ends = [(end, view.ground(query)[0]) for end in view.ground(agreeing)]
        axes.add_collection(LineCollection(ends, colors=AGREEING, linewidths=0.8))
        _wedges(axes, view, agreeing, AGREEING, f'{len(agreeing)} agree', width=1.8)
        _wedges(axes, view, query, ESTIMATED, 'query', 1.5, width=2.2)
        _ellipses(axes, view, [(result.map_from_query, result.covariance)])
    _finish(axes, view, title)


def _stacked(poses: Collection[np.ndarray]) -> np.ndarray:
    return np.array(list(poses)).reshape(-1, 4, 4)


def _path(view: View, outcomes: Sequence[Outcome]) -> np.ndarray:
    """Return the estimated positions in their order, with a gap where a query was rejected."""
    gap = np.full((1, 2), np.nan)
    return np.concatenate(
        [gap if o.rejected else view.ground(o.estimated_map_from_query) for o in outcomes]
    )


def _wedges(
    axes: Axes,
    view: View,
    poses: np.ndarray,
    colour: object,
    label: str | None,
    size: float = 1.0,
    width: float = 0.9,
) -> None:
    """Draw each camera as a point with its field of view opening from it."""
    centres = view.ground(poses)
    size_m = size * view.wedge_m
    left, right = ((x, 0.0, 1.0) for x in (-0.5, 0.5))
    corners = [centres + size_m * (poses[:, :3, :3] @ ray)[:, view.plane] for ray in (left, right)]
    lines = np.stack((corners[0], centres, corners[1], corners[0]), axis=1)
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=width))
    axes.scatter(*centres.T, s=6 * width, c=colour, label=label)


def _ellipses(
    axes: Axes, view: View, poses: Sequence[tuple[np.ndarray, np.ndarray | None]]
) -> None:
    """Draw how sure positions are; enlarged where they could not be seen."""
    known = [(pose, covariance) for pose, covariance in poses if covariance is not None]
    if not known:
        return
    spreads = []
    for _, covariance in known:
        variances, axes_map = np.linalg.eigh(covariance[np.ix_(view.plane, view.plane)])
        spreads.append((SIGMAS * np.sqrt(np.maximum(variances, 0)), axes_map))
    median_m = np.median([sigmas[1] for sigmas, _ in spreads])
    wanted = ELLIPSE_SHARE * (view.high - view.low).max() / max(median_m, 1e-9)
    enlarged = 10 ** int(np.clip(np.round(np.log10(max(wanted, 1e-9))), 0, 3))
    text = f'covariance, {SIGMAS} sigma' + (f', {enlarged} times enlarged' if enlarged > 1 else '')
    for (pose, _), (sigmas_m, axes_map) in zip(known, spreads, strict=True):
        angle_deg = np.degrees(np.arctan2(axes_map[1, 1], axes_map[0, 1]))
        size = 2 * enlarged * sigmas_m
        centre = view.ground(pose)[0]
        patch = Ellipse(centre, size[1], size[0], angle=angle_deg, label=text)
        patch.set(facecolor=ESTIMATED, alpha=0.2, edgecolor='none')
        axes.add_patch(patch)
        text = None


def _finish(axes: Axes, view: View, title: str) -> None:
    """Set the limits, so that a wild estimate does not shrink the map to a dot."""
    margin_m = 2 * view.wedge_m
    axes.dataLim.set_points(np.array((view.low - margin_m, view.high + margin_m)))
    axes.autoscale_view()
    axes.set_aspect('equal', adjustable='datalim')
    axes.set_xlabel(f'{"xyz"[view.plane[0]]} [m]')
    axes.set_ylabel(f'{"xyz"[view.plane[1]]} [m]')
    axes.set_title(title, loc='left', fontweight='bold')
    axes.legend(frameon=True, framealpha=0.9, edgecolor='none', fontsize='small')
    axes.grid(**GRID)
