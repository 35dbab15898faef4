"""Keyframes look again where the matches of all of them say that the query is."""

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose, Sightings
from relpose_ros.core.geometry import (
    inverse,
    position_error_m,
    rotation_error_rad,
    transform,
    transform_points,
)
from relpose_ros.core.second_look import second_look
from scipy.spatial.transform import Rotation

CAMERA = Camera(640, 480, 520.0, 520.0, 320.0, 240.0)
THRESHOLD_PX = 3.0
QUERY = transform(Rotation.from_euler('yxz', [0.2, -0.05, 0.03]).as_matrix(), [0.2, 0.05, 0.1])
ELSEWHERE = transform(Rotation.from_euler('y', 0.4).as_matrix(), [0.9, -0.4, 0.3])
MAP_FROM_KEYFRAMES = [
    transform(Rotation.from_euler('y', angle).as_matrix(), [x_m, 0.0, 0.0])
    for x_m, angle in ((-0.4, 0.1), (0.0, 0.0), (0.5, -0.1))
]


def sightings(rng, map_from_keyframe, right, wrong, guess=None, seen_from=QUERY, needed=20):
    """Points before a keyframe, some seen where a query at `seen_from` sees them."""
    count = right + wrong
    pixels_keyframe = rng.uniform((80, 60), (560, 420), (count, 2))
    points = CAMERA.rays(pixels_keyframe) * rng.uniform(1.5, 4, (count, 1))
    query_from_keyframe = inverse(seen_from) @ map_from_keyframe
    pixels = CAMERA.project(transform_points(query_from_keyframe, points))
    pixels += rng.normal(0, 0.7, pixels.shape)
    pixels[right:] = rng.uniform((0, 0), (640, 480), (wrong, 2))
    found = None if guess is None else inverse(map_from_keyframe) @ guess
    matches = Matches(pixels, pixels_keyframe)
    return Sightings(points, matches, CAMERA, THRESHOLD_PX, needed, found)


def failed(seen, support=0):
    return NoRelativePose(Reason.NO_CONSISTENT_POSE, 'alone', support, seen)


def solved(seen, support):
    matches = Matches(seen.matches.pixels_query[:1], seen.matches.pixels_keyframe[:1])
    return RelativePose(seen.keyframe_from_query, True, np.eye(6), support, matches, seen)


def looked(estimates):
    return second_look(MAP_FROM_KEYFRAMES[: len(estimates)], estimates)


def near_query(rng):
    """Return a pose that a few matches would give: some centimetres off."""
    turn = Rotation.from_rotvec(rng.normal(0, 0.003, 3)).as_matrix()
    return QUERY @ transform(turn, rng.normal(0, 0.005, 3))


def test_keyframes_that_fail_alone_agree_with_each_other():
    rng = np.random.default_rng(0)
    guesses = near_query(rng), None, None
    views = zip(MAP_FROM_KEYFRAMES, guesses, strict=True)
    estimates = [failed(sightings(rng, pose, 18, 60, guess)) for pose, guess in views]
    for map_from_keyframe, found in zip(MAP_FROM_KEYFRAMES, looked(estimates), strict=True):
        map_from_query = map_from_keyframe @ found.keyframe_from_query
        assert found.metric
        assert 16 <= found.support < 20
        assert len(found.matches.pixels_query) == found.support
        assert position_error_m(map_from_query, QUERY) < 0.03
        assert rotation_error_rad(map_from_query, QUERY) < np.radians(1)
        off_m = map_from_query[:3, 3] - QUERY[:3, 3]
        assert off_m @ np.linalg.inv(found.covariance[:3, :3]) @ off_m < 20


def test_a_wrong_pose_of_right_matches_is_put_right():
    rng = np.random.default_rng(1)
    sure = solved(sightings(rng, MAP_FROM_KEYFRAMES[0], 40, 20, near_query(rng)), 40)
    # It was solved, say from points of a plane, far from where most of its matches are.
    misled = solved(sightings(rng, MAP_FROM_KEYFRAMES[1], 30, 10, ELSEWHERE), 30)
    found = looked([sure, misled])[1]
    assert found is not misled
    assert position_error_m(MAP_FROM_KEYFRAMES[1] @ found.keyframe_from_query, QUERY) < 0.02


def test_a_keyframe_that_sees_something_else_stays_with_it():
    rng = np.random.default_rng(2)
    sure = [
        solved(sightings(rng, pose, 40, 20, near_query(rng)), 40)
        for pose in MAP_FROM_KEYFRAMES[:2]
    ]
    seen = sightings(rng, MAP_FROM_KEYFRAMES[2], 30, 20, ELSEWHERE, seen_from=ELSEWHERE)
    other = solved(seen, 30)
    assert looked([*sure, other])[2] is other


@pytest.mark.parametrize('seed', range(5))
def test_wrong_matches_agree_on_nothing(seed):
    rng = np.random.default_rng(seed)
    estimates = [
        failed(sightings(rng, pose, 0, 100, ELSEWHERE), support=6) for pose in MAP_FROM_KEYFRAMES
    ]
    assert looked(estimates) == estimates


def test_one_keyframe_alone_or_none_with_depth_changes_nothing():
    rng = np.random.default_rng(3)
    seen = sightings(rng, MAP_FROM_KEYFRAMES[0], 30, 10, near_query(rng))
    without = NoRelativePose(Reason.FEW_MATCHES, 'no depth')
    for estimates in ([failed(seen)], [solved(seen, 30), without], [without, without]):
        assert looked(estimates) == estimates


def test_a_few_right_matches_among_many_are_not_believed():
    rng = np.random.default_rng(4)
    sure = solved(sightings(rng, MAP_FROM_KEYFRAMES[0], 40, 20, near_query(rng)), 40)
    faint = failed(sightings(rng, MAP_FROM_KEYFRAMES[1], 12, 200))
    assert looked([sure, faint]) == [sure, faint]


def test_keyframes_that_are_hardly_believed_alone_are_not_enough():
    rng = np.random.default_rng(5)
    guesses = near_query(rng), None
    views = zip(MAP_FROM_KEYFRAMES[:2], guesses, strict=True)
    estimates = [failed(sightings(rng, pose, 18, 60, guess)) for pose, guess in views]
    assert looked(estimates) == estimates
