"""
Rotation and direction between two images from their coarse matches, for a batch of pairs at once.

An M-estimator over essential matrices: Gauss-Newton on Sampson distances with the weights of
Geman and McClure, whose scale shrinks as it goes on (graduated non-convexity). It begins at the
rotation that aligns the rays best, with several directions, and keeps what fits best: no
drawing of samples, so that the same pair gives the same motion on every device.
"""

from math import pi
from typing import NamedTuple

import torch
from torch import Tensor
import torch.nn.functional as F

# Scales of the errors as the alignment is found [rad].
ALIGNMENT_RAD = (0.3, 0.2, 0.15, 0.1, 0.08)
LONGEST_STEP = 0.3
DAMPING = 1e-4  # of the trace
MIN_SLOPE = 0.01
MAX_PARALLAX_RAD = 0.1  # that says on which side of the cameras the points are


class Search(NamedTuple):
    """
    How a motion is looked for.

    :param directions: how many are tried; a motion and its opposite explain matches alike.
    :param scales_rad: of the errors, from that of a first guess to that of a match, a step each.
    """

    directions: int
    scales_rad: tuple[float, ...]


# Cells fit many motions about alike: more directions find none that is nearer to the truth.
CELLS = Search(16, (0.05, 0.04, 0.03, 0.02, 0.02, 0.015, 0.015, 0.015))
CORNERS = Search(64, (0.04, 0.03, 0.022, 0.016, 0.012, 0.009, 0.007, 0.005, 0.004, 0.004))


class Motion(NamedTuple):
    """
    How image 2 was taken from image 1, but for the length of the translation.

    :param rotation: (B, 3, 3), R_1_from_2.
    :param direction: (B, 3), t_1_from_2 / |t_1_from_2|.
    :param misfit: (B,), from 0, where all matches fit, to 1.
    """

    rotation: Tensor
    direction: Tensor
    misfit: Tensor

    def inverse(self) -> 'Motion':
        """Return how image 1 was taken from image 2."""
        back = self.rotation.transpose(1, 2)
        return Motion(back, -(back @ self.direction[..., None])[..., 0], self.misfit)


def two_view_motion(
    rays_1: Tensor, rays_2: Tensor, weights: Tensor, search: Search = CELLS
) -> Motion:
    """
    Find the motion that matches agree on.

    Where nothing tells the direction, as in a pure rotation, it is any.

    :param rays_1: (B, n, 3), unit norm.
    :param rays_2: (B, n, 3), unit norm.
    :param weights: (B, n), how far each match is believed; 0 for none.
    """
    batch = len(rays_1)
    rotation = _alignment(rays_1, rays_2, weights)[:, None].repeat(1, search.directions, 1, 1)
    direction = half_sphere(search.directions).to(rays_1).repeat(batch, 1, 1)
    products = _products(rays_1, rays_2)
    # The epipolar constraint is linear in the essential matrix: sums of these squares are enough.
    mixed = products.mixed.transpose(1, 2)
    squares = (mixed[..., :, None] * mixed[..., None, :]).flatten(2)  # (B, n, 81)
    for scale_rad in search.scales_rad:
        error_rad, slope = _sampson(rotation, direction, products)
        sure = weights[:, None] * geman_mcclure(error_rad, scale_rad) / slope.square()
        normal = (sure @ squares).unflatten(2, (9, 9))  # (B, hypotheses, 9, 9)
        rotation, direction = _improved(rotation, direction, normal)
    squared = (_sampson(rotation, direction, products)[0] / scale_rad).square()
    misfit, best = (weights[:, None] * squared / (1 + squared)).sum(2).min(1)
    pair = torch.arange(batch, device=best.device)
    misfit = misfit / weights.sum(1).clamp_min(1e-6)
    motion = Motion(rotation[pair, best], direction[pair, best], misfit)
    sure = weights * geman_mcclure(sampson_error(motion, rays_1, rays_2), scale_rad)
    parallax_rad = parallax(motion, rays_1, rays_2)
    ahead = (sure * parallax_rad.clamp(-MAX_PARALLAX_RAD, MAX_PARALLAX_RAD)).sum(1, keepdim=True)
    return motion._replace(direction=torch.where(ahead < 0, -motion.direction, motion.direction))


def geman_mcclure(error_rad: Tensor, scale_rad: float = CELLS.scales_rad[-1]) -> Tensor:
    """Return how far errors are believed to be no mistakes, from 1 to 0."""
    return 1 / (1 + (error_rad / scale_rad).square()).square()


def parallax(motion: Motion, rays_1: Tensor, rays_2: Tensor) -> Tensor:
    """
    Return how far the translation moves what matches show, along its epipolar lines.

    :param rays_1: (B, n, 3), unit norm.
    :param rays_2: (B, n, 3), unit norm.
    :return: (B, n), positive for points in front of the cameras [rad].
    """
    turned = rays_2 @ motion.rotation.transpose(1, 2)
    direction = motion.direction[:, None].expand_as(rays_1)
    normal = F.normalize(torch.linalg.cross(rays_1, direction), dim=2)
    return -(torch.linalg.cross(rays_1, turned) * normal).sum(2)


def sampson_error(motion: Motion, rays_1: Tensor, rays_2: Tensor) -> Tensor:
    """Return (B, n), the angles by which rays (B, n, 3) of unit norm miss each other [rad]."""
    one = (each[:, None] for each in (motion.rotation, motion.direction))
    return _sampson(*one, _products(rays_1, rays_2))[0][:, 0]


def half_sphere(count: int) -> Tensor:
    """Return (count, 3) directions, spread evenly over the half sphere ahead."""
    index = torch.arange(count) + 0.5
    z = index / count
    angle = index * pi * (3 - 5**0.5)  # the golden angle
    radius = (1 - z.square()).sqrt()
    return torch.stack((radius * angle.cos(), radius * angle.sin(), z), dim=1)


def _alignment(rays_1: Tensor, rays_2: Tensor, weights: Tensor) -> Tensor:
    """Return (B, 3, 3), the rotation that aligns most rays (Kabsch, reweighted)."""
    sure = weights
    identity = torch.eye(3).to(rays_1)
    for scale_rad in ALIGNMENT_RAD:
        moment = (rays_1 * sure[..., None]).transpose(1, 2) @ rays_2 + 1e-6 * identity
        left, _, right = torch.linalg.svd(moment)
        mirrored = torch.linalg.det(left @ right)
        left = torch.cat((left[..., :2], left[..., 2:] * mirrored.sign()[:, None, None]), dim=2)
        rotation = left @ right
        off = (rays_1 - rays_2 @ rotation.transpose(1, 2)).norm(dim=2)
        sure = weights / (1 + (off / scale_rad).square())
    return rotation


class _Products(NamedTuple):
    """Products of the coordinates of matching rays, (B, 9, n) each."""

    mixed: Tensor
    of_1: Tensor
    of_2: Tensor


def _products(rays_1: Tensor, rays_2: Tensor) -> _Products:
    pairs = ((rays_1, rays_2), (rays_1, rays_1), (rays_2, rays_2))
    return _Products(
        *((a[..., :, None] * b[..., None, :]).flatten(2).transpose(1, 2) for a, b in pairs)
    )


def _sampson(rotation: Tensor, direction: Tensor, products: _Products) -> tuple[Tensor, Tensor]:
    """Return Sampson distances of hypotheses (B, H), (B, H, n) [rad], and their slopes."""
    essential = _cross(direction) @ rotation  # (B, H, 3, 3)
    algebraic = essential.flatten(2) @ products.mixed
    # Squared lengths of the epipolar lines.
    squared = (essential @ essential.transpose(2, 3)).flatten(2) @ products.of_1
    squared = squared + (essential.transpose(2, 3) @ essential).flatten(2) @ products.of_2
    slope = (squared - 2 * algebraic.square()).clamp_min(MIN_SLOPE**2).sqrt()
    return algebraic / slope, slope


def _improved(rotation: Tensor, direction: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """Take one step; `normal` (B, H, 9, 9) is the weighted sum of squares of the products."""
    # [t]x R and its slopes are sums over the axes of t: products with constant matrices.
    eye = torch.eye(3).to(direction)
    axes = _cross(eye)  # (3, 3, 3)
    along = direction[:, :, None]
    moved = (axes.flatten(0, 1) @ rotation).unflatten(2, (3, 3)).flatten(3)  # (B, H, 3, 9)
    essential = along @ moved  # (B, H, 1, 9)
    twice = (axes[:, None] @ axes).flatten(0, 2)  # (27, 3)
    turned = (along @ (twice @ rotation).unflatten(2, (3, 9)).flatten(3)).unflatten(3, (3, 9))
    slopes = torch.cat((turned[:, :, 0], moved), dim=2)  # (B, H, 6, 9)
    weighted = slopes @ normal
    information = weighted @ slopes.transpose(2, 3)
    gradient = (weighted @ essential.transpose(2, 3))[..., 0]
    trace = information.diagonal(dim1=2, dim2=3).sum(2)[..., None, None]
    fixed = F.pad(direction, (3, 0))  # the length of the direction
    information = information + (1 + trace) * fixed[..., :, None] * fixed[..., None, :]
    damped = information + (DAMPING * trace + 1e-6) * torch.eye(6).to(direction)
    step = -torch.linalg.solve(damped, gradient)
    step = step * (LONGEST_STEP / step.norm(dim=2, keepdim=True).clamp_min(LONGEST_STEP))
    # Cayley's map: a rotation for any step, by its vector but for third powers.
    half = _cross(step[..., :3] / 2)
    turn = torch.linalg.solve(eye - half, eye + half)
    return turn @ rotation, F.normalize(direction + step[..., 3:], dim=2)


def _cross(vectors: Tensor) -> Tensor:
    """Return (..., 3, 3), the matrices of the cross product with vectors (..., 3)."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
