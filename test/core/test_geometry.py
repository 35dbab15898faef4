"""Transforms, quaternions and the paper's errors."""

import numpy as np
import pytest
from relpose_ros.core import geometry
from scipy.spatial.transform import Rotation


def random_transform(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return geometry.transform(Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3))


@pytest.mark.parametrize('seed', range(5))
def test_inverse_undoes_a_transform(seed):
    a_from_b = random_transform(seed)
    points_b = np.random.default_rng(seed).normal(size=(7, 3))
    points_a = geometry.transform_points(a_from_b, points_b)
    np.testing.assert_allclose(a_from_b @ geometry.inverse(a_from_b), np.eye(4), atol=1e-12)
    np.testing.assert_allclose(
        geometry.transform_points(geometry.inverse(a_from_b), points_a), points_b, atol=1e-12
    )


@pytest.mark.parametrize('seed', range(5))
def test_quaternions_have_positive_w_and_round_trip(seed):
    rotation = random_transform(seed)[:3, :3]
    quat_xyzw = geometry.quaternion_xyzw(rotation)
    assert quat_xyzw[3] >= 0
    np.testing.assert_allclose(geometry.rotation_from_quaternion(-2 * quat_xyzw), rotation)


def test_quaternion_order_is_xyzw():
    quarter_turn_about_z = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(
        geometry.quaternion_xyzw(quarter_turn_about_z), [0, 0, 0.5**0.5, 0.5**0.5]
    )


def test_checked_transform_repairs_rounding_and_names_the_argument():
    rounded = np.round(random_transform(3), 4)
    repaired = geometry.checked_transform('map_from_camera', rounded)
    np.testing.assert_allclose(repaired[:3, :3] @ repaired[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(repaired, rounded, atol=1e-3)


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        (np.eye(3), r'expected \(4, 4\), got \(3, 3\)'),
        (np.full((4, 4), np.nan), 'not finite'),
        (np.diag([1, 1, -1, 1.0]), 'not a rigid transform'),
        (np.diag([2, 2, 2, 1.0]), 'not a rigid transform'),
        (np.diag([1, 1, 1, 2.0]), 'not a rigid transform'),
        (np.zeros((4, 4)), 'not a rigid transform'),
    ],
)
def test_what_is_no_transform_is_refused(value, words):
    with pytest.raises(ValueError, match='map_from_camera: ' + words):
        geometry.checked_transform('map_from_camera', value)


@pytest.mark.parametrize('angle_rad', [1e-9, 1e-4, 0.5, 3.0, np.pi])
def test_rotation_error_is_the_angle_between(angle_rad):
    true = random_transform(1)
    turn = geometry.transform(Rotation.from_rotvec([0, angle_rad, 0]).as_matrix(), np.zeros(3))
    assert geometry.rotation_error_rad(true @ turn, true) == pytest.approx(angle_rad, rel=1e-6)


def test_errors_do_not_depend_on_the_frame():
    a, b, frame = (random_transform(seed) for seed in (1, 2, 3))
    for error in (geometry.position_error_m, geometry.rotation_error_rad):
        assert error(frame @ a, frame @ b) == pytest.approx(error(a, b))


def test_a_flipped_direction_is_180_degrees_wrong():
    forward, back = np.eye(4), np.eye(4)
    forward[:3, 3], back[:3, 3] = (0, 0, 2), (0, 0, -1)
    assert geometry.direction_error_rad(forward, back) == pytest.approx(np.pi)
    assert geometry.direction_error_rad(forward, forward) == 0
    assert np.isnan(geometry.direction_error_rad(np.eye(4), forward))
    assert geometry.position_error_m(forward, back) == pytest.approx(3)
