"""The geometric estimator on points with known geometry."""

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import NoRelativePose
from relpose_ros.core.geometric_pose import (
    GeometricEstimator,
    KeypointFeatures,
    mutual_matches,
)
from relpose_ros.core.geometry import (
    direction_error_rad,
    inverse,
    position_error_m,
    rotation_error_rad,
    transform,
    transform_points,
)
from relpose_ros.core.pnp import DEPTH_SIGMA, pnp_covariance
from scipy.spatial.transform import Rotation
import torch

CAMERA = Camera(640, 480, 520.0, 520.0, 320.0, 240.0)
OTHER_CAMERA = Camera(320, 240, 300.0, 310.0, 150.0, 125.0)
TRUE = transform(Rotation.from_euler('yxz', [0.3, -0.1, 0.05]).as_matrix(), [0.4, -0.1, 0.2])


def two_views(count=200, wrong=0.3, noise_px=0.5, depth=True, seed=0, depth_noise=0.0):
    """Points before a keyframe seen by a query with another camera; a share matched wrongly."""
    rng = np.random.default_rng(seed)
    points = CAMERA.rays(rng.uniform(60, 420, (count, 2))) * rng.uniform(1, 4, (count, 1))
    in_query = transform_points(inverse(TRUE), points)
    pixels_query = OTHER_CAMERA.project(in_query) + rng.normal(0, noise_px, (count, 2))
    swapped = rng.permutation(count)[: int(wrong * count)]
    pixels_query[swapped] = pixels_query[np.roll(swapped, 1)]
    descriptors = torch.from_numpy(np.abs(rng.normal(size=(count, 128)))).float()
    descriptors = torch.nn.functional.normalize(descriptors, dim=1)
    known = points[:, 2] * rng.normal(1, depth_noise, count) if depth else None
    return (
        KeypointFeatures(pixels_query, descriptors, None, OTHER_CAMERA),
        KeypointFeatures(CAMERA.project(points), descriptors, known, CAMERA),
    )


def test_keyframe_depth_gives_the_metric_pose():
    query, keyframe = two_views()
    result = GeometricEstimator().estimate(query, [keyframe])[0]
    assert result.metric
    assert position_error_m(result.keyframe_from_query, TRUE) < 0.02
    assert rotation_error_rad(result.keyframe_from_query, TRUE) < np.radians(0.5)
    assert 120 <= result.support <= 150  # of 140 right ones
    assert (
        result.support == len(result.matches.pixels_query) == len(result.matches.pixels_keyframe)
    )


def test_without_depth_rotation_and_direction_are_found_but_no_length():
    query, keyframe = two_views(depth=False)
    result = GeometricEstimator().estimate(query, [keyframe])[0]
    assert not result.metric
    assert rotation_error_rad(result.keyframe_from_query, TRUE) < np.radians(1)
    assert direction_error_rad(result.keyframe_from_query, TRUE) < np.radians(5)
    assert np.linalg.norm(result.keyframe_from_query[:3, 3]) == pytest.approx(1)


@pytest.mark.parametrize('depth', [True, False])
def test_matches_that_do_not_agree_give_a_reason(depth):
    query, keyframe = two_views(wrong=1.0, depth=depth)
    result = GeometricEstimator().estimate(query, [keyframe])[0]
    assert isinstance(result, NoRelativePose)
    assert result.reason == 'no_consistent_pose'


def test_too_few_matches_give_a_reason():
    for depth, count, detail in ((True, 5, '5 of 8'), (False, 10, '10 of 15')):
        query, keyframe = two_views(count=count, depth=depth)
        result = GeometricEstimator().estimate(query, [keyframe])[0]
        assert result.reason == 'few_matches'
        assert detail in result.detail


def test_points_of_unknown_depth_are_not_used():
    query, keyframe = two_views(wrong=0.0)
    keyframe.depth_m[::2] = 0
    result = GeometricEstimator().estimate(query, [keyframe])[0]
    assert 80 <= result.support <= 100


@pytest.mark.parametrize('grey', [0, 128])
def test_an_image_without_texture_has_no_matches(grey, photograph):
    estimator = GeometricEstimator()
    blank = estimator.features(np.full((240, 320, 3), grey, np.uint8), OTHER_CAMERA, None)
    wall = photograph(0.0)
    keyframe = estimator.features(wall.rgb, wall.camera, wall.depth_m)
    for pair in ((blank, keyframe), (keyframe, blank)):
        assert estimator.estimate(pair[0], [pair[1]])[0].reason == 'few_matches'


def test_mutual_matches_equal_a_loop():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 1, (30, 8)), rng.uniform(0, 1, (40, 8))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    expected = []
    for i in range(30):
        distance = np.linalg.norm(a[i] - b, axis=1)
        first, second = np.argsort(distance)[:2]
        back = np.argmin(np.linalg.norm(b[first] - a, axis=1))
        if back == i and distance[first] < 0.8 * distance[second]:
            expected.append((i, first))
    i, j = mutual_matches(torch.from_numpy(a), torch.from_numpy(b), 0.8)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == expected
    assert len(expected) > 3


def test_covariance_is_the_spread_of_many_trials():
    """Monte Carlo: the scatter under a pixel of noise and wrong depths is what is predicted."""
    errors, predicted = [], []
    for seed in range(60):
        query, keyframe = two_views(
            count=60, wrong=0.0, noise_px=1.0, seed=1000 + seed, depth_noise=DEPTH_SIGMA
        )
        estimate = GeometricEstimator().estimate(query, [keyframe])[0]
        rotation = estimate.keyframe_from_query[:3, :3] @ TRUE[:3, :3].T
        shift = estimate.keyframe_from_query[:3, 3] - TRUE[:3, 3]
        errors.append(np.concatenate([shift, Rotation.from_matrix(rotation).as_rotvec()]))
        predicted.append(estimate.covariance)
    # Mean squared Mahalanobis distance: 6 where the covariance is right.
    distances = [e @ np.linalg.solve(c, e) for e, c in zip(errors, predicted, strict=True)]
    assert 4 < np.mean(distances) < 10


def test_covariance_grows_with_distance_and_noise():
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3)) + (0, 0, 3)
    pixels = CAMERA.project(points)
    near = pnp_covariance(np.eye(4), points, pixels, CAMERA)
    noisy = pnp_covariance(np.eye(4), points, pixels + [[3, -3]], CAMERA)
    np.testing.assert_allclose(noisy, near * 9, rtol=1e-6)
    far = pnp_covariance(np.eye(4), points * 2, pixels, CAMERA)
    np.testing.assert_allclose(far[:3, :3], near[:3, :3] * 4, rtol=1e-6)
