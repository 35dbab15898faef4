"""Two views refined by their matches: how near the truth, and whether they know it."""

import numpy as np
import pytest
from relpose_ros.core import epipolar
from relpose_ros.core.geometry import (
    direction_error_rad,
    inverse,
    rotation_error_rad,
    transform,
    transform_points,
)
from scipy.spatial.transform import Rotation

SIGMA_RAD = 0.002


def refined(pose, sent, seen):
    """Refine one pair."""
    agree = np.ones((1, len(sent)), bool)
    sigma_rad = np.array([SIGMA_RAD])
    found = epipolar.refined(pose[None], sent[None], seen[None], agree, sigma_rad)
    return found[0][0], found[1][0]


def consistent(pose, sent, seen):
    return epipolar.agreement(pose[None], sent[None], seen[None], np.array([SIGMA_RAD]))[0] > 0


def two_views(rng, baseline_m=0.5, count=100, noise_rad=SIGMA_RAD, wrong=0.0):
    """Rays of points 1 to 4 m before a keyframe, seen from a query turned and moved."""
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    turn = Rotation.from_rotvec(rng.normal(0, 0.15, 3)).as_matrix()
    points = np.column_stack([rng.uniform(-0.5, 0.5, (count, 2)), np.ones(count)])
    points *= rng.uniform(1, 4, (count, 1))
    seen = points / np.linalg.norm(points, axis=1, keepdims=True)
    sent = transform_points(inverse(transform(turn, baseline_m * direction)), points)
    sent /= np.linalg.norm(sent, axis=1, keepdims=True)
    sent[: int(wrong * count)] = np.roll(sent[: int(wrong * count)], 1, axis=0)
    noisy = [rays + rng.normal(0, noise_rad, rays.shape) for rays in (sent, seen)]
    return transform(turn, direction), *noisy


def disturbed(rng, keyframe_from_query, angle_rad):
    turn = Rotation.from_rotvec(rng.normal(0, angle_rad, 3)).as_matrix()
    direction = keyframe_from_query[:3, 3] + rng.normal(0, 3 * angle_rad, 3)
    return transform(turn @ keyframe_from_query[:3, :3], direction / np.linalg.norm(direction))


def test_exact_rays_give_the_exact_pose():
    rng = np.random.default_rng(0)
    true, sent, seen = two_views(rng, noise_rad=0)
    found, covariance = refined(disturbed(rng, true, 0.02), 3 * sent, 2 * seen)
    assert rotation_error_rad(found, true) < 1e-6
    assert direction_error_rad(found, true) < 1e-6
    assert np.linalg.norm(found[:3, 3]) == pytest.approx(1)
    np.testing.assert_allclose(covariance[:3, :3] @ true[:3, 3], 0, atol=1e-9)


def test_matches_agree_with_their_motion_if_the_points_are_in_front():
    rng = np.random.default_rng(3)
    true, sent, seen = two_views(rng, noise_rad=0, wrong=0.25)
    found = consistent(true, 3 * sent, 2 * seen)
    assert found[25:].all()
    assert found[:25].sum() < 5
    behind = true.copy()
    behind[:3, 3] *= -1
    assert not consistent(behind, sent, seen)[25:].any()


def test_pairs_of_a_batch_do_not_disturb_each_other():
    rng = np.random.default_rng(5)
    pairs = [two_views(rng, wrong=0.1, count=count) for count in (40, 100)]
    guesses = np.stack([disturbed(rng, true, 0.01) for true, *_ in pairs])
    rays = np.zeros((2, 2, 100, 3))  # filled up
    agree = np.zeros((2, 100), bool)
    for i, (_, sent, seen) in enumerate(pairs):
        rays[:, i, : len(sent)] = sent, seen
        agree[i, : len(sent)] = True
    together = epipolar.refined(guesses, *rays, agree, np.full(2, SIGMA_RAD))
    for i, (_, sent, seen) in enumerate(pairs):
        alone = refined(guesses[i], sent, seen)
        np.testing.assert_allclose(together[0][i], alone[0], atol=1e-4)
        np.testing.assert_allclose(together[1][i], alone[1], rtol=0.05, atol=1e-7)


def test_wrong_matches_have_little_say():
    rng = np.random.default_rng(1)
    true, sent, seen = two_views(rng, noise_rad=SIGMA_RAD / 2, wrong=0.2)
    found, _ = refined(disturbed(rng, true, 0.01), sent, seen)
    assert rotation_error_rad(found, true) < np.radians(0.4)
    assert direction_error_rad(found, true) < np.radians(1.5)


def test_the_covariance_is_the_spread_of_many_trials():
    rng = np.random.default_rng(2)
    distances = []
    for _ in range(200):
        true, sent, seen = two_views(rng)
        found, covariance = refined(disturbed(rng, true, 0.005), sent, seen)
        turn = Rotation.from_matrix(found[:3, :3] @ true[:3, :3].T).as_rotvec()
        error = np.concatenate([found[:3, 3] - true[:3, 3], turn])
        distances.append(error @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ error)
    assert 3.5 < np.mean(distances) < 7.5  # 5 degrees of freedom


def test_a_short_baseline_leaves_the_direction_open():
    spread = []
    for baseline_m in (0.5, 0.05):
        true, sent, seen = two_views(np.random.default_rng(3), baseline_m)
        spread.append(np.trace(refined(true, sent, seen)[1][:3, :3]) ** 0.5)
    assert spread[1] > 5 * spread[0]


@pytest.mark.parametrize('count', [0, 3])
def test_a_handful_of_matches_changes_little_and_promises_nothing(count):
    true, sent, seen = two_views(np.random.default_rng(4), count=100)
    found, covariance = refined(true, sent[:count], seen[:count])
    assert np.isfinite(found).all()
    assert np.isfinite(covariance).all()
    assert np.linalg.eigvalsh(covariance)[-1] > 1
