"""The method whole, on photographs of a wall."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from relpose_ros.baselines.fusion_baselines import best_single
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Reason
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.fusion import KEYFRAME_SIGMA_M, KEYFRAME_SIGMA_RAD
from relpose_ros.core.geometric_pose import GeometricEstimator
from relpose_ros.core.geometry import inverse, position_error_m, rotation_error_rad
from relpose_ros.core.keyframe_map import KeyframeMap, MapError
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.network_pose import NetworkEstimator, untrained_network
from relpose_ros.core.relocalizer import Relocalizer, RelocalizerConfig
from relpose_ros.core.vlad import DenseVlad


@pytest.fixture(scope='module')
def keyframe_map(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        yield keyframe_map


@pytest.fixture(scope='module')
def describer(keyframe_map):
    return DenseVlad(keyframe_map.vocabulary)


@pytest.fixture(scope='module')
def relocalizer(keyframe_map):
    return Relocalizer(keyframe_map, load_estimator('geometric'))


@pytest.mark.parametrize(('x_m', 'yaw_deg'), [(-1.0, 3), (-0.3, -8), (0.25, 0), (0.9, 10)])
def test_a_photograph_is_found_where_it_was_taken(
    relocalizer, keyframe_map, photograph, stages, x_m, yaw_deg
):
    view = photograph(x_m, 0.1, yaw_deg)
    found = relocalizer.localize(view.rgb, view.camera)
    assert isinstance(found, Localization)
    assert position_error_m(found.map_from_query, view.map_from_camera) < 0.02
    assert rotation_error_rad(found.map_from_query, view.map_from_camera) < np.radians(0.5)
    assert found.candidates[0].similarity >= found.candidates[-1].similarity
    assert tuple(found.latency_s) == stages[1:-1]
    assert found.keyframe_id == found.agreeing_ids[0]
    np.testing.assert_allclose(
        found.keyframe_from_query,
        inverse(keyframe_map.pose(found.keyframe_id)) @ found.map_from_query,
    )
    assert np.linalg.eigvalsh(found.covariance).min() > 0


def test_another_wall_is_rejected_with_a_reason(relocalizer, photograph):
    for x_m in (-1.0, 0.0, 1.0):
        view = photograph(x_m, seed=1)
        result = relocalizer.localize(view.rgb, view.camera)
        assert isinstance(result, Rejection)
        assert result.reason is not Reason.NO_SIMILAR_KEYFRAME
        assert result.detail
        assert len(result.candidates) == 5


def test_an_image_without_texture_is_rejected(relocalizer, photograph):
    view = photograph(0.0)
    result = relocalizer.localize(np.full_like(view.rgb, 90), view.camera)
    assert isinstance(result, Rejection)


def test_dissimilar_keyframes_are_not_even_matched(keyframe_map, photograph):
    strict = Relocalizer(
        keyframe_map, load_estimator('geometric'), RelocalizerConfig(min_similarity=0.999)
    )
    view = photograph(0.3)
    result = strict.localize(view.rgb, view.camera)
    assert result.reason is Reason.NO_SIMILAR_KEYFRAME
    assert 'match' not in result.latency_s


def test_a_pose_too_far_from_its_keyframe_is_rejected(keyframe_map, photograph):
    strict = Relocalizer(
        keyframe_map, load_estimator('geometric'), RelocalizerConfig(max_distance_m=0.05)
    )
    view = photograph(0.3)
    assert strict.localize(view.rgb, view.camera).reason is Reason.IMPLAUSIBLE_POSE


def test_a_pose_that_is_not_sure_of_itself_is_rejected(keyframe_map, photograph):
    view = photograph(0.3)
    sure = Relocalizer(keyframe_map, load_estimator('geometric')).localize(view.rgb, view.camera)
    sigma_m = np.sqrt(np.linalg.eigvalsh(sure.covariance[:3, :3])[-1])
    for factor, kind in ((1.01, Localization), (0.99, Rejection)):
        config = RelocalizerConfig(max_sigma_m=factor * sigma_m)
        result = Relocalizer(keyframe_map, load_estimator('geometric'), config).localize(
            view.rgb, view.camera
        )
        assert isinstance(result, kind)
    assert result.reason is Reason.UNCERTAIN_POSE


def test_an_image_with_lens_distortion_is_found_too(relocalizer, photograph):
    """A pinhole picture is given the distortion of a lens by the inverse of its model."""
    view = photograph(0.2)
    camera = replace(view.camera, distortion=(-0.2, 0.05, 0.0, 0.0, 0.0))
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float32)
    pixels = np.stack((u, v), axis=-1).reshape(-1, 1, 2)
    straight = cv2.undistortPoints(pixels, camera.K, np.array(camera.distortion), P=camera.K)
    straight = straight.reshape(camera.height, camera.width, 2)
    bent = cv2.remap(view.rgb, straight, None, cv2.INTER_LINEAR)
    found = relocalizer.localize(bent, camera)
    assert position_error_m(found.map_from_query, view.map_from_camera) < 0.02


def test_without_depth_keyframes_in_one_line_give_no_position(
    keyframe_map, describer, tmp_path, photograph
):
    view = photograph(0.3)
    views = [(photograph(0.1), False), (photograph(0.5), False)]
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, views) as flat:
        result = Relocalizer(flat, load_estimator('geometric')).localize(view.rgb, view.camera)
    assert result.reason is Reason.SCALE_UNKNOWN
    assert 'no depth' in result.detail


class WithoutRange(GeometricEstimator):
    """Keeps the length of its translations to itself: on a plane, epipolar geometry is blind."""

    def estimate(self, query, keyframes):
        rays = []
        for each in super().estimate(query, keyframes):
            pose = each.keyframe_from_query.copy()
            range_m = np.linalg.norm(pose[:3, 3])
            pose[:3, 3] /= range_m
            scale = np.diag([1 / range_m] * 3 + [1] * 3)
            covariance = scale @ each.covariance @ scale
            rays.append(
                replace(each, keyframe_from_query=pose, covariance=covariance, metric=False)
            )
        return rays


def test_rays_that_meet_give_a_position(keyframe_map, describer, tmp_path, photograph):
    view = photograph(0.3)
    views = [(photograph(0.0, 0.3), True), (photograph(0.65, 0.25), True)]
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, views) as two:
        found = Relocalizer(two, WithoutRange()).localize(view.rgb, view.camera)
    assert sorted(found.agreeing_ids) == [1, 2]
    assert position_error_m(found.map_from_query, view.map_from_camera) < 0.05
    assert rotation_error_rad(found.map_from_query, view.map_from_camera) < np.radians(1)


class Contradicting(GeometricEstimator):
    """Says of keyframes that are not the first of their batch that all is a metre further up."""

    def estimate(self, query, keyframes):
        first, *others = super().estimate(query, keyframes)
        wrong = []
        for each in others:
            pose = each.keyframe_from_query.copy()
            pose[1, 3] -= 1 + len(wrong)
            wrong.append(replace(each, keyframe_from_query=pose, support=first.support))
        return [first, *wrong]


def test_keyframes_that_contradict_each_other_give_no_pose(
    keyframe_map, describer, tmp_path, photograph
):
    view = photograph(0.3)
    views = [(photograph(0.1), True), (photograph(0.5), True), (photograph(0.3, 0.2), True)]
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, views) as three:
        config = RelocalizerConfig(batch=2)
        found = Relocalizer(three, Contradicting(), config).localize(view.rgb, view.camera)
        # The third is alone in its batch, hence right, and settles the vote.
        assert len(found.agreeing_ids) == 2
        assert found.agreement == pytest.approx(2 / 3, abs=0.1)
        assert position_error_m(found.map_from_query, view.map_from_camera) < 0.02
        config = RelocalizerConfig(candidates=2)
        result = Relocalizer(three, Contradicting(), config).localize(view.rgb, view.camera)
    assert result.reason is Reason.NO_CONSISTENT_POSE
    assert result.detail == '2 keyframes contradict each other'


def test_matching_goes_on_until_two_keyframes_agree(keyframe_map, describer, tmp_path, photograph):
    view = photograph(0.3)
    views = [(photograph(x_m), True) for x_m in (0.1, 0.4, 0.6, 0.8)]
    config = RelocalizerConfig(batch=1, enough_sigma_m=1000.0)
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, views) as four:
        relocalizer = Relocalizer(four, load_estimator('geometric'), config)
        found = relocalizer.localize(view.rgb, view.camera)
    assert len(found.agreeing_ids) == 2
    assert position_error_m(found.map_from_query, view.map_from_camera) < 0.02


def test_another_fusion_can_be_put_in_its_place(keyframe_map, photograph):
    view = photograph(0.3)
    single = Relocalizer(keyframe_map, load_estimator('geometric'), fuse=best_single)
    assert len(single.localize(view.rgb, view.camera).agreeing_ids) == 1
    fused = Relocalizer(keyframe_map, load_estimator('geometric'))
    assert len(fused.localize(view.rgb, view.camera).agreeing_ids) > 1


def test_an_empty_map_is_refused(tmp_path, keyframe_map):
    with (
        KeyframeMap.create(tmp_path / 'empty.relmap', keyframe_map.vocabulary) as empty,
        pytest.raises(MapError, match='has no keyframes'),
    ):
        Relocalizer(empty, load_estimator('geometric'))


@pytest.mark.parametrize('shape', [(240, 320), (0, 320, 3), (240, 320, 4), (100, 320, 3)])
def test_what_is_no_image_of_the_camera_is_an_error(relocalizer, shape):
    with pytest.raises(ValueError, match='rgb'):
        relocalizer.localize(np.zeros(shape, np.uint8), Camera(320, 240, 280, 280, 160, 120))


def test_the_network_takes_the_same_road(keyframe_map, photograph, stages):
    """Untrained, so only its way through the method is tested: every candidate, one batch."""
    network = NetworkEstimator(untrained_network(), 'untrained')
    assert (network.name, network.weights) == ('network', 'untrained')
    view = photograph(0.3)
    result = Relocalizer(keyframe_map, network).localize(view.rgb, view.camera)
    assert isinstance(result, Localization | Rejection)
    assert tuple(result.latency_s) == stages[1:-1]


def map_of(path, source, describer, views):
    """Write a map of (view, with depth or not)."""
    keyframe_map = KeyframeMap.create(path, source.vocabulary)
    for view, with_depth in views:
        depth_m = view.depth_m if with_depth else None
        descriptor = describer.describe(view.rgb)
        keyframe_map.add(0, view.map_from_camera, view.camera, view.rgb, descriptor, depth_m)
    return keyframe_map


def test_poses_compose_and_covariances_turn_into_the_map(
    keyframe_map, describer, tmp_path, photograph
):
    turned, view = photograph(0.3, yaw_deg=20), photograph(0.4, 0.1, yaw_deg=12)
    estimator = load_estimator('geometric')
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, [(turned, True)]) as one:
        found = Relocalizer(one, estimator).localize(view.rgb, view.camera)
        keyframe = one.keyframe(found.keyframe_id)
    relative = estimator.estimate(
        estimator.features(view.rgb, view.camera, None),
        [estimator.features(keyframe.rgb, keyframe.camera, keyframe.depth_m)],
    )[0]
    np.testing.assert_allclose(
        found.map_from_query, turned.map_from_camera @ found.keyframe_from_query, atol=1e-9
    )
    np.testing.assert_allclose(found.keyframe_from_query, relative.keyframe_from_query, atol=1e-6)
    R = turned.map_from_camera[:3, :3]
    for part, sigma, scale in (
        (slice(0, 3), KEYFRAME_SIGMA_M, estimator.calibration.position_scale),
        (slice(3, 6), KEYFRAME_SIGMA_RAD, estimator.calibration.rotation_scale),
    ):
        propagated = R @ relative.covariance[part, part] @ R.T + sigma**2 * np.eye(3)
        expected = scale**2 * propagated
        np.testing.assert_allclose(found.covariance[part, part], expected, rtol=1e-3, atol=1e-12)


def test_one_keyframe_with_depth_is_enough(keyframe_map, describer, tmp_path, photograph):
    view = photograph(0.3)
    views = [(photograph(0.32), False), (photograph(0.9), True)]
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, views) as both:
        found = Relocalizer(both, load_estimator('geometric')).localize(view.rgb, view.camera)
    assert found.candidates[0].keyframe_id == 1
    assert 2 in found.agreeing_ids
    assert position_error_m(found.map_from_query, view.map_from_camera) < 0.02
