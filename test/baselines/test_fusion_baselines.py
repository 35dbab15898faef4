"""The other ways to make one pose of several keyframes: right where they can be."""

from dataclasses import replace

import numpy as np
import pytest
from relpose_ros.baselines.fusion_baselines import (
    best_single,
    FUSIONS,
    geometric_median,
    ransac_triangulation,
    ray_intersection,
)
from relpose_ros.core.estimator import Matches, RelativePose
from relpose_ros.core.fusion import KeyframeEstimate
from relpose_ros.core.geometry import inverse, position_error_m, rotation_error_rad, transform
from scipy.spatial.transform import Rotation

NO_MATCHES = Matches(np.zeros((0, 2)), np.zeros((0, 2)))
TRUE = transform(Rotation.from_euler('xyz', [0.4, -1.1, 0.7]).as_matrix(), [3.0, -2.0, 1.0])
OFFSETS_M = [(1, 0, 0), (0, 1, 0.2), (-0.3, 0.1, 1), (0.5, -1, 0), (-1, 0.4, 0.3)]


def exact(support=100.0, metric=True):
    """Return exact estimates of five keyframes around TRUE."""
    found = []
    for i, offset_m in enumerate(OFFSETS_M):
        rotation = Rotation.from_rotvec([0.1 * i, -0.2, 0.05 * i]).as_matrix() @ TRUE[:3, :3]
        map_from_keyframe = transform(rotation, TRUE[:3, 3] + offset_m)
        pose = inverse(map_from_keyframe) @ TRUE
        if not metric:
            pose[:3, 3] /= np.linalg.norm(pose[:3, 3])
        relative = RelativePose(pose, metric, np.eye(6), support + i, NO_MATCHES)
        found.append(KeyframeEstimate(map_from_keyframe, relative))
    return found


def with_wrong_direction(estimates, i):
    pose = estimates[i].relative.keyframe_from_query.copy()
    pose[:3, 3] = np.roll(pose[:3, 3], 1) * [1, -1, 1]
    wrong = replace(
        estimates[i], relative=replace(estimates[i].relative, keyframe_from_query=pose)
    )
    return [*estimates[:i], wrong, *estimates[i + 1 :]]


@pytest.mark.parametrize('fuse', FUSIONS.values(), ids=FUSIONS)
def test_exact_estimates_give_the_exact_pose(fuse):
    fused = fuse(exact())
    assert position_error_m(fused.map_from_query, TRUE) < 1e-6
    assert rotation_error_rad(fused.map_from_query, TRUE) < 1e-6
    assert fused.agreeing[0] == 4  # the best supported


@pytest.mark.parametrize('fuse', FUSIONS.values(), ids=FUSIONS)
def test_nothing_gives_nothing(fuse):
    assert fuse([]) is None


@pytest.mark.parametrize('fuse', [best_single, geometric_median])
def test_without_ranges_there_is_no_pose(fuse):
    assert fuse(exact(metric=False)) is None


@pytest.mark.parametrize('fuse', [ray_intersection, ransac_triangulation])
def test_rays_do_without_ranges(fuse):
    assert position_error_m(fuse(exact(metric=False)).map_from_query, TRUE) < 1e-6
    assert fuse(exact()[:1]) is None


def test_only_ransac_leaves_a_wrong_ray_out():
    mixed = with_wrong_direction(exact(), 2)
    assert position_error_m(ray_intersection(mixed).map_from_query, TRUE) > 0.05
    fused = ransac_triangulation(mixed)
    assert position_error_m(fused.map_from_query, TRUE) < 1e-6
    assert fused.agreeing == (4, 3, 1, 0)
    assert fused.agreement == pytest.approx(408 / 510)


def test_the_median_stands_a_wrong_position():
    mixed = with_wrong_direction(exact(), 2)
    assert position_error_m(geometric_median(mixed).map_from_query, TRUE) < 1e-3


def test_the_single_keyframe_turns_its_covariance_into_the_map():
    only = exact()[1]
    spread = np.diag([1.0, 2, 3, 4, 5, 6])
    only = replace(only, relative=replace(only.relative, covariance=spread))
    R = only.map_from_keyframe[:3, :3]
    expected = R @ spread[:3, :3] @ R.T
    np.testing.assert_allclose(best_single([only]).covariance[:3, :3], expected)
