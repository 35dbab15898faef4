"""
Dense RootSIFT: SIFT descriptors on a regular grid at several scales, without keypoints.

The definition is vl_phow's (VLFeat), the descriptor under DenseVLAD (Torii et al., "24/7 place
recognition by view synthesis", CVPR 2015, section 5). Where vl_phow in its fast mode replaces the
Gaussian window by one weight per bin, the window here is the exact one; it costs nothing, because
window and bilinear interpolation are together one small kernel per image axis.
"""

from collections.abc import Sequence
import math

import torch
from torch import Tensor
from torch.nn import functional

ORIENTATIONS = 8
BINS = 4  # along each side of a region
DESCRIPTOR_SIZE = BINS * BINS * ORIENTATIONS

SMOOTHING_PER_BIN = 1 / 6  # vl_phow: magnification 6
WINDOW_BINS = 1.5  # vl_phow: standard deviation of the Gaussian window, in bins
CLAMP = 0.2  # Lowe: no gradient may dominate


def smallest_side_px(bin_sizes_px: Sequence[int]) -> int:
    """Return the smallest image side on which one descriptor of each scale fits [px]."""
    return BINS * max(bin_sizes_px) + 1


def grid_px(side_px: int, bin_sizes_px: Sequence[int], stride_px: int) -> Tensor:
    """
    Return where descriptors are centred along an image side; all scales share the centres.

    The largest region stays inside the image, and the grid sits in the middle of what is left.

    :param side_px: width or height of the image.
    :return: (n,), ascending [px].
    """
    free_px = side_px - smallest_side_px(bin_sizes_px)
    first_px = BINS * max(bin_sizes_px) // 2 + free_px % stride_px // 2
    return first_px + stride_px * torch.arange(free_px // stride_px + 1)


def dense_root_sift(
    grey: Tensor, bin_sizes_px: Sequence[int], stride_px: int, contrast_threshold: float
) -> Tensor:
    """
    Describe a batch of images.

    Orientation bin o is centred on the gradient direction o * 45 degrees from +u (right) towards
    +v (down); dimensions are ordered column, row, orientation, which is how they come.

    :param grey: (B, H, W) float in [0, 1]; the result is computed on its device.
    :param bin_sizes_px: width of a bin of each scale; a region is 4 bins wide.
    :param stride_px: distance of neighbouring descriptors.
    :param contrast_threshold: a descriptor whose region has a lower mean gradient, in grey value
        per pixel, is zero.
    :return: (B, N, 128), L2 norm 1 or 0; scale by scale, rows of the grid, columns of the grid.
    :raises ValueError: if the shape is wrong or the image smaller than a region.
    """
    smallest_px = smallest_side_px(bin_sizes_px)
    if grey.ndim != 3 or min(grey.shape[1:]) < smallest_px:
        raise ValueError(
            f'grey: expected (B, H, W) with sides of at least {smallest_px} px, '
            f'got {tuple(grey.shape)}'
        )
    rows = grid_px(grey.shape[1], bin_sizes_px, stride_px)
    columns = grid_px(grey.shape[2], bin_sizes_px, stride_px)
    scales = []
    for bin_px in bin_sizes_px:
        kernel = _bin_weights(bin_px).to(grey)
        smooth = _smoothed(grey, bin_px * SMOOTHING_PER_BIN)
        energy = _orientation_energy(smooth, kernel.shape[1] // 2)
        bins = _pooled(energy, rows, columns, kernel, stride_px)
        scales.append(_root_sift(bins, contrast_threshold))
    return torch.cat(scales, dim=1)


def _smoothed(grey: Tensor, sigma_px: float) -> Tensor:
    """Smooth with a Gaussian; the image's edge is continued. (B, H, W) -> (B, H, W)."""
    radius = math.ceil(4 * sigma_px)
    taps = [math.exp(-0.5 * (i / sigma_px) ** 2) for i in range(radius + 1)]
    total = 2 * sum(taps) - taps[0]
    padded = functional.pad(grey[:, None], 4 * (radius,), mode='replicate')[:, 0]
    for dim in (1, 2):
        # Adding shifted images is several times faster on a CPU than a convolution of one channel.
        size = grey.shape[dim]
        result = padded.narrow(dim, radius, size) * (taps[0] / total)
        for i in range(1, radius + 1):
            result.add_(padded.narrow(dim, radius - i, size), alpha=taps[i] / total)
            result.add_(padded.narrow(dim, radius + i, size), alpha=taps[i] / total)
        padded = result
    return padded


def _orientation_energy(grey: Tensor, margin_px: int) -> Tensor:
    """
    Share each gradient's length between its two nearest orientations.

    :param grey: (B, H, W).
    :param margin_px: rows of zeros to put above and below.
    :return: (H + 2 margin, B, 8, W): rows first, as they are pooled first.
    """
    gradient_v, gradient_u = torch.gradient(grey.transpose(0, 1), dim=(0, 2))
    length = torch.hypot(gradient_u, gradient_v)[:, :, None]  # (H, B, 1, W)
    bin_position = torch.atan2(gradient_v, gradient_u)[:, :, None] * (ORIENTATIONS / (2 * math.pi))
    lower = bin_position.floor()
    to_upper = length * (bin_position - lower)
    lower = lower.long()
    height, batch, _, width = length.shape
    energy = grey.new_zeros(height + 2 * margin_px, batch, ORIENTATIONS, width)
    inner = energy[margin_px : margin_px + height]
    wrap = ORIENTATIONS - 1  # a power of two less one: a mask, much faster than a remainder
    inner.scatter_(2, lower & wrap, length - to_upper)
    inner.scatter_(2, (lower + 1) & wrap, to_upper)
    return energy


def _pooled(
    energy: Tensor, rows: Tensor, columns: Tensor, kernel: Tensor, stride_px: int
) -> Tensor:
    """
    Sum the energy into the bins of every descriptor.

    :param energy: (H + 2 margin, B, 8, W), the margin half of the kernel's reach.
    :param kernel: (4, reach).
    :return: (B, rows * columns, 128).
    """
    _, batch, _, width = energy.shape
    margin_px = kernel.shape[1] // 2
    bins = _pooled_along_first(energy.flatten(1), rows, kernel, stride_px)
    bins = bins.reshape(-1, width).T  # (W, rows * 4 * B * 8)
    bins = functional.pad(bins, (0, 0, margin_px, margin_px))
    bins = _pooled_along_first(bins, columns, kernel, stride_px)
    bins = bins.unflatten(2, (len(rows), BINS, batch, ORIENTATIONS))
    # (columns, 4, rows, 4, B, 8) -> B, rows, columns, column bin, row bin, orientation
    return bins.permute(4, 2, 0, 1, 3, 5).reshape(batch, -1, DESCRIPTOR_SIZE)


def _pooled_along_first(x: Tensor, centres: Tensor, kernel: Tensor, stride_px: int) -> Tensor:
    """
    Weigh and sum the surroundings of equidistant positions along the first axis.

    The surroundings overlap: they are a view of x, not copies, which is what makes this fast.

    :param x: (side + 2 margin, n) contiguous, the margin half of the kernel's reach.
    :param centres: (m,), without the margin.
    :return: (m, 4, n).
    """
    n = x.shape[1]
    surroundings = x.as_strided(
        (len(centres), kernel.shape[1], n), (stride_px * n, n, 1), int(centres[0]) * n
    )
    return torch.bmm(kernel.expand(len(centres), -1, -1), surroundings)


def _bin_weights(bin_px: int) -> Tensor:
    """
    Weight of each pixel along one axis in each bin: linear interpolation times Gaussian window.

    :return: (4, reach), the descriptor's centre in the middle; the sum is 1.
    """
    reach_px = round((BINS + 1) / 2 * bin_px)
    offset = torch.arange(-reach_px, reach_px + 1) / bin_px
    window = torch.exp(-0.5 * (offset / WINDOW_BINS) ** 2)
    bin_centre = torch.arange(BINS)[:, None] - (BINS - 1) / 2
    weights = (1 - (offset - bin_centre).abs()).clamp(min=0) * window
    return weights / weights.sum()


def _root_sift(bins: Tensor, contrast_threshold: float) -> Tensor:
    """
    Normalise descriptors: clamp as in SIFT, L1, square root; zero where contrast is low.

    :param bins: (B, n, 128); a descriptor's sum is the mean gradient of its region.
    """
    contrast = bins.sum(2, keepdim=True)
    bins = torch.minimum(bins, CLAMP * torch.linalg.vector_norm(bins, dim=2, keepdim=True))
    total = bins.sum(2, keepdim=True)
    textured = (contrast >= contrast_threshold) & (total > 0)
    return bins.mul_(torch.where(textured, 1 / total, 0)).sqrt_()
