"""From exact radiance to what a cheap camera makes of it."""

from collections.abc import Sequence

from relpose_ros.learning.optics import bent, compressed, gaussian_blurred, shaken, veiled
import torch
from torch import Tensor

MEAN_LEVEL = 0.40  # where automatic exposure puts the middle of the picture, encoded
READ_NOISE = 0.006
SHOT_NOISE = 0.012
CHANCES = 16
LONGEST_SHAKE_PX = 7.0
CORNER_PX, SHEAR_PX = 0.3, 0.2  # together less than half a pixel: depth and pose stay true


def photograph(radiance: Tensor, seeds: Sequence[int], strength: float = 0.0) -> Tensor:
    """
    Expose, tint, blur and add noise, each image by its own seed.

    :param radiance: (B, 3, H, W), linear.
    :param seeds: (B,), what chance does to each image.
    :param strength: 0: a calm camera in good light; 1: also wide exposures, shake, defocus, stray
        light, vignetting, strong noise, sharpening, block artefacts and a slightly wrong lens.
    :return: (B, 3, H, W) uint8.
    """
    generators = [torch.Generator(radiance.device).manual_seed(seed) for seed in seeds]

    def each(draw, *shape: int) -> Tensor:
        return torch.stack([draw(shape, generator=g, device=g.device) for g in generators])

    chance, noise = each(torch.rand, 4), each(torch.randn, *radiance.shape[1:])
    rough = each(torch.rand, CHANCES) if strength > 0 else None
    middle = radiance.clamp_max(4).mean((1, 2, 3))
    exposure = MEAN_LEVEL**2 / middle * 2 ** (0.6 * chance[:, 0] - 0.3)
    warmth = 0.16 * chance[:, 1] - 0.08
    balance = torch.stack((1 + warmth, torch.ones_like(warmth), 1 - warmth), 1)
    exposed = radiance * (exposure[:, None] * balance)[:, :, None, None]
    if rough is not None:
        exposed = _through_lens(exposed, rough, strength)
    blurred = gaussian_blurred(exposed, 0.3 + 0.35 * chance[:, 2])
    # Highlights roll off instead of clipping hard; dark tones stay linear.
    encoded = (blurred * (1 + blurred / 4) / (1 + blurred)).clamp(0, 1).sqrt()
    spread = READ_NOISE + SHOT_NOISE * encoded * chance[:, 3, None, None, None]
    if rough is None:
        encoded = encoded * 1.12 + spread * noise
    else:
        encoded = _processed(encoded * 1.12, spread * noise, rough, strength)
    return (encoded * 255).round().clamp(0, 255).to(torch.uint8)


def _some(chance: Tensor, share: float) -> Tensor:
    """Return 0 for all but a share of the chances (B,), which are spread over 0 to 1."""
    return ((chance - 1 + share) / share).clamp_min(0)


def _through_lens(exposed: Tensor, rough: Tensor, strength: float) -> Tensor:
    """Let exposure, lens and shutter err."""
    exposed = exposed * 2 ** (strength * (2.4 * rough[:, 0] - 0.9))[:, None, None, None]
    exposed = veiled(exposed, 0.25 * strength * rough[:, 1].square())
    side = 2 * rough[:, 2:4] - 1
    exposed = bent(exposed, CORNER_PX * strength * side[:, 0], SHEAR_PX * strength * side[:, 1])
    height, width = exposed.shape[2:]
    y = torch.linspace(-1, 1, height, device=exposed.device)[:, None]
    x = torch.linspace(-1, 1, width, device=exposed.device)
    dark = 0.5 * strength * _some(rough[:, 4], 0.5)[:, None, None] * (x * x + y * y) / 2
    exposed = exposed * (1 - dark)[:, None]
    length, sigma = _some(rough[:, 5], 0.35), _some(rough[:, 6], 0.35)
    moved = ((length > 0) | (sigma > 0)).nonzero()[:, 0]
    if not len(moved):
        return exposed
    length = LONGEST_SHAKE_PX * strength * length[moved].square()
    sigma = 0.4 + 1.1 * strength * sigma[moved].square()
    soft = shaken(exposed[moved], length, torch.pi * rough[moved, 7], sigma)
    # Where the sensor is read row by row, the shake may end half-way; so may the focus.
    slope = 4 * rough[moved, 8, None, None] - 2
    share = (1 + slope * y).clamp(0, 1)[:, None]
    return exposed.index_copy(0, moved, torch.lerp(exposed[moved], soft, share))


def _processed(encoded: Tensor, noise: Tensor, rough: Tensor, strength: float) -> Tensor:
    """Do what the camera's own processor does: contrast, denoising, sharpening, compression."""

    def per_image(value: Tensor) -> Tensor:
        return value[:, None, None, None]

    gamma = 1 + 0.35 * strength * (2 * rough[:, 9] - 1)
    black = 0.08 * strength * _some(rough[:, 10], 0.4)
    encoded = encoded.clamp_min(0) ** per_image(gamma)
    encoded = (encoded - per_image(black)) / per_image(1 - black)
    grain = gaussian_blurred(noise, 0.2 + 0.5 * rough[:, 11])
    encoded = encoded + per_image(1 + 3 * strength * rough[:, 12] ** 3) * grain
    halo = encoded - gaussian_blurred(encoded, 0.8 + 0.6 * rough[:, 13])
    encoded = encoded + per_image(1.4 * strength * _some(rough[:, 14], 0.5)) * halo
    return compressed(encoded.clamp(0, 1), 100 - 75 * strength * _some(rough[:, 15], 0.7).square())
