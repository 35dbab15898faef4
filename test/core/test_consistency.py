"""Matches against the pose that should explain them."""

import numpy as np
import pytest
from relpose_ros.core.consistency import disagreement_rad, NEAREST_M
from relpose_ros.core.geometry import inverse, transform, transform_points
from scipy.spatial.transform import Rotation

TURNED = Rotation.from_euler('xyz', (5, -20, 8), degrees=True).as_matrix()
POSES = {
    'moved and turned': transform(TURNED, np.array([0.4, -0.1, 0.3])),
    'only turned': transform(TURNED, np.zeros(3)),
    'only moved': transform(np.eye(3), np.array([0.0, 0.0, 0.8])),
}


def seen(pose: np.ndarray, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -1, NEAREST_M), (1, 1, 6), (count, 3))  # query camera frame
    points *= np.maximum(1, NEAREST_M / np.linalg.norm(points, axis=1))[:, None]
    return transform_points(pose, points), points * rng.uniform(0.5, 2, (count, 1))


@pytest.mark.parametrize('pose', POSES.values(), ids=POSES)
def test_the_true_pose_explains_every_match(pose: np.ndarray) -> None:
    assert disagreement_rad(pose, *seen(pose)).max() < 1e-6


def test_a_wrong_rotation_is_off_by_its_angle() -> None:
    pose = POSES['only turned']
    turned = pose @ transform(Rotation.from_euler('y', 3, degrees=True).as_matrix(), np.zeros(3))
    off_deg = np.degrees(disagreement_rad(turned, *seen(pose)))
    assert off_deg.max() < 3.001
    assert np.median(off_deg) > 2


def test_points_nearer_than_anything_and_behind_are_not_explained() -> None:
    pose = POSES['only moved']
    ray_query = np.array([[0.3, 0.0, 1.0]])
    behind = transform_points(pose, -2 * ray_query)
    assert disagreement_rad(pose, behind, ray_query) > 0.5
    too_near = transform_points(pose, 0.05 * ray_query)
    assert disagreement_rad(pose, too_near, ray_query) > 0.01


def test_another_place_disagrees() -> None:
    rays_keyframe, rays_query = seen(POSES['moved and turned'])
    shuffled = np.random.default_rng(1).permutation(rays_query)
    off = disagreement_rad(POSES['moved and turned'], rays_keyframe, shuffled)
    assert np.mean(off < 0.05) < 0.35
    assert disagreement_rad(inverse(POSES['only moved']), *seen(POSES['only moved'])).mean() > 0.05
