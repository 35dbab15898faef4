"""A better pose from the network's matches: on points with known geometry, and on the wall."""

from dataclasses import replace

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.geometry import (
    direction_error_rad,
    inverse,
    position_error_m,
    rotation_error_rad,
    transform,
    transform_points,
)
from relpose_ros.core.network_pose import NetworkEstimator
from relpose_ros.core.pair_geometry import PairMatches, solve_pair, solve_pairs
from relpose_ros.core.refine import blended, RefinementConfig
from scipy.spatial.transform import Rotation

CAMERA = Camera(640, 480, 520.0, 520.0, 320.0, 240.0)
TRUE = transform(Rotation.from_euler('yxz', [0.25, -0.1, 0.05]).as_matrix(), [0.4, -0.1, 0.2])
NOTHING = Matches(np.zeros((0, 2)), np.zeros((0, 2)))


def matches(count=150, wrong=0.2, depth=True, seed=0, true=TRUE):
    """Points seen by a keyframe and a query, some matched wrongly, all to a pixel."""
    rng = np.random.default_rng(seed)
    points = CAMERA.rays(rng.uniform((60, 60), (580, 420), (count, 2)))
    points *= rng.uniform(1, 4, (count, 1))
    pixels_query = CAMERA.project(transform_points(inverse(true), points))
    pixels_query += rng.normal(0, 0.7, (count, 2))
    swapped = rng.permutation(count)[: round(wrong * count)]
    pixels_query[swapped] = rng.uniform((0, 0), (640, 480), (len(swapped), 2))
    depth_m = points[:, 2] if depth else None
    return PairMatches(pixels_query, CAMERA.project(points), depth_m, CAMERA, CAMERA)


def regressed(position_m=0.1, rotation_rad=0.1, error=(0.06, 0.05, 0.0)):
    """Return what a head says that errs by some centimetres and degrees."""
    turn = transform(Rotation.from_rotvec([0.03, 0.05, 0.0]).as_matrix(), error)
    covariance = np.diag([position_m**2] * 3 + [rotation_rad**2] * 3)
    return RelativePose(TRUE @ turn, True, covariance, 60.0, NOTHING)


UNBELIEVED = NoRelativePose(Reason.NO_CONSISTENT_POSE, 'of the head')


def solved_alone(pair):
    return solve_pair(pair, threshold_px=3.0, min_inliers=20)


def solved_in_a_batch(pair):
    """Solve a pair beside others, with and without depth, one of them with too few matches."""
    others = matches(count=60, depth=False, seed=1), matches(count=10, depth=False), matches()
    return solve_pairs([others[0], pair, *others[1:]], 3.0, [20] * 4)[1]


def blend(pair, head, solve=solved_alone):
    return blended(solve(pair), head)


def test_keyframe_depth_gives_the_metric_pose_whatever_the_head_says():
    for head in (regressed(), UNBELIEVED):
        found = blend(matches(), head)
        assert found.metric
        assert position_error_m(found.keyframe_from_query, TRUE) < 0.01
        assert rotation_error_rad(found.keyframe_from_query, TRUE) < np.radians(0.3)


@pytest.mark.parametrize('solve', (solved_alone, solved_in_a_batch))
def test_without_depth_geometry_has_the_direction_and_the_head_the_range(solve):
    head = regressed()
    found = blend(matches(depth=False), head, solve)
    assert found.metric
    assert rotation_error_rad(found.keyframe_from_query, TRUE) < np.radians(0.5)
    assert direction_error_rad(found.keyframe_from_query, TRUE) < np.radians(2)
    assert direction_error_rad(head.keyframe_from_query, TRUE) > np.radians(5)
    distance_m = np.linalg.norm(found.keyframe_from_query[:3, 3])
    assert abs(distance_m - np.linalg.norm(TRUE[:3, 3])) < 0.1
    # Sure across the direction, as unsure along it as the head.
    direction = found.keyframe_from_query[:3, 3] / distance_m
    along = direction @ found.covariance[:3, :3] @ direction
    assert 0.05 < np.sqrt(along) < 0.15
    assert np.trace(found.covariance[:3, :3]) - along < along / 10


def test_a_head_that_contradicts_the_matches_is_not_blended():
    wrong = replace(
        regressed(position_m=0.02, rotation_rad=0.02),
        keyframe_from_query=transform(np.eye(3), [-0.5, 0, 0]),
    )
    for head in (wrong, UNBELIEVED):
        found = blend(matches(depth=False), head)
        assert not found.metric
        assert direction_error_rad(found.keyframe_from_query, TRUE) < np.radians(2)


def test_a_head_that_looks_the_other_way_does_not_turn_the_direction_round():
    unsure = replace(
        regressed(position_m=2.0, rotation_rad=0.5),
        keyframe_from_query=transform(TRUE[:3, :3], -TRUE[:3, 3]),
    )
    found = blend(matches(depth=False), unsure)
    assert not found.metric
    assert direction_error_rad(found.keyframe_from_query, TRUE) < np.radians(2)


def test_matches_that_contradict_each_other_speak_against_the_head():
    found = blend(matches(wrong=1.0), regressed())
    assert isinstance(found, NoRelativePose)
    assert found.reason is Reason.NO_CONSISTENT_POSE


def test_with_few_matches_the_head_is_alone():
    few, head = matches(count=10), regressed()
    assert blend(few, head) is head


@pytest.fixture(scope='module')
def estimators():
    """Return the shipped network with each way of making a pose of its matches."""
    shipped = load_estimator('network')

    def made(**config):
        refinement = RefinementConfig(**config)
        return NetworkEstimator(shipped.network, shipped.weights, refinement=refinement)

    return {
        'regression': made(pose='regression'),
        'coarse': made(pose='geometry', fine=False, threshold_px=9),
        'fine': made(pose='geometry'),
        'blend': made(),
    }


def test_every_step_makes_the_shipped_network_better(estimators, photograph):
    """On the wall, with the keyframe's depth: coarse cells, then corners."""
    keyframe, query = photograph(0.0), photograph(0.25, 0.1, 5.0)
    true = inverse(keyframe.map_from_camera) @ query.map_from_camera
    errors = {}
    for name, estimator in estimators.items():
        pair = (
            estimator.features(query.rgb, query.camera, None),
            [estimator.features(keyframe.rgb, keyframe.camera, keyframe.depth_m)],
        )
        found = estimator.estimate(*pair)[0]
        errors[name] = np.inf
        if isinstance(found, RelativePose):
            errors[name] = position_error_m(found.keyframe_from_query, true)
    assert errors['fine'] < 0.02
    assert errors['blend'] < 0.02
    assert errors['fine'] < errors['coarse'] / 2
    assert errors['fine'] < errors['regression'] / 2


def test_another_wall_gives_no_pose(estimators, photograph):
    query = photograph(0.0, seed=1)
    for x_m in (-1.0, 0.0, 1.0):
        keyframe = photograph(x_m)
        estimator = estimators['blend']
        pair = (
            estimator.features(query.rgb, query.camera, None),
            [estimator.features(keyframe.rgb, keyframe.camera, keyframe.depth_m)],
        )
        assert isinstance(estimator.estimate(*pair)[0], NoRelativePose)


@pytest.mark.parametrize('seed', range(4))
def test_motion_around_what_is_seen_is_found_among_many_wrong_matches(seed):
    # The camera rolls and goes far around: no turn alone brings most of the rays together.
    rotation = Rotation.from_rotvec([0.1, 1.1, 0.5]).as_matrix()
    centre = np.array([0.0, 0.0, 2.5])
    around = transform(rotation, centre - rotation @ centre)
    found = solved_alone(matches(depth=False, wrong=0.5, seed=seed, true=around))
    assert isinstance(found, RelativePose)
    assert rotation_error_rad(found.keyframe_from_query, around) < np.radians(1)
    assert direction_error_rad(found.keyframe_from_query, around) < np.radians(3)


def test_matches_are_told_in_pixels_of_the_images_as_they_came(estimators, photograph):
    view = photograph(0.0)
    estimator = estimators['fine']
    features = estimator.features(view.rgb, view.camera, view.depth_m)
    found = estimator.estimate(features, [features])[0]
    assert len(found.matches.pixels_query) > 100
    np.testing.assert_allclose(found.matches.pixels_query, found.matches.pixels_keyframe, atol=4.0)
    assert (found.matches.pixels_query < (view.camera.width, view.camera.height)).all()


@pytest.mark.parametrize('count', (0, 10))
@pytest.mark.parametrize('depth', (False, True))
def test_too_few_matches_are_told_from_matches_that_do_not_agree(count, depth):
    few, wrong = matches(count=count, depth=depth), matches(wrong=1.0, depth=depth)
    reasons = [each.reason for each in solve_pairs([few, wrong], 3.0, [20, 20])]
    assert reasons == [Reason.FEW_MATCHES, Reason.NO_CONSISTENT_POSE]
    assert reasons == [solve_pair(each, 3.0, 20).reason for each in (few, wrong)]
    assert solve_pairs([few], 3.0, [20])[0].detail == f'{count} of 20 needed matches'
