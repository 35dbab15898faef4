"""Poses with covariance, against what random errors do."""

import numpy as np
import pytest
from relpose_ros.core.geometry import transform
from relpose_ros.core.uncertain_pose import UncertainPose
from scipy.spatial.transform import Rotation


def pose(seed: int, scale_m: float = 1.0) -> np.ndarray:
    """Return (4, 4) at random."""
    rng = np.random.default_rng(seed)
    rotation = Rotation.random(random_state=rng).as_matrix()
    return transform(rotation, scale_m * rng.standard_normal(3))


def covariance(seed: int, sigma: float = 0.01) -> np.ndarray:
    """Return (6, 6), full, at random."""
    factor = sigma * np.random.default_rng(seed).standard_normal((6, 6))
    return factor @ factor.T


def disturbed(estimate: UncertainPose, count: int, seed: int) -> list[np.ndarray]:
    """Return truths (4, 4) for which the estimate may stand."""
    rng = np.random.default_rng(seed)
    errors = rng.multivariate_normal(np.zeros(6), estimate.covariance, count)
    mean = estimate.target_from_source
    turns = Rotation.from_rotvec(errors[:, 3:]).as_matrix() @ mean[:3, :3]
    positions = mean[:3, 3] + errors[:, :3]
    return [transform(*each) for each in zip(turns, positions, strict=True)]


def difference(true: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return (6,) of x y z [m] and rotations about the target's axes [rad]."""
    turn = Rotation.from_matrix(true[:3, :3] @ mean[:3, :3].T).as_rotvec()
    return np.concatenate((true[:3, 3] - mean[:3, 3], turn))


def test_covariance_of_another_frame_on_the_body() -> None:
    """It is that of the errors as they come: turns about the camera swing the base."""
    map_from_camera = UncertainPose(pose(1), covariance(2))
    camera_from_base = pose(3)
    map_from_base = map_from_camera.of(camera_from_base)
    assert np.allclose(map_from_base.target_from_source, pose(1) @ pose(3))
    errors = [
        difference(true @ camera_from_base, pose(1) @ pose(3))
        for true in disturbed(map_from_camera, 4000, seed=0)
    ]
    sampled = np.cov(np.transpose(errors))
    scale = np.abs(map_from_base.covariance).max()
    assert np.allclose(map_from_base.covariance, sampled, atol=0.1 * scale)
    assert not np.allclose(map_from_camera.covariance, sampled, atol=0.3 * scale)


def test_there_and_back() -> None:
    """Another frame and back again is the same pose with the same covariance."""
    there = UncertainPose(pose(1), covariance(2))
    back = there.of(pose(3)).of(np.linalg.inv(pose(3)))
    assert np.allclose(back.target_from_source, there.target_from_source)
    assert np.allclose(back.covariance, there.covariance)


def test_blending_weights_by_information() -> None:
    """The sharper one counts more on every axis, and the blend is sharper than both."""
    sharp_in_x, sharp_in_y = np.full(6, 0.02), np.full(6, 0.02)
    sharp_in_x[0] = sharp_in_y[1] = 0.001
    one = UncertainPose(transform(np.eye(3), np.zeros(3)), np.diag(sharp_in_x**2))
    other = UncertainPose(transform(np.eye(3), np.full(3, 0.02)), np.diag(sharp_in_y**2))
    blend = one.blended(other)
    assert np.allclose(blend.target_from_source[:3, 3], (0, 0.02, 0.01), atol=1e-4)
    assert np.all(np.diag(blend.covariance) < np.minimum(sharp_in_x, sharp_in_y) ** 2)
    again = other.blended(one)
    assert np.allclose(again.target_from_source, blend.target_from_source)
    assert np.allclose(again.covariance, blend.covariance)


def test_distances_are_one_for_errors_as_stated() -> None:
    """Of two estimates of one pose, as the root mean square over many."""
    covariances = covariance(2), covariance(3)
    drawn = [disturbed(UncertainPose(pose(1), each), 1000, 4) for each in covariances]
    drawn[1].reverse()  # not the same random numbers
    squared = [
        UncertainPose(one, covariances[0]).sigmas_from(UncertainPose(other, covariances[1])) ** 2
        for one, other in zip(*drawn, strict=True)
    ]
    assert np.mean(squared) == pytest.approx(1, abs=0.1)


def test_vaguer() -> None:
    """Variances add up."""
    vaguer = UncertainPose(pose(1), covariance(2)).vaguer(0.3, 0.1)
    assert np.allclose(np.diag(vaguer.covariance - covariance(2)), [0.09] * 3 + [0.01] * 3)


@pytest.mark.parametrize(
    ('matrix', 'size', 'text'),
    [
        (np.eye(3), np.eye(6), r'target_from_source: expected \(4, 4\), got \(3, 3\)'),
        (np.eye(4), np.eye(3), r'covariance: expected \(6, 6\), got \(3, 3\)'),
        (np.eye(4), np.full((6, 6), np.nan), 'covariance: not finite'),
    ],
)
def test_what_is_no_pose(matrix: np.ndarray, size: np.ndarray, text: str) -> None:
    """It is refused by name."""
    with pytest.raises(ValueError, match=text):
        UncertainPose(matrix, size)
