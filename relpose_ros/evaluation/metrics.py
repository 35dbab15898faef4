"""How good the answers are: errors of paper eq. (8)-(10); a rejected query counts as a failure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import degrees, inf, isfinite, isnan, nan

import numpy as np
from relpose_ros.core import geometry
from relpose_ros.core.calibration import WRONG_DEG, WRONG_M
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

# Below this baseline the direction of a translation is noise.
MIN_BASELINE_M = 0.01
# A keyframe that shows this share of the query's view is the right place.
MIN_SHARED_VIEW = 0.4
# Shares of the answers that ellipsoids of these sizes should hold.
LEVELS = (0.5, 0.68, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """
    What became of one query.

    :param name: the query.
    :param map_from_query: (4, 4), the true pose.
    :param estimated_map_from_query: (4, 4); None if the query was rejected.
    :param reason: why it was rejected; None if it was not.
    :param keyframe_id: the keyframe the pose was found from; None if rejected.
    :param map_from_keyframe: (4, 4), pose of that keyframe; None if rejected.
    :param shared_view: share of the query's view that the first retrieved keyframe shows, 0 if
        none was retrieved; None if it is unknown.
    :param latency_s: duration of each stage [s].
    :param covariance: (6, 6) of the estimated pose, as Localization has it; None if unknown.
    :param wrong_chance: the answer's own, as Localization has it; None if unknown.
    :param agreeing_ids: keyframes that agree on the pose, best supported first.
    :raises ValueError: unless the query has either a pose and its keyframe, or a reason.
    """

    name: str
    map_from_query: np.ndarray
    estimated_map_from_query: np.ndarray | None = None
    reason: str | None = None
    keyframe_id: int | None = None
    map_from_keyframe: np.ndarray | None = None
    shared_view: float | None = None
    latency_s: dict[str, float] = field(default_factory=dict)
    covariance: np.ndarray | None = None
    wrong_chance: float | None = None
    agreeing_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        found = (self.estimated_map_from_query, self.keyframe_id, self.map_from_keyframe)
        given = [value is not None for value in found]
        if any(given) != all(given) or any(given) == (self.reason is not None):
            raise ValueError(
                f'outcome {self.name}: expected a pose with its keyframe, or a reason for none'
            )

    @property
    def rejected(self) -> bool:
        return self.reason is not None

    @property
    def position_error_m(self) -> float:
        """Return the error of the position [m]; infinite if rejected."""
        if self.rejected:
            return inf
        return geometry.position_error_m(self.estimated_map_from_query, self.map_from_query)

    @property
    def rotation_error_deg(self) -> float:
        """Return the error of the orientation [deg]; infinite if rejected."""
        if self.rejected:
            return inf
        error_rad = geometry.rotation_error_rad(self.estimated_map_from_query, self.map_from_query)
        return degrees(error_rad)

    @property
    def direction_error_deg(self) -> float:
        """
        Return the error of the direction from the keyframe to the query [deg].

        Infinite if rejected; NaN if the query was taken where the keyframe was.
        """
        if self.rejected:
            return inf
        keyframe_from_map = geometry.inverse(self.map_from_keyframe)
        return direction_error_deg(
            keyframe_from_map @ self.estimated_map_from_query,
            keyframe_from_map @ self.map_from_query,
        )

    @property
    def latency_ms(self) -> float | None:
        """Return the duration of all stages [ms]; None if it was not measured."""
        return 1000 * sum(self.latency_s.values()) if self.latency_s else None

    def within(self, position_m: float, rotation_deg: float) -> bool:
        """Say whether the pose is better than both bounds."""
        return self.position_error_m < position_m and self.rotation_error_deg < rotation_deg


def direction_error_deg(estimated: np.ndarray, true: np.ndarray) -> float:
    """
    Return the angle between two translations, not folded at 90 degrees (paper eq. 9) [deg].

    :param estimated: (4, 4), keyframe_from_query.
    :param true: (4, 4), keyframe_from_query.
    :return: NaN if the query was taken where the keyframe was.
    """
    if np.linalg.norm(true[:3, 3]) < MIN_BASELINE_M:
        return nan
    error_rad = geometry.direction_error_rad(estimated, true)
    # An estimate at the very keyframe has no direction: as wrong as a direction can be.
    return 180.0 if isnan(error_rad) else degrees(error_rad)


def summary(
    outcomes: Sequence[Outcome], estimator: str, weights: str | None
) -> dict[str, int | float | str | None]:
    """
    Sum up an evaluation as ``result.json`` holds it.

    Shares are of all queries, rejected ones included. Their errors are infinite; a median that
    is infinite, or has no value to be taken of, is None. Directions of queries taken where their
    keyframe was are left out of the median (see ``undefined_directions``).

    :param estimator: name of the estimator.
    :param weights: its weights; None if it has none.
    :raises ValueError: if there is no outcome.
    """
    if not outcomes:
        raise ValueError('outcomes: expected at least one, got none')
    directions = [outcome.direction_error_deg for outcome in outcomes]
    views = [outcome.shared_view for outcome in outcomes if outcome.shared_view is not None]
    latencies = [outcome.latency_ms for outcome in outcomes if outcome.latency_ms is not None]
    return {
        'queries': len(outcomes),
        'rejected': sum(outcome.rejected for outcome in outcomes),
        'position_cm_median': median_or_none(
            [100 * outcome.position_error_m for outcome in outcomes]
        ),
        'direction_deg_median': median_or_none([d for d in directions if not isnan(d)]),
        'rotation_deg_median': median_or_none(
            [outcome.rotation_error_deg for outcome in outcomes]
        ),
        'within_5cm_5deg': share_or_none([outcome.within(0.05, 5) for outcome in outcomes]),
        'within_25cm_5deg': share_or_none([outcome.within(0.25, 5) for outcome in outcomes]),
        'wrong': sum(is_wrong(outcome) for outcome in outcomes),
        **coverage(outcomes),
        'retrieval_recall_at_1': share_or_none([view >= MIN_SHARED_VIEW for view in views]),
        'estimator': estimator,
        'weights': weights,
        'latency_ms_median': median_or_none(latencies),
    }


def undefined_directions(outcomes: Sequence[Outcome]) -> int:
    """Return the number of queries taken where their keyframe was: they have no direction."""
    return sum(isnan(outcome.direction_error_deg) for outcome in outcomes)


def table(result: dict[str, int | float | str | None]) -> str:
    """
    Lay out a summary for the terminal.

    :param result: as ``summary`` returns it.
    """
    rows = readable(result)
    width = max(len(name) for name, _ in rows)
    return '\n'.join(f'  {name:<{width}}  {value}' for name, value in rows)


def readable(result: dict[str, int | float | str | None]) -> list[tuple[str, str]]:
    """Return a summary as names and values with units, in words."""

    def number(key: str, unit: str, factor: float = 1, digits: int = 1) -> str:
        value = result[key]
        return 'none' if value is None else f'{factor * value:.{digits}f} {unit}'

    rejected_percent = 100 * result['rejected'] / result['queries']
    return [
        ('queries', f'{result["queries"]}'),
        ('rejected', f'{result["rejected"]} ({rejected_percent:.1f} %)'),
        ('position error, median', number('position_cm_median', 'cm', digits=2)),
        ('direction error, median', number('direction_deg_median', 'deg', digits=2)),
        ('rotation error, median', number('rotation_deg_median', 'deg', digits=2)),
        ('within 5 cm and 5 deg', number('within_5cm_5deg', '%', 100)),
        ('within 25 cm and 5 deg', number('within_25cm_5deg', '%', 100)),
        ('wrong by 50 cm, 10 deg', f'{result["wrong"]}'),
        ('95 % region, position', number('position_coverage_95', '%', 100)),
        ('95 % region, rotation', number('rotation_coverage_95', '%', 100)),
        ('first keyframe right', number('retrieval_recall_at_1', '%', 100)),
        ('latency, median', number('latency_ms_median', 'ms')),
        ('estimator', f'{result["estimator"]}'),
        ('weights', f'{result["weights"] or "none"}'),
    ]


def median_or_none(values: Sequence[float]) -> float | None:
    """Return the median to 4 digits; None if it is infinite or there is nothing to take it of."""
    median = float(np.median(values)) if len(values) else nan
    return round(median, 4) if isfinite(median) else None


def share_or_none(hits: Sequence[bool]) -> float | None:
    """Return the share of hits to 4 digits; None if there is nothing to take it of."""
    return round(float(np.mean(hits)), 4) if len(hits) else None


def is_wrong(outcome: Outcome) -> bool:
    """Say whether there is an answer that would mislead a robot."""
    return not outcome.rejected and not outcome.within(WRONG_M, WRONG_DEG)


def squared_distances(
    estimated: np.ndarray, covariance: np.ndarray, true: np.ndarray
) -> tuple[float, float]:
    """
    Compare the errors of a pose with its covariance.

    :param estimated: (4, 4), map_from_query.
    :param covariance: (6, 6), its own, as Localization has it.
    :param true: (4, 4), map_from_query.
    :return: squared Mahalanobis distances of position and rotation, each of 3 degrees of freedom.
    """
    off_m = estimated[:3, 3] - true[:3, 3]
    off_rad = Rotation.from_matrix(estimated[:3, :3] @ true[:3, :3].T).as_rotvec()
    return (
        float(off_m @ np.linalg.solve(covariance[:3, :3], off_m)),
        float(off_rad @ np.linalg.solve(covariance[3:, 3:], off_rad)),
    )


def coverage(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """
    Return the shares of right answers whose truth lies within the ellipsoids of their covariance.

    Wrong answers are the business of risk.py: no covariance of a pose holds another place.

    :return: for each of LEVELS 'position_coverage_95' and so on; None without an answer.
    """
    judged = [o for o in outcomes if not o.rejected and not is_wrong(o)]
    judged = [o for o in judged if o.covariance is not None and np.isfinite(o.covariance).all()]
    distances = np.array(
        [
            squared_distances(o.estimated_map_from_query, o.covariance, o.map_from_query)
            for o in judged
        ]
    ).reshape(-1, 2)
    shares = chi2.cdf(distances, 3)  # sizes of the ellipsoids on which the truths lie
    return {
        f'{part}_coverage_{100 * level:.0f}': share_or_none(shares[:, column] <= level)
        for column, part in enumerate(('position', 'rotation'))
        for level in LEVELS
    }
