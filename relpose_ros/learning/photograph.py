"""From exact radiance to what a cheap camera makes of it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

MEAN_LEVEL = 0.40  # where automatic exposure puts the middle of the picture, encoded
READ_NOISE = 0.006
SHOT_NOISE = 0.012


def photograph(radiance: Tensor, seeds: Sequence[int]) -> Tensor:
    """
    Expose, tint, blur and add noise, each image by its own seed.

    :param radiance: (B, 3, H, W), linear.
    :param seeds: (B,), what chance does to each image.
    :return: (B, 3, H, W) uint8.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    chance = torch.stack([torch.rand(4, generator=g) for g in generators]).to(radiance)
    noise = torch.stack([torch.randn(radiance.shape[1:], generator=g) for g in generators])
    middle = radiance.clamp_max(4).mean((1, 2, 3))
    exposure = MEAN_LEVEL**2 / middle * 2 ** (0.6 * chance[:, 0] - 0.3)
    warmth = 0.16 * chance[:, 1] - 0.08
    balance = torch.stack((1 + warmth, torch.ones_like(warmth), 1 - warmth), 1)
    exposed = radiance * (exposure[:, None] * balance)[:, :, None, None]
    blurred = _blurred(exposed, 0.3 + 0.35 * chance[:, 2])
    # Highlights roll off instead of clipping hard; dark tones stay linear.
    encoded = (blurred * (1 + blurred / 4) / (1 + blurred)).clamp(0, 1).sqrt()
    spread = READ_NOISE + SHOT_NOISE * encoded * chance[:, 3, None, None, None]
    encoded = encoded * 1.12 + spread * noise.to(radiance)
    return (encoded * 255).round().clamp(0, 255).to(torch.uint8)


def _blurred(images: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur each image by its own narrow Gaussian."""
    offsets = torch.arange(-2, 3, device=images.device)
    kernel = (-(offsets**2) / (2 * sigma_px[:, None] ** 2)).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(images.shape[1], 0)
    stack = pad(images, (2, 2, 2, 2), mode='replicate').flatten(0, 1)[None]
    stack = conv2d(stack, kernel[:, None, :, None], groups=len(kernel))
    stack = conv2d(stack, kernel[:, None, None, :], groups=len(kernel))
    return stack[0].unflatten(0, images.shape[:2])
