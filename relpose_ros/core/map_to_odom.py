"""
Fixes and odometry, one transform: where the odometry's frame is in the map (REP-105).

Odometry is smooth and drifts; fixes do not drift, but one of them may be wrong altogether. So
odometry carries the estimate, fixes that are near it correct it, and what contradicts it is held
back. Only several fixes that agree with each other, moved on by odometry, set the estimate anew:
at the start, after a long way without a fix, and when somebody has carried the robot away.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import reduce

import numpy as np
from relpose_ros.core.geometry import inverse, rotation_angle_rad
from relpose_ros.core.uncertain_pose import UncertainPose

# Held back fixes are compared over so many images: within them a kidnapping is recovered from.
WINDOW = 10
# What the fixes of a place have in common, the map's own error, does not average out.
MAP_SIGMA_M = 0.01
MAP_SIGMA_RAD = 0.005
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MapToOdomConfig:
    """
    Settings of the composition with odometry; drifts are standard deviations.

    :param confirmations: fixes that must agree by odometry before map -> odom is set, or set anew
        against the present one; of the last 10 at most.
    :param agreeing_sigmas: two poses agree within so many standard deviations, root mean square
        over the six freedoms.
    :param odometry_drift: share of the distance, and of the angle turned, by which odometry may
        be off.
    :param odometry_turn_rad_per_m: by how much odometry may turn on the way [rad/m].
    :param odometry_creep_per_s: what odometry may be off per second at rest [m/s, rad/s].
    :param trusted_drift_m: once odometry alone may have drifted so far, one fix is not believed
        any more: others have to confirm it, as at the start [m].
    """

    confirmations: int = field(default=4, metadata={'range': (1, WINDOW)})
    agreeing_sigmas: float = field(default=3.0, metadata={'range': (1.0, 100.0)})
    odometry_drift: float = field(default=0.05, metadata={'range': (0.0, 1.0)})
    odometry_turn_rad_per_m: float = field(default=0.02, metadata={'range': (0.0, 10.0)})
    odometry_creep_per_s: float = field(default=0.002, metadata={'range': (0.0, 10.0)})
    trusted_drift_m: float = field(default=0.2, metadata={'range': (0.0, 1000.0)})


class Verdict(str, Enum):
    """
    What became of a fix.

    UNCONFIRMED: there is no estimate yet, or none to be trusted, and too few fixes agree.
    CONFIRMED: enough fixes agree, and the estimate is theirs.
    UPDATED: the fix is near the estimate and corrects it.
    OUTLIER: it contradicts the estimate and is held back.
    RECOVERED: enough fixes agree with each other against the estimate, which is theirs now.
    """

    UNCONFIRMED = 'unconfirmed'
    CONFIRMED = 'confirmed'
    UPDATED = 'updated'
    OUTLIER = 'outlier'
    RECOVERED = 'recovered'


@dataclass(frozen=True, slots=True, eq=False)
class _Fix:
    """
    Where the robot is by the map and by its odometry, and how far it has come.

    :param map_from_base: by the map; or the estimate.
    :param odom_from_base: (4, 4), by odometry [m].
    :param path_m: the odometry's way so far [m].
    :param turned_rad: all turns so far, added up [rad].
    """

    stamp_ns: int
    map_from_base: UncertainPose
    odom_from_base: np.ndarray
    path_m: float
    turned_rad: float


class MapToOdom:
    """Knows map_from_odom once fixes have confirmed each other; a wrong one does not move it."""

    def __init__(self, config: MapToOdomConfig | None = None) -> None:
        """Begin without an estimate."""
        self._config = config or MapToOdomConfig()
        self._newest: _Fix | None = None
        self._estimate: _Fix | None = None
        self._held_back: deque[_Fix] = deque(maxlen=WINDOW)

    @property
    def map_from_odom(self) -> np.ndarray | None:
        """Return (4, 4) [m]; None before fixes have confirmed each other."""
        if self._estimate is None:
            return None
        map_from_base = self._estimate.map_from_base.target_from_source
        return map_from_base @ inverse(self._estimate.odom_from_base)

    @property
    def map_from_base(self) -> UncertainPose | None:
        """Return the estimate at the last fix that it contains; None if there is none."""
        if self._estimate is None:
            return None
        return self._estimate.map_from_base.vaguer(MAP_SIGMA_M, MAP_SIGMA_RAD)

    def add(
        self, stamp_ns: int, map_from_base: UncertainPose, odom_from_base: np.ndarray
    ) -> Verdict:
        """
        Take a fix. Time that goes back, as in a bag that loops, begins anew.

        :param stamp_ns: of the image [ns].
        :param map_from_base: the fix.
        :param odom_from_base: (4, 4), odometry at the same stamp [m].
        """
        if self._newest is not None and stamp_ns < self._newest.stamp_ns:
            self.forget()
        fix = self._newest = _next(self._newest, stamp_ns, map_from_base, odom_from_base)
        predicted = None if self._estimate is None else self._carried(self._estimate, fix)
        contradicts = predicted is not None and not self._agree(predicted, map_from_base)
        if predicted is not None and not contradicts and self._trusted(fix):
            self._set(fix, predicted.blended(map_from_base))
            return Verdict.UPDATED
        self._held_back.append(fix)
        carried = [self._carried(each, fix) for each in self._held_back]
        agreeing = [each for each in carried if self._agree(each, map_from_base)]
        if len(agreeing) < self._config.confirmations:
            return Verdict.OUTLIER if contradicts else Verdict.UNCONFIRMED
        self._set(fix, reduce(UncertainPose.blended, agreeing))
        return Verdict.RECOVERED if contradicts else Verdict.CONFIRMED

    def forget(self) -> None:
        """Begin anew."""
        self._newest = self._estimate = None
        self._held_back.clear()

    def _set(self, fix: _Fix, map_from_base: UncertainPose) -> None:
        self._estimate = replace(fix, map_from_base=map_from_base)
        self._held_back.clear()

    def _agree(self, one: UncertainPose, other: UncertainPose) -> bool:
        return one.sigmas_from(other) < self._config.agreeing_sigmas

    def _trusted(self, fix: _Fix) -> bool:
        return self._drift(self._estimate, fix)[0] <= self._config.trusted_drift_m

    def _carried(self, earlier: _Fix, later: _Fix) -> UncertainPose:
        """Return where the earlier fix, moved on by odometry, says the later one is."""
        earlier_from_later = inverse(earlier.odom_from_base) @ later.odom_from_base
        return earlier.map_from_base.of(earlier_from_later).vaguer(*self._drift(earlier, later))

    def _drift(self, earlier: _Fix, later: _Fix) -> tuple[float, float]:
        """Return by how much odometry may be off in between [m], [rad]."""
        config = self._config
        path_m = later.path_m - earlier.path_m
        creep = config.odometry_creep_per_s * (later.stamp_ns - earlier.stamp_ns) / NS_PER_S
        turned_rad = config.odometry_drift * (later.turned_rad - earlier.turned_rad)
        drift_rad = turned_rad + config.odometry_turn_rad_per_m * path_m + creep
        # A turn that grows on the way leads aside by half of it, times the way.
        return config.odometry_drift * path_m + drift_rad * path_m / 2 + creep, drift_rad


def _next(
    last: _Fix | None, stamp_ns: int, map_from_base: UncertainPose, odom_from_base: np.ndarray
) -> _Fix:
    """Return a fix with the way that odometry says has been made since the last one."""
    if last is None:
        return _Fix(stamp_ns, map_from_base, odom_from_base, 0.0, 0.0)
    moved = inverse(last.odom_from_base) @ odom_from_base
    path_m = last.path_m + float(np.linalg.norm(moved[:3, 3]))
    turned_rad = last.turned_rad + rotation_angle_rad(moved[:3, :3])
    return _Fix(stamp_ns, map_from_base, odom_from_base, path_m, turned_rad)
