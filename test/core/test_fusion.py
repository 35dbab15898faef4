"""Fusion of made-up keyframes whose errors are known."""

from dataclasses import replace

import numpy as np
import pytest
from relpose_ros.baselines.fusion_baselines import ray_intersection
from relpose_ros.core.estimator import Matches, RelativePose
from relpose_ros.core.fusion import fuse, KEYFRAME_SIGMA_M, KEYFRAME_SIGMA_RAD, KeyframeEstimate
from relpose_ros.core.geometry import inverse, position_error_m, rotation_error_rad, transform
from scipy.spatial.transform import Rotation

NO_MATCHES = Matches(np.zeros((0, 2)), np.zeros((0, 2)))
DIRECTION_RAD, RANGE, ROTATION_RAD = 0.03, 0.2, 0.015  # the range's error is a share of it
TRUE = transform(Rotation.from_euler('xyz', [0.4, -1.1, 0.7]).as_matrix(), [3.0, -2.0, 1.0])


def turned(transform_, rotvec):
    """Turn a pose on the spot, about the axes of its target frame."""
    rotation = Rotation.from_rotvec(rotvec).as_matrix() @ transform_[:3, :3]
    return transform(rotation, transform_[:3, 3])


def estimate(map_from_keyframe, metric=True, noise=None, shared=None):
    """
    Return what a keyframe says of TRUE.

    :param noise: random generator; None for an exact estimate.
    :param shared: (6,) standard normal numbers, an error that it has in common with others.
    """
    true = inverse(map_from_keyframe) @ TRUE
    range_m = np.linalg.norm(true[:3, 3])
    direction = true[:3, 3] / range_m
    along = np.outer(direction, direction)
    spread = np.zeros((6, 6))  # a square root of the covariance, and symmetric
    spread[:3, :3] = DIRECTION_RAD * (np.eye(3) - along)
    spread[3:, 3:] = ROTATION_RAD * np.eye(3)
    if metric:
        spread[:3, :3] = range_m * (spread[:3, :3] + RANGE * along)
    heading = true[:3, 3] if metric else direction
    error = np.zeros(6)
    if noise is not None:
        error = spread @ (noise.normal(size=6) if shared is None else shared)
        own = noise.normal(size=6) if shared is None else np.zeros(6)
        map_from_keyframe = turned(map_from_keyframe, KEYFRAME_SIGMA_RAD * own[3:])
        map_from_keyframe[:3, 3] += KEYFRAME_SIGMA_M * own[:3]
    found = turned(transform(true[:3, :3], heading + error[:3]), error[3:])
    if not metric:
        found[:3, 3] /= np.linalg.norm(found[:3, 3])
    relative = RelativePose(found, metric, spread @ spread, 100.0, NO_MATCHES)
    return KeyframeEstimate(map_from_keyframe, relative)


def keyframes(rng, count, line=False):
    """Return poses 0.5 to 1.5 m from TRUE, looking much as it does; or all in a line with it."""
    poses, axis = [], rng.normal(size=3)
    for _ in range(count):
        offset = axis * rng.choice([-1, 1]) if line else rng.normal(size=3)
        offset *= rng.uniform(0.5, 1.5) / np.linalg.norm(offset)
        pose = turned(TRUE, rng.normal(0, 0.3, 3))
        pose[:3, 3] += offset
        poses.append(pose)
    return poses


def wrong(rng, right):
    """Return an estimate of quite another place."""
    pose = turned(right.relative.keyframe_from_query, rng.normal(0, 1, 3))
    pose[:3, 3] = rng.normal(size=3)
    if not right.relative.metric:
        pose[:3, 3] /= np.linalg.norm(pose[:3, 3])
    return replace(right, relative=replace(right.relative, keyframe_from_query=pose))


def error(fused):
    turn = Rotation.from_matrix(fused.map_from_query[:3, :3] @ TRUE[:3, :3].T).as_rotvec()
    return np.concatenate([fused.map_from_query[:3, 3] - TRUE[:3, 3], turn])


MIXES = {
    'ranges': [True] * 5,
    'rays': [False] * 5,
    'both': [True, False, False, True, False],
    'two rays': [False] * 2,
    'one range': [True],
}


@pytest.mark.parametrize('metric', MIXES.values(), ids=MIXES)
def test_exact_estimates_give_the_exact_pose(metric):
    poses = keyframes(np.random.default_rng(0), len(metric))
    fused = fuse([estimate(*each) for each in zip(poses, metric, strict=True)])
    assert position_error_m(fused.map_from_query, TRUE) < 1e-6
    assert rotation_error_rad(fused.map_from_query, TRUE) < 1e-6
    assert sorted(fused.agreeing) == list(range(len(metric)))
    assert fused.agreement == 1


def test_one_keyframe_is_answered_as_it_is():
    only = estimate(keyframes(np.random.default_rng(1), 1)[0])
    fused = fuse([only])
    relative = only.relative
    np.testing.assert_allclose(
        fused.map_from_query, only.map_from_keyframe @ relative.keyframe_from_query, atol=1e-9
    )
    axes = np.kron(np.eye(2), only.map_from_keyframe[:3, :3])
    own = np.diag([KEYFRAME_SIGMA_M**2] * 3 + [KEYFRAME_SIGMA_RAD**2] * 3)
    np.testing.assert_allclose(
        fused.covariance, axes @ relative.covariance @ axes.T + own, atol=1e-12
    )


@pytest.mark.parametrize('metric', [True, False])
@pytest.mark.parametrize('count', [5, 10])
def test_up_to_40_percent_of_wrong_keyframes_are_voted_out(count, metric):
    rng = np.random.default_rng(2)
    errors_m = []
    for _ in range(20):
        right = [estimate(pose, metric, rng) for pose in keyframes(rng, count)]
        bad = set(rng.permutation(count)[: count * 2 // 5].tolist())
        mixed = [wrong(rng, each) if i in bad else each for i, each in enumerate(right)]
        fused = fuse(mixed)
        assert not bad & set(fused.agreeing)
        assert fused.agreement <= 0.6
        errors_m.append(position_error_m(fused.map_from_query, TRUE))
    assert np.max(errors_m) < 0.25


def test_in_one_line_ranges_save_what_rays_cannot_tell():
    rng = np.random.default_rng(3)
    ours_m, rays_m = [], []
    for _ in range(200):
        seen = [estimate(pose, True, rng) for pose in keyframes(rng, 5, line=True)]
        ours_m.append(position_error_m(fuse(seen).map_from_query, TRUE))
        intersected = ray_intersection(seen)
        rays_m.append(position_error_m(intersected.map_from_query, TRUE))
    assert np.median(ours_m) < np.median(rays_m) / 3
    assert np.mean(ours_m) < np.mean(rays_m) / 3
    assert np.median(ours_m) < 0.1


def test_rays_alone_give_a_metric_position():
    rng = np.random.default_rng(4)
    errors_m = []
    for _ in range(100):
        seen = [estimate(pose, False, rng) for pose in keyframes(rng, 5)]
        errors_m.append(position_error_m(fuse(seen).map_from_query, TRUE))
    # A ray errs by 3 cm across at a metre's distance; each of 3 axes is seen by 10 / 3 of them.
    assert np.median(errors_m) < 0.035


@pytest.mark.parametrize('line', [False, True])
def test_a_range_is_the_better_for_rays(line):
    rng = np.random.default_rng(5)
    poses = keyframes(rng, 3, line)
    rays = [estimate(pose, False) for pose in poses[1:]]
    metric = estimate(poses[0])
    alone, together = fuse([metric], correlation=0), fuse([metric, *rays], correlation=0)
    spread = [np.sqrt(np.trace(each.covariance[:3, :3])) for each in (alone, together)]
    assert spread[1] < spread[0] * (1 if line else 0.5)


@pytest.mark.parametrize('metric', [MIXES['ranges'], MIXES['rays'], MIXES['both']])
def test_the_covariance_is_the_spread_of_many_trials(metric):
    """Mean squared Mahalanobis distance: 6 where the covariance is right."""
    rng = np.random.default_rng(6)
    distances = []
    for _ in range(500):
        poses = keyframes(rng, len(metric))
        seen = [estimate(pose, m, rng) for pose, m in zip(poses, metric, strict=True)]
        fused = fuse(seen, correlation=0)
        distances.append(error(fused) @ np.linalg.solve(fused.covariance, error(fused)))
    assert 4.5 < np.mean(distances) < 7


def test_errors_in_common_do_not_average_out():
    """Keyframes that are all wrong alike: only the correlation can tell."""
    rng = np.random.default_rng(7)
    distances = {0.0: [], 1.0: []}
    for _ in range(100):
        shared = rng.normal(size=6)
        pose = keyframes(rng, 1)[0]
        seen = [estimate(pose, True, rng, shared)] * 5
        for correlation, found in distances.items():
            fused = fuse(seen, correlation)
            found.append(error(fused) @ np.linalg.solve(fused.covariance, error(fused)))
    assert np.mean(distances[0.0]) > 20
    assert 4 < np.mean(distances[1.0]) < 7


def test_keyframes_that_scatter_more_than_they_say_are_believed_less():
    rng = np.random.default_rng(8)
    seen = [estimate(pose, True, rng) for pose in keyframes(rng, 5)]
    sure = [
        replace(e, relative=replace(e.relative, covariance=e.relative.covariance / 9))
        for e in seen
    ]
    honest, boastful = fuse(seen), fuse(sure)
    assert np.trace(boastful.covariance) > 0.5 * np.trace(honest.covariance)


@pytest.mark.parametrize('count', [1, 2, 5])
def test_rays_in_one_line_give_no_position(count):
    rng = np.random.default_rng(9)
    for noise in (None, *[rng] * 20):
        poses = keyframes(rng, count, line=True)
        assert fuse([estimate(pose, False, noise) for pose in poses]) is None


def test_parallel_rays_give_no_position():
    pose = keyframes(np.random.default_rng(10), 1)[0]
    ray = estimate(pose, False)
    beside = pose.copy()
    beside[:3, 3] += [0.3, 0, 0]
    assert fuse([ray, KeyframeEstimate(beside, ray.relative)]) is None


def test_nothing_gives_nothing():
    assert fuse([]) is None


def test_a_ray_from_which_the_query_is_behind_does_not_agree():
    rng = np.random.default_rng(11)
    seen = [estimate(pose, False) for pose in keyframes(rng, 4)]
    flipped = seen[2].relative.keyframe_from_query.copy()
    flipped[:3, 3] *= -1
    seen[2] = replace(seen[2], relative=replace(seen[2].relative, keyframe_from_query=flipped))
    fused = fuse(seen)
    assert sorted(fused.agreeing) == [0, 1, 3]
    assert position_error_m(fused.map_from_query, TRUE) < 1e-6


def with_support(each, support):
    return replace(each, relative=replace(each.relative, support=support))


def test_two_strong_keyframes_that_contradict_each_other_give_no_pose():
    rng = np.random.default_rng(12)
    first, second, third = (estimate(pose) for pose in keyframes(rng, 3))
    assert fuse([first, wrong(rng, second)]) is None
    assert fuse([first, with_support(wrong(rng, second), 20.0)]).agreeing == (0,)
    other = with_support(wrong(rng, second), 80.0)
    assert fuse([first, other]) is None
    assert sorted(fuse([first, other, third]).agreeing) == [0, 2]


def test_a_strong_ray_can_contradict_too():
    rng = np.random.default_rng(13)
    first, second = keyframes(rng, 2)
    assert fuse([estimate(first), wrong(rng, estimate(second, False))]) is None


def test_the_best_supported_comes_first():
    rng = np.random.default_rng(14)
    support = (30.0, 200.0, 90.0)
    seen = [estimate(pose) for pose in keyframes(rng, 3)]
    fused = fuse([with_support(*each) for each in zip(seen, support, strict=True)])
    assert fused.agreeing == (1, 2, 0)


def test_order_does_not_matter():
    rng = np.random.default_rng(15)
    seen = [estimate(pose, i % 2 == 0, rng) for i, pose in enumerate(keyframes(rng, 6))]
    seen[1] = wrong(rng, seen[1])
    order = rng.permutation(6)
    one, other = fuse(seen), fuse([seen[i] for i in order])
    np.testing.assert_allclose(one.map_from_query, other.map_from_query, atol=1e-6)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-3, atol=1e-9)
    assert sorted(one.agreeing) == sorted(int(order[i]) for i in other.agreeing)


def test_moving_the_map_moves_the_answer():
    rng = np.random.default_rng(16)
    seen = [estimate(pose, i % 2 == 0, rng) for i, pose in enumerate(keyframes(rng, 5))]
    moved_from_map = transform(Rotation.from_euler('xyz', [1, 2, 3]).as_matrix(), [50.0, 20, -9])
    moved = [replace(e, map_from_keyframe=moved_from_map @ e.map_from_keyframe) for e in seen]
    here, there = fuse(seen), fuse(moved)
    np.testing.assert_allclose(
        there.map_from_query, moved_from_map @ here.map_from_query, atol=1e-6
    )
    axes = np.kron(np.eye(2), moved_from_map[:3, :3])
    np.testing.assert_allclose(there.covariance, axes @ here.covariance @ axes.T, atol=1e-8)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'covariance': np.eye(5)}, r'covariance: expected \(6, 6\), got \(5, 5\)'),
        ({'covariance': np.full((6, 6), np.nan)}, 'covariance: not finite'),
        ({'keyframe_from_query': np.eye(3)}, 'keyframe_from_query: expected'),
        ({'keyframe_from_query': np.full((4, 4), np.inf)}, 'keyframe_from_query: not finite'),
    ],
)
def test_what_is_no_estimate_is_an_error(change, message):
    good = estimate(keyframes(np.random.default_rng(17), 1)[0])
    with pytest.raises(ValueError, match=message):
        fuse([replace(good, relative=replace(good.relative, **change))])
