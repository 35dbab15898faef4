"""The motion that matches agree on."""

import numpy as np
import pytest
from relpose_ros.core.two_view_motion import (
    half_sphere,
    Motion,
    parallax,
    sampson_error,
    two_view_motion,
)
from scipy.spatial.transform import Rotation
import torch
import torch.nn.functional as F

COUNT = 300
DIRECTIONS = [(1, 0, 0), (0, -1, 0), (0.2, 0.1, -1), (0.5, 0.5, 0.7), (-1, 0.3, 0.2)]


def matches(noise_rad=0.0, wrong=0, baseline_m=0.4, seed=0):
    """Return rays of points two metres ahead, and the true motions."""
    rng = np.random.default_rng(seed)
    rays_1, rays_2, rotations, directions = [], [], [], []
    for direction in DIRECTIONS:
        points = rng.uniform((-1.2, -0.9, 1.2), (1.2, 0.9, 3.5), (COUNT, 3))
        rotation = Rotation.from_rotvec(rng.normal(0, 0.2, 3)).as_matrix()
        unit = np.array(direction) / np.linalg.norm(direction)
        seen = (points - baseline_m * unit) @ rotation  # in image 2
        noisy = seen / seen[:, 2:] + rng.normal(0, noise_rad, seen.shape) * (1, 1, 0)
        noisy[:wrong] = rng.uniform((-0.6, -0.45, 1), (0.6, 0.45, 1), (wrong, 3))
        rays_1.append(points)
        rays_2.append(noisy)
        rotations.append(rotation)
        directions.append(unit)
    rays = (torch.tensor(np.array(each)).float() for each in (rays_1, rays_2))
    truth = (torch.tensor(np.array(each)).float() for each in (rotations, directions))
    return *(F.normalize(each, dim=2) for each in rays), Motion(*truth, None)


def angles_deg(found, true):
    cosine = ((found.rotation * true.rotation).sum((1, 2)) - 1) / 2
    aligned = (found.direction * true.direction).sum(1)
    return [torch.rad2deg(each.clamp(-1, 1).arccos()) for each in (cosine, aligned)]


@pytest.mark.parametrize(
    ('noise_rad', 'wrong', 'turned_deg', 'off_deg'), [(0, 0, 0.1, 0.2), (0.004, 50, 1.0, 6.0)]
)
def test_the_motion_is_found_among_wrong_matches(noise_rad, wrong, turned_deg, off_deg):
    rays_1, rays_2, true = matches(noise_rad, wrong)
    found = two_view_motion(rays_1, rays_2, torch.ones(rays_1.shape[:2]))
    turned, off = angles_deg(found, true)
    assert turned.max() < turned_deg
    assert off.max() < off_deg  # with its sign: points are in front of the cameras
    assert (found.misfit < 0.05 + wrong / COUNT).all()
    assert (found.misfit >= 0).all()


def test_matches_without_weight_do_not_count():
    rays_1, rays_2, true = matches(wrong=200)
    weights = torch.ones(rays_1.shape[:2])
    weights[:, :200] = 0
    turned, off = angles_deg(two_view_motion(rays_1, rays_2, weights), true)
    assert turned.max() < 0.1
    assert off.max() < 0.2


def test_pairs_of_a_batch_do_not_disturb_each_other():
    rays_1, rays_2, _ = matches(0.004, 50)
    weights = torch.ones(rays_1.shape[:2])
    together = two_view_motion(rays_1, rays_2, weights)
    alone = two_view_motion(rays_1[2:3], rays_2[2:3], weights[2:3])
    torch.testing.assert_close(alone.rotation, together.rotation[2:3], atol=1e-3, rtol=0)


def test_a_pure_rotation_is_a_rotation():
    rays_1, rays_2, true = matches(0.002, baseline_m=0.0)
    found = two_view_motion(rays_1, rays_2, torch.ones(rays_1.shape[:2]))
    assert angles_deg(found, true)[0].max() < 0.8


def test_no_matches_at_all_are_no_error():
    rays_1, rays_2, _ = matches()
    found = two_view_motion(rays_1, rays_2, torch.zeros(rays_1.shape[:2]))
    assert all(each.isfinite().all() for each in found)
    torch.testing.assert_close(found.rotation @ found.rotation.mT, torch.eye(3).expand(5, 3, 3))


def test_the_inverse_is_the_motion_of_the_other_order():
    rays_1, rays_2, true = matches()
    assert sampson_error(true, rays_1, rays_2).abs().max() < 1e-5
    assert sampson_error(true.inverse(), rays_2, rays_1).abs().max() < 1e-5
    torch.testing.assert_close(true.inverse().inverse().direction, true.direction)


def test_parallax_over_the_sine_is_baseline_by_depth():
    rays_1, rays_2, true = matches(baseline_m=0.4)
    sine = torch.linalg.cross(rays_1, true.direction[:, None].expand_as(rays_1)).norm(dim=2)
    # The distance of a point from camera 2, by the law of sines.
    distance_m = 0.4 * sine / parallax(true, rays_1, rays_2)
    turned = rays_2 @ true.rotation.mT
    points_2 = 0.4 * true.direction[:, None] + distance_m[..., None] * turned
    far = sine > 0.2  # from the epipole, where a ray tells little
    off = torch.linalg.cross(rays_1, points_2)[far].norm(dim=1)
    assert off.max() < 1e-3
    assert (distance_m[far] > 0.5).all()


def test_directions_are_spread_over_the_half_sphere():
    directions = half_sphere(16)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(16))
    others = F.normalize(torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    nearest = (others @ directions.T).abs().max(1).values
    assert torch.rad2deg(nearest.arccos()).max() < 30
