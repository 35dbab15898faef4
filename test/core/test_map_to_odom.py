"""Fixes and drifting odometry: what moves map -> odom and what must not."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from relpose_ros.core.geometry import (
    inverse,
    position_error_m,
    rotation_error_rad,
    transform,
)
from relpose_ros.core.map_to_odom import MapToOdom, MapToOdomConfig, Verdict, WINDOW
from relpose_ros.core.uncertain_pose import UncertainPose
from scipy.spatial.transform import Rotation

PERIOD_NS = 300_000_000
SIGMAS = np.array([0.03, 0.01, 0.02, 0.005, 0.01, 0.005])  # x y z [m], about x y z [rad]
ROOM_M = 6.0


def turned(rotvec: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return (4, 4) of a rotation vector [rad] and a translation [m]."""
    return transform(Rotation.from_rotvec(rotvec).as_matrix(), vector)


def near(map_from_base: np.ndarray, rng: np.random.Generator) -> UncertainPose:
    """Return a fix whose errors are as its covariance, turned in the map at random, says."""
    axes = np.kron(np.eye(2), Rotation.random(random_state=rng).as_matrix())
    error = axes @ (SIGMAS * rng.standard_normal(6))
    turn = Rotation.from_rotvec(error[3:]).as_matrix() @ map_from_base[:3, :3]
    covariance = axes @ np.diag(SIGMAS**2) @ axes.T
    return UncertainPose(transform(turn, map_from_base[:3, 3] + error[:3]), covariance)


def anywhere(rng: np.random.Generator) -> UncertainPose:
    """Return a fix that is wrong altogether and sure of itself."""
    rotation = Rotation.random(random_state=rng).as_matrix()
    pose = transform(rotation, rng.uniform(-ROOM_M, ROOM_M, 3))
    return UncertainPose(pose, np.diag(SIGMAS**2))


@dataclass
class Drive:
    """
    A robot that drives on curves, and its odometry, which drifts by 2 % and 1 deg/m and is noisy.

    :param rng: all that is random.
    """

    rng: np.random.Generator
    map_from_base: np.ndarray = field(default_factory=lambda: np.eye(4))
    odom_from_base: np.ndarray = field(
        default_factory=lambda: turned(np.array([0, 0, 2.0]), np.array([40.0, -7.0, 0.0]))
    )
    stamp_ns: int = 0

    def move(self, speed: float = 1.0) -> None:
        """Drive on for one period; `speed` is in units of 0.5 m/s."""
        way_m = speed * 0.15
        yaw_rad = speed * 0.1 * np.sin(self.stamp_ns * 4e-10)
        moved = turned(np.array([0, 0, yaw_rad]), np.array([way_m, 0, 0]))
        noise = self.rng.standard_normal(6) * 0.02 * way_m
        measured = moved @ turned(noise[3:], noise[:3])
        measured[:3, 3] *= 1.02
        measured = measured @ turned(np.array([0, 0, np.radians(1.0) * way_m]), np.zeros(3))
        self.map_from_base = self.map_from_base @ moved
        self.odom_from_base = self.odom_from_base @ measured
        self.stamp_ns += PERIOD_NS

    def carried_away(self) -> None:
        """Be put somewhere else, which odometry does not notice."""
        self.map_from_base = anywhere(self.rng).target_from_source

    def fix(self) -> UncertainPose:
        """Return a fix of where the robot is."""
        return near(self.map_from_base, self.rng)

    def seen_by(self, estimator: MapToOdom, fix: UncertainPose | None = None) -> Verdict:
        """Give a fix, a good one by default, to the estimator."""
        return estimator.add(self.stamp_ns, fix or self.fix(), self.odom_from_base)

    def errors(self, estimator: MapToOdom) -> tuple[float, float]:
        """Return the errors of map -> base [m], [rad]."""
        estimated = estimator.map_from_odom @ self.odom_from_base
        return (
            position_error_m(estimated, self.map_from_base),
            rotation_error_rad(estimated, self.map_from_base),
        )


def confirmed(rng: np.random.Generator) -> tuple[Drive, MapToOdom]:
    """Return a drive that has its first estimate."""
    drive, estimator = Drive(rng), MapToOdom()
    while drive.seen_by(estimator) != Verdict.CONFIRMED:
        drive.move()
    return drive, estimator


def verdicts_of_a_drive(
    drive: Drive, estimator: MapToOdom, images: int, wrong: float
) -> Iterator[Verdict]:
    """Drive on with a share of wrong fixes."""
    for _ in range(images):
        drive.move()
        fix = anywhere(drive.rng) if drive.rng.random() < wrong else drive.fix()
        yield drive.seen_by(estimator, fix)


def inside(errors: tuple[float, float]) -> bool:
    """Return whether an estimate is within 10 cm and 3 deg."""
    return errors[0] < 0.1 and errors[1] < np.radians(3)


@pytest.mark.parametrize('seed', range(5))
def test_a_drive_with_wrong_fixes_and_kidnappings(seed: int) -> None:
    """The estimate holds after it is confirmed, finds back soon and jumps at no other time."""
    drive, estimator = Drive(np.random.default_rng(seed)), MapToOdom()
    within, recoveries, lost_for = [], 0, None
    for image in range(200):
        if image in (70, 140):
            drive.carried_away()
            lost_for = 0
        verdict = next(verdicts_of_a_drive(drive, estimator, 1, wrong=0.1))
        recoveries += verdict == Verdict.RECOVERED
        if estimator.map_from_odom is None:
            continue
        if lost_for is None:
            within.append(inside(drive.errors(estimator)))
            assert drive.errors(estimator)[0] < 0.3
        else:
            lost_for = None if inside(drive.errors(estimator)) else lost_for + 1
            assert lost_for is None or lost_for < WINDOW
    assert recoveries == 2
    assert len(within) > 180
    assert np.mean(within) > 0.95


def test_the_first_fixes_confirm_each_other() -> None:
    """So many as the setting says, and wrong ones in between do not count."""
    drive = Drive(np.random.default_rng(0))
    estimator = MapToOdom(MapToOdomConfig(confirmations=3))
    for wrong in (False, True, False, True):
        fix = anywhere(drive.rng) if wrong else None
        assert drive.seen_by(estimator, fix) == Verdict.UNCONFIRMED
        assert estimator.map_from_odom is None
        assert estimator.map_from_base is None
        drive.move()
    assert drive.seen_by(estimator) == Verdict.CONFIRMED
    assert inside(drive.errors(estimator))


@pytest.mark.parametrize('seed', range(5))
def test_one_wrong_fix_moves_nothing(seed: int) -> None:
    """Not by the last bit."""
    drive, estimator = confirmed(np.random.default_rng(seed))
    drive.move()
    before = estimator.map_from_odom
    assert drive.seen_by(estimator, anywhere(drive.rng)) == Verdict.OUTLIER
    assert np.array_equal(estimator.map_from_odom, before)
    drive.move()
    assert drive.seen_by(estimator) == Verdict.UPDATED


def test_wrong_fixes_that_contradict_each_other_move_nothing() -> None:
    """However many."""
    drive, estimator = confirmed(np.random.default_rng(1))
    before = estimator.map_from_odom
    verdicts = set(verdicts_of_a_drive(drive, estimator, 50, wrong=1.0))
    assert verdicts <= {Verdict.OUTLIER, Verdict.UNCONFIRMED}
    assert np.array_equal(estimator.map_from_odom, before)


def test_a_long_way_without_fixes_needs_confirmation_again() -> None:
    """Odometry is vague by then: a wrong fix could agree with it."""
    drive, estimator = confirmed(np.random.default_rng(2))
    for _ in range(40):
        drive.move()
    before = estimator.map_from_odom
    # So far off that odometry alone may have come there: 5 % and 1 deg/m on 6 m.
    shifted = transform(np.eye(3), np.array([0.3, 0.2, 0.0])) @ drive.map_from_base
    wrong = UncertainPose(shifted, np.diag(SIGMAS**2))
    assert drive.seen_by(estimator, wrong) == Verdict.UNCONFIRMED
    assert np.array_equal(estimator.map_from_odom, before)
    verdicts = list(verdicts_of_a_drive(drive, estimator, 4, wrong=0.0))
    assert verdicts[-1] == Verdict.CONFIRMED
    assert inside(drive.errors(estimator))


def test_updates_are_smooth() -> None:
    """No step of map -> base is larger than a good fix may be off."""
    drive, estimator = confirmed(np.random.default_rng(3))
    for _ in range(100):
        drive.move()
        before = estimator.map_from_odom @ drive.odom_from_base
        assert drive.seen_by(estimator) == Verdict.UPDATED
        after = estimator.map_from_odom @ drive.odom_from_base
        assert position_error_m(before, after) < 0.06


def test_the_estimate_is_sharper_than_a_fix_and_honest() -> None:
    """At the stamp of a fix its errors are as large as its covariance says, or smaller."""
    squared = []
    for seed in range(40):
        drive, estimator = confirmed(np.random.default_rng(seed))
        list(verdicts_of_a_drive(drive, estimator, 15, wrong=0.0))
        truth = UncertainPose(drive.map_from_base, np.zeros((6, 6)))
        estimate = estimator.map_from_base
        squared.append(estimate.sigmas_from(truth) ** 2)
        sigma_m = np.sqrt(np.linalg.eigvalsh(estimate.covariance)[-1])
        assert 0.01 < sigma_m < SIGMAS.max()
    assert np.mean(squared) < 1.3


def test_time_that_goes_back_begins_anew() -> None:
    """A bag that loops starts its odometry anew as well."""
    drive, estimator = confirmed(np.random.default_rng(4))
    again = Drive(np.random.default_rng(5))
    assert again.stamp_ns < drive.stamp_ns
    assert again.seen_by(estimator) == Verdict.UNCONFIRMED
    assert estimator.map_from_odom is None


def test_standing_still_keeps_the_estimate() -> None:
    """Many fixes of one place: no drift, and no covariance that shrinks to nothing."""
    drive, estimator = confirmed(np.random.default_rng(6))
    for _ in range(300):
        drive.move(speed=0.0)
        assert drive.seen_by(estimator) in (Verdict.UPDATED, Verdict.OUTLIER)
    assert inside(drive.errors(estimator))
    assert np.sqrt(estimator.map_from_base.covariance[0, 0]) > 0.01
    assert np.allclose(estimator.map_from_odom @ inverse(estimator.map_from_odom), np.eye(4))
