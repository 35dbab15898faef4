"""The camera's imperfections: by seed, and without moving what the depth says."""

import pytest
from relpose_ros.learning import photograph as photographs
from relpose_ros.learning.optics import bent, compressed, shaken, veiled
from relpose_ros.learning.photograph import photograph
import torch
from torch import Tensor

HEIGHT, WIDTH = 60, 90


@pytest.fixture
def radiance() -> Tensor:
    return torch.rand(3, 3, 20, 30, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def ramp() -> Tensor:
    """Two images whose channels say where each pixel is."""
    v, u = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing='ij')
    return torch.stack((u, v)).float().expand(2, 2, HEIGHT, WIDTH)


@pytest.mark.parametrize('strength', [0.0, 0.5, 1.0])
def test_photographs_depend_on_their_seed_alone(radiance: Tensor, strength: float) -> None:
    whole = photograph(radiance, [5, 6, 7], strength)
    assert torch.equal(photograph(radiance[1:2], [6], strength)[0], whole[1])
    assert not torch.equal(photograph(radiance[1:2], [8], strength)[0], whole[1])
    assert whole.float().mean() > 60


def test_a_rough_camera_spoils_more_than_a_calm_one(radiance: Tensor) -> None:
    smooth = torch.nn.functional.interpolate(radiance, scale_factor=4, mode='bilinear')
    seeds = list(range(20))
    images = smooth[:1].expand(20, -1, -1, -1)

    def spread(strength: float) -> Tensor:
        return photograph(images, seeds, strength).float().std(0).mean()

    assert spread(1.0) > 1.5 * spread(0.5) > 1.5 * spread(0.0)


def test_a_wrong_lens_moves_no_pixel_by_half_a_pixel(ramp: Tensor) -> None:
    corner = photographs.CORNER_PX * torch.tensor((1.0, -1.0))
    shear = photographs.SHEAR_PX * torch.tensor((1.0, -1.0))
    moved = (bent(ramp, corner, shear) - ramp).norm(dim=1)
    assert 0.3 < moved.max() < 0.5


def test_shake_and_defocus_keep_the_middle(ramp: Tensor) -> None:
    angle, inside = torch.tensor((0.4, 2.0)), slice(10, -10)
    soft = shaken(ramp, torch.tensor((7.0, 0.1)), angle, torch.tensor((0.4, 1.5)))
    assert torch.allclose(soft[:, :, inside, inside], ramp[:, :, inside, inside], atol=0.02)
    dot = torch.zeros(1, 1, 21, 21)
    dot[..., 10, 10] = 1
    streak = shaken(dot, torch.tensor((6.0,)), torch.tensor((0.0,)), torch.tensor((0.4,)))[0, 0]
    assert streak[10, 7:14].min() > 0.05 > streak[8].max()


def test_compression_is_coarser_at_lower_quality(radiance: Tensor) -> None:
    coarse, fine, best = (
        (compressed(radiance, torch.full((3,), quality)) - radiance).abs().mean()
        for quality in (20.0, 70.0, 100.0)
    )
    assert coarse > 1.5 * fine > 3 * best
    assert best < 0.01
    flat = torch.full((1, 3, 20, 30), 0.5)
    assert torch.allclose(compressed(flat, torch.tensor((30.0,))), flat, atol=0.04)


def test_stray_light_surrounds_what_is_bright() -> None:
    picture = torch.zeros(1, 3, 96, 96)
    picture[..., 40:56, 40:56] = 5
    haze = veiled(picture, torch.tensor((0.2,))) - picture
    assert haze[0, 0, 48, 48] > haze[0, 0, 48, 66] > 0.01 > haze[0, 0, 4, 4]
