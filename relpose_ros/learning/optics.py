"""What lenses, shutters and codecs do to pictures; every image of a batch by its own amount."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, interpolate, pad

KERNEL_PX = 11
LINE_SAMPLES = 9
VEIL_PX = 16  # sides of the pictures must reach this for stray light
# How coarsely JPEG keeps a block's frequencies at quality 50 (ITU T.81, table K.1, luminance).
JPEG_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def gaussian_blurred(images: Tensor, sigma_px: Tensor, reach_px: int = 2) -> Tensor:
    """Blur each image (B, C, H, W) by its own narrow Gaussian (B,), cut off at a reach."""
    offsets = torch.arange(-reach_px, reach_px + 1, device=images.device)
    kernel = (-(offsets**2) / (2 * sigma_px[:, None] ** 2)).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(images.shape[1], 0)
    stack = pad(images, (reach_px,) * 4, mode='replicate').flatten(0, 1)[None]
    stack = conv2d(stack, kernel[:, None, :, None], groups=len(kernel))
    stack = conv2d(stack, kernel[:, None, None, :], groups=len(kernel))
    return stack[0].unflatten(0, images.shape[:2])


def shaken(images: Tensor, length_px: Tensor, angle_rad: Tensor, sigma_px: Tensor) -> Tensor:
    """
    Blur by a straight motion of the camera and by defocus; the middle of the motion stays.

    :param images: (B, C, H, W), linear.
    :param length_px: (B,), of the motion; up to about KERNEL_PX.
    :param sigma_px: (B,), of the defocus, not zero.
    """
    half = KERNEL_PX // 2
    offset = torch.arange(-half, half + 1, device=images.device)
    along = torch.linspace(-0.5, 0.5, LINE_SAMPLES, device=images.device) * length_px[:, None]
    x = (offset - (along * angle_rad.cos()[:, None])[:, :, None]).square()  # (B, S, K)
    y = (offset - (along * angle_rad.sin()[:, None])[:, :, None]).square()
    spread = 2 * sigma_px[:, None, None].square()
    kernel = torch.einsum('bsy,bsx->byx', (-y / spread).exp(), (-x / spread).exp())
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    kernel = kernel.repeat_interleave(images.shape[1], 0)[:, None]
    stack = pad(images, (half,) * 4, mode='replicate').flatten(0, 1)[None]
    return conv2d(stack, kernel, groups=len(kernel))[0].unflatten(0, images.shape[:2])


def bent(images: Tensor, corner_px: Tensor, shear_px: Tensor) -> Tensor:
    """
    Displace pixels as a slightly wrong lens model and a rolling shutter do.

    :param corner_px: (B,), radial displacement in the corners; half as much nowhere else.
    :param shear_px: (B,), sideways displacement of the last row; the first goes the other way.
    """
    height, width = images.shape[2:]
    y = torch.linspace(-1, 1, height, device=images.device)[:, None].expand(height, width)
    x = torch.linspace(-1, 1, width, device=images.device).expand(height, width)
    radius = (x * x + y * y) / 2  # 1 in the corners
    # Least on average: outwards in the corners, inwards half-way.
    radial = corner_px[:, None, None] * (2 * radius - 1) * radius.sqrt()
    diagonal = (height**2 + width**2) ** 0.5
    shift_x = radial * x * width / diagonal + shear_px[:, None, None] * y
    shift_y = radial * y * height / diagonal
    shift = torch.stack((shift_x * 2 / (width - 1), shift_y * 2 / (height - 1)), 3)
    grid = torch.stack((x, y), 2) + shift
    return grid_sample(images, grid, padding_mode='border', align_corners=True)


def veiled(images: Tensor, strength: Tensor) -> Tensor:
    """Add the stray light of bright areas (B,) as a haze about them."""
    low = avg_pool2d(images.clamp_max(8), VEIL_PX, ceil_mode=True)
    low = avg_pool2d(pad(low, (1, 1, 1, 1), mode='replicate'), 3, stride=1)
    haze = interpolate(low, images.shape[2:], mode='bilinear', align_corners=False)
    return images + strength[:, None, None, None] * haze


def compressed(images: Tensor, quality: Tensor) -> Tensor:
    """
    Quantize blocks of 8 x 8 pixels as JPEG does.

    :param images: (B, C, H, W), 0 to 1.
    :param quality: (B,), 10 to 100.
    """
    height, width = images.shape[2:]
    padded = pad(images * 255 - 128, (0, -width % 8, 0, -height % 8), mode='replicate')
    blocks = padded.unflatten(3, (-1, 8)).unflatten(2, (-1, 8))  # (B, C, h, 8, w, 8)
    k = torch.arange(8, device=images.device, dtype=images.dtype)
    basis = (torch.pi / 8 * (k + 0.5) * k[:, None]).cos() / 2
    basis[0] /= 2**0.5
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50).clamp_min(0.02)
    step = images.new_tensor(JPEG_STEPS) * scale[:, None, None]
    step = step[:, None, None, :, None, :]
    frequencies = torch.einsum('ui,bchiwj,vj->bchuwv', basis, blocks, basis)
    kept = (frequencies / step).round() * step
    blocks = torch.einsum('ui,bchuwv,vj->bchiwj', basis, kept, basis)
    return (blocks.flatten(4, 5).flatten(2, 3)[..., :height, :width] + 128) / 255
