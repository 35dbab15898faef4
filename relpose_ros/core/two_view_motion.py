"""
Rotation and direction between two images from their coarse matches, for a batch of pairs at once.

An M-estimator over essential matrices: Gauss-Newton on Sampson distances with the weights of
Geman and McClure, whose scale shrinks as it goes on (graduated non-convexity). It begins at the
rotation that aligns the rays best, with several directions, and keeps what fits best: no
drawing of samples, so that the same pair gives the same motion on every device.
"""

from collections.abc import Sequence
from functools import cache
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor
import torch.nn.functional as F

DIRECTIONS = 24  # that are tried; a motion and its opposite explain matches alike
# Scales of the errors, from that of a first guess to that of a match: a step each.
CELLS_RAD = (0.05, 0.04, 0.03, 0.02, 0.02, 0.015, 0.015, 0.015)
CORNERS_RAD = (0.04, 0.025, 0.016, 0.011, 0.008, 0.005, 0.004)
# Scales of the errors as the alignment is found [rad].
ALIGNMENT_RAD = (0.3, 0.2, 0.15, 0.1, 0.08)
LONGEST_STEP = 0.3
DAMPING = 1e-4  # of the trace
MIN_SLOPE = 0.01
MAX_PARALLAX_RAD = 0.1  # that says on which side of the cameras the points are


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
    rays_1: Tensor, rays_2: Tensor, weights: Tensor, scales_rad: Sequence[float] = CELLS_RAD
) -> Motion:
    """
    Find the motion that matches agree on.

    Where nothing tells the direction, as in a pure rotation, it is any.

    :param rays_1: (B, n, 3), unit norm.
    :param rays_2: (B, n, 3), unit norm.
    :param weights: (B, n), how far each match is believed; 0 for none.
    :param scales_rad: of the errors, a step each [rad].
    """
    batch = len(rays_1)
    rotation = _alignment(rays_1, rays_2, weights)[:, None].repeat(1, DIRECTIONS, 1, 1)
    direction = half_sphere(DIRECTIONS).to(rays_1).repeat(batch, 1, 1)
    mixed = _mixed_products(rays_1, rays_2)
    views = rays_1, rays_2, mixed
    # The epipolar constraint is linear in the essential matrix: sums of these squares are enough.
    squares = (mixed[:, :, None] * mixed[:, None]).flatten(1, 2).transpose(1, 2)  # (B, n, 81)
    for scale_rad in scales_rad:
        violation, slope2 = _epipolar(rotation, direction, *views)
        unsure = violation.square_().div_(slope2).div_(scale_rad**2).add_(1).square_().mul_(slope2)
        sure = torch.div(weights[:, None], unsure, out=unsure)
        normal = (sure @ squares).unflatten(2, (9, 9))  # (B, hypotheses, 9, 9)
        rotation, direction = _improved(rotation, direction, normal)
    violation, slope2 = _epipolar(rotation, direction, *views)
    squared = violation.square_().div_(slope2).div_(scale_rad**2)
    misfit, best = squared.div_(squared + 1).mul_(weights[:, None]).sum(2).min(1)
    pair = torch.arange(batch, device=best.device)
    misfit = misfit / weights.sum(1).clamp_min(1e-6)
    motion = Motion(rotation[pair, best], direction[pair, best], misfit)
    sure = weights * geman_mcclure(sampson_error(motion, rays_1, rays_2), scale_rad)
    parallax_rad = parallax(motion, rays_1, rays_2)
    ahead = (sure * parallax_rad.clamp(-MAX_PARALLAX_RAD, MAX_PARALLAX_RAD)).sum(1, keepdim=True)
    return motion._replace(direction=torch.where(ahead < 0, -motion.direction, motion.direction))


def geman_mcclure(error_rad: Tensor, scale_rad: float = CELLS_RAD[-1]) -> Tensor:
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
    violation, slope2 = _epipolar(*one, rays_1, rays_2, _mixed_products(rays_1, rays_2))
    return (violation / slope2.sqrt())[:, 0]


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


def _mixed_products(rays_1: Tensor, rays_2: Tensor) -> Tensor:
    """Return all products of a coordinate of one ray and one of its match, (B, 9, n)."""
    return (rays_1[..., :, None] * rays_2[..., None, :]).flatten(2).transpose(1, 2)


def _epipolar(
    rotation: Tensor, direction: Tensor, rays_1: Tensor, rays_2: Tensor, mixed: Tensor
) -> tuple[Tensor, Tensor]:
    """
    Compare matches with hypotheses (B, H).

    :return: (B, H, n) each: what violates the epipolar constraint, and the square of how that
        changes with the rays. Their quotient is the square of Sampson's distance [rad].
    """
    violation = (_cross(direction) @ rotation).flatten(2) @ mixed
    # An epipolar line is as long as the sine between its ray and the direction. In place, here
    # and above: there are many hypotheses, and new memory costs more than what is done with it.
    slope2 = (direction @ rays_1.transpose(1, 2)).square_()
    along_2 = (direction[:, :, None] @ rotation)[:, :, 0] @ rays_2.transpose(1, 2)
    slope2.addcmul_(along_2, along_2).addcmul_(violation, violation, value=2)
    return violation, slope2.neg_().add_(2).clamp_min_(MIN_SLOPE**2)


def _improved(rotation: Tensor, direction: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """Take one step; `normal` (B, H, 9, 9) is the weighted sum of squares of the products."""
    terms = F.pad(direction, (0, 1), value=1.0)[..., None] * rotation.flatten(2)[:, :, None]
    rows = (terms.flatten(2) @ _slopes().to(terms)).unflatten(2, (7, 9))
    products = rows[:, :, :6] @ normal @ rows.mT  # (B, H, 6, 7)
    information, gradient = products[..., :6], products[..., 6]
    trace = information.diagonal(dim1=2, dim2=3).sum(2)[..., None, None]
    fixed = F.pad(direction, (3, 0))  # the length of the direction
    information = information + (1 + trace) * fixed[..., :, None] * fixed[..., None, :]
    damped = information + (DAMPING * trace + 1e-6) * torch.eye(6).to(direction)
    step = -torch.linalg.solve(damped, gradient)
    step = step * (LONGEST_STEP / step.norm(dim=2, keepdim=True).clamp_min(LONGEST_STEP))
    return _turn(step[..., :3]) @ rotation, F.normalize(direction + step[..., 3:], dim=2)


@cache
def _slopes() -> Tensor:
    """
    Return what makes E = [t]x R and its slopes of products of their entries.

    :return: (36, 63), from (t, 1) times R to slopes by a turn about x, y, z, to slopes by t, to E.
    """
    eye = torch.eye(3)
    axes = _cross(eye)  # (3, 3, 3)
    slopes = torch.zeros(4, 3, 3, 7, 3, 3)
    slopes[:3, ..., :3, :, :] = torch.einsum('mia,kal,jc->mlckij', axes, axes, eye)
    slopes[3, ..., 3:6, :, :] = torch.einsum('kil,jc->lckij', axes, eye)
    slopes[:3, ..., 6, :, :] = torch.einsum('mil,jc->mlcij', axes, eye)
    return slopes.reshape(36, 63)


def _turn(vectors: Tensor) -> Tensor:
    """Return Cayley's map: rotations (..., 3, 3), by (..., 3) [rad] but for third powers."""
    half = vectors / 2
    squared = half.square().sum(-1)[..., None, None]
    outer = half[..., :, None] * half[..., None, :]
    eye = torch.eye(3).to(half)
    return ((1 - squared) * eye + 2 * (outer + _cross(half))) / (1 + squared)


def _cross(vectors: Tensor) -> Tensor:
    """Return (..., 3, 3), the matrices of the cross product with vectors (..., 3)."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
