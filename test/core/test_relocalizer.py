"""The method whole, on photographs of a wall."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Reason
from relpose_ros.core.geometric_pose import GeometricEstimator
from relpose_ros.core.geometry import position_error_m, rotation_error_rad
from relpose_ros.core.keyframe_map import KeyframeMap, MapError
from relpose_ros.core.network_pose import NetworkEstimator, untrained_network
from relpose_ros.core.relocalizer import Localization, Rejection, Relocalizer, RelocalizerConfig
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
    return Relocalizer(keyframe_map, GeometricEstimator())


@pytest.mark.parametrize(('x_m', 'yaw_deg'), [(-1.0, 3), (-0.3, -8), (0.25, 0), (0.9, 10)])
def test_a_photograph_is_found_where_it_was_taken(relocalizer, photograph, x_m, yaw_deg):
    view = photograph(x_m, 0.1, yaw_deg)
    found = relocalizer.localize(view.rgb, view.camera)
    assert isinstance(found, Localization)
    assert position_error_m(found.map_from_query, view.map_from_camera) < 0.02
    assert rotation_error_rad(found.map_from_query, view.map_from_camera) < np.radians(0.5)
    assert found.candidates[0].similarity >= found.candidates[-1].similarity
    assert list(found.latency_s) == ['prepare', 'describe', 'search', 'features', 'match']
    assert np.linalg.eigvalsh(found.covariance).min() > 0


def test_another_wall_is_rejected_with_a_reason(relocalizer, photograph):
    for x_m in (-1.0, 0.0, 1.0):
        view = photograph(x_m, seed=1)
        result = relocalizer.localize(view.rgb, view.camera)
        assert isinstance(result, Rejection)
        assert result.reason in (Reason.FEW_MATCHES, Reason.NO_CONSISTENT_POSE)
        assert result.detail
        assert len(result.candidates) == 5


def test_an_image_without_texture_is_rejected(relocalizer, photograph):
    view = photograph(0.0)
    result = relocalizer.localize(np.full_like(view.rgb, 90), view.camera)
    assert isinstance(result, Rejection)


def test_dissimilar_keyframes_are_not_even_matched(keyframe_map, photograph):
    strict = Relocalizer(
        keyframe_map, GeometricEstimator(), RelocalizerConfig(min_similarity=0.999)
    )
    view = photograph(0.3)
    result = strict.localize(view.rgb, view.camera)
    assert result.reason is Reason.NO_SIMILAR_KEYFRAME
    assert 'match' not in result.latency_s


def test_a_pose_too_far_from_its_keyframe_is_rejected(keyframe_map, photograph):
    strict = Relocalizer(
        keyframe_map, GeometricEstimator(), RelocalizerConfig(max_distance_m=0.05)
    )
    view = photograph(0.3)
    assert strict.localize(view.rgb, view.camera).reason is Reason.IMPLAUSIBLE_POSE


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


def test_a_keyframe_without_depth_gives_no_position(keyframe_map, describer, tmp_path, photograph):
    view = photograph(0.3)
    views = [(photograph(0.1), False), (photograph(0.5), False)]
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, views) as flat:
        result = Relocalizer(flat, GeometricEstimator()).localize(view.rgb, view.camera)
    assert result.reason is Reason.SCALE_UNKNOWN


def test_an_empty_map_is_refused(tmp_path, keyframe_map):
    with (
        KeyframeMap.create(tmp_path / 'empty.relmap', keyframe_map.vocabulary) as empty,
        pytest.raises(MapError, match='has no keyframes'),
    ):
        Relocalizer(empty, GeometricEstimator())


@pytest.mark.parametrize('shape', [(240, 320), (0, 320, 3), (240, 320, 4), (100, 320, 3)])
def test_what_is_no_image_of_the_camera_is_an_error(relocalizer, shape):
    with pytest.raises(ValueError, match='rgb'):
        relocalizer.localize(np.zeros(shape, np.uint8), Camera(320, 240, 280, 280, 160, 120))


def test_the_network_takes_the_same_road(keyframe_map, photograph):
    """Untrained, so only its way through the method is tested: every candidate, one batch."""
    network = NetworkEstimator(untrained_network(), 'untrained')
    assert (network.name, network.weights) == ('network', 'untrained')
    view = photograph(0.3)
    result = Relocalizer(keyframe_map, network).localize(view.rgb, view.camera)
    assert isinstance(result, Localization | Rejection)
    assert list(result.latency_s) == ['prepare', 'describe', 'search', 'features', 'match']


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
    estimator = GeometricEstimator()
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
    for part in (slice(0, 3), slice(3, 6)):
        expected = R @ relative.covariance[part, part] @ R.T
        np.testing.assert_allclose(found.covariance[part, part], expected, rtol=1e-3, atol=1e-12)


def test_a_metric_pose_goes_before_a_better_supported_direction(
    keyframe_map, describer, tmp_path, photograph
):
    view = photograph(0.3)
    views = [(photograph(0.32), False), (photograph(0.9), True)]
    with map_of(tmp_path / 'a.relmap', keyframe_map, describer, views) as both:
        found = Relocalizer(both, GeometricEstimator()).localize(view.rgb, view.camera)
    assert found.candidates[0].keyframe_id == 1
    assert found.keyframe_id == 2
    assert position_error_m(found.map_from_query, view.map_from_camera) < 0.02
