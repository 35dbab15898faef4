"""What a ray meets: normal, surface coordinates and texture of the primitive that it hit."""

from dataclasses import dataclass

from relpose_ros.learning.raycast import Bundles, dot, unit
from relpose_ros.learning.worlds import Shape, Worlds
import torch
from torch import Tensor

# Textures seen at a slant are sampled sharper than the longer side of the footprint asks for.
SHARPNESS_LEVELS = 0.5


@dataclass(frozen=True, slots=True)
class Surface:
    """
    The hits of M bundles of R rays.

    :param points: (M, 3, R), world frame [m].
    :param normals: (M, 3, R), unit, world frame.
    :param albedo: (M, 3, R), linear.
    :param gloss: (M, R).
    :param emission: (M, R).
    """

    points: Tensor
    normals: Tensor
    albedo: Tensor
    gloss: Tensor
    emission: Tensor


def surface(worlds: Worlds, rays: Bundles, t: Tensor, hit: Tensor, pixel_rad: float) -> Surface:
    """
    Describe the surface at each hit.

    :param t: (M, R), of finite hits; other entries are ignored.
    :param hit: (M, R), index of the primitive; -1 is read as primitive 0.
    :param pixel_rad: angle between neighbouring rays [rad].
    """
    hit = hit.clamp_min(0)
    world = rays.world[:, None].expand_as(hit)
    points = rays.points(t)
    unit_from_world = worlds.unit_from_world[world, hit]  # (M, R, 3, 3)
    offset = points - worlds.centre[world, hit].movedim(2, 1)
    on_unit = torch.einsum('mrij,mjr->mir', unit_from_world, offset)
    half_m = worlds.half_axes.square().sum(3).sqrt()[world, hit].movedim(2, 1)  # (M, 3, R)
    shape = worlds.shape[world, hit]
    gradient, uv_m, face_m = _unwrap(on_unit, half_m, shape)
    normals = unit(torch.einsum('mrij,mir->mjr', unit_from_world, gradient))
    look = worlds.look[world, hit].movedim(2, 0)  # (6, M, R)
    repeat_m = torch.where(look[0] > 0, look[0], face_m)  # (M, 2, R) by broadcasting below
    uv = uv_m / repeat_m + torch.where(look[0] > 0, 0.0, 0.5)
    length = dot(rays.direction, rays.direction).sqrt()
    slant = (dot(normals, rays.direction) / length).abs().clamp_min(0.05)
    footprint_m = t * length * pixel_rad / slant.sqrt()
    footprint = footprint_m / repeat_m.amin(0)
    colour = sample(worlds, worlds.texture[world, hit], uv, footprint, look[0] == 0)
    return Surface(points, normals, colour * look[1:4].movedim(0, 1), look[4], look[5])


def _unwrap(at: Tensor, half_m: Tensor, shape: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """
    Unwrap primitives onto planes, upright and unmirrored as seen from outside.

    :param at: (M, 3, R), points on the unit shapes.
    :return: gradient (M, 3, R) of the unit shape; coordinates (2, M, R) right and down [m],
        zero in the middle of a face; size of the face (2, M, R) [m].
    """
    x, y, z = at.unbind(1)
    hx, hy, hz = half_m.unbind(1)
    size = at.abs()
    top = size[:, 2] > torch.maximum(size[:, 0], size[:, 1])
    side_x = ~top & (size[:, 0] > size[:, 1])
    face = torch.stack((side_x, ~top & ~side_x, top), 1)
    right = torch.where(side_x, x.sign() * y * hy, torch.where(top, x, -y.sign() * x) * hx)
    down = torch.where(top, -y * hy, -z * hz)
    width, height = torch.where(side_x, hy, hx), torch.where(top, hy, hz)
    round_shape = shape != Shape.BOX
    cap = (shape == Shape.CYLINDER) & (size[:, 2] > (x * x + y * y).sqrt())
    curved = round_shape & ~cap
    right = torch.where(curved, torch.atan2(y, x) * hx, torch.where(cap, x * hx, right))
    down = torch.where(curved, -z * hz, torch.where(cap, -y * hy, down))
    width = torch.where(curved, torch.pi * hx, torch.where(cap, hx, width))
    height = torch.where(curved, hz, torch.where(cap, hy, height))
    gradient = at.sign() * face
    ball = at * torch.stack((curved, curved, shape == Shape.SPHERE), 1)
    cap_gradient = torch.stack((torch.zeros_like(z), torch.zeros_like(z), z.sign()), 1)
    gradient = torch.where(curved[:, None], ball, gradient)
    gradient = torch.where(cap[:, None], cap_gradient, gradient)
    return gradient, torch.stack((right, down)), 2 * torch.stack((width, height))


def sample(
    worlds: Worlds, texture: Tensor, uv: Tensor, footprint: Tensor, stretched: Tensor
) -> Tensor:
    """
    Look textures up with trilinear filtering.

    :param texture: (M, R) long.
    :param uv: (2, M, R), in repeats.
    :param footprint: (M, R), distance between neighbouring rays in repeats.
    :param stretched: (M, R), the texture ends at its border instead of repeating.
    :return: (M, 3, R), linear.
    """
    top = worlds.texture_px.bit_length() - 1
    level = (footprint * worlds.texture_px).clamp_min(1e-6).log2() - SHARPNESS_LEVELS
    level = level.clamp(0, top)
    lower = level.floor().clamp_max(top - 1)
    coarse = (level - lower)[..., None]
    lower = lower.long()
    fine_colour = _bilinear(worlds, texture, uv, lower, stretched)
    coarse_colour = _bilinear(worlds, texture, uv, lower + 1, stretched)
    encoded = torch.lerp(fine_colour, coarse_colour, coarse)[..., :3] / 255
    return (encoded * encoded).movedim(2, 1)  # a gamma of 2, near enough to sRGB


def _bilinear(
    worlds: Worlds, texture: Tensor, uv: Tensor, level: Tensor, stretched: Tensor
) -> Tensor:
    """Return (M, R, 4) from one level (M, R) of each texture."""
    count = len(worlds.texels) * 3 // (4 * worlds.texture_px**2 - 1)
    sides = worlds.texture_px >> torch.arange(32, device=level.device)
    starts = torch.cumsum(count * sides**2, 0) - count * sides**2
    side = sides[level]
    base = starts[level] + texture * side * side
    uv = torch.where(stretched, uv.clamp(0.5 / side, 1 - 0.5 / side), uv)
    pixel = uv * side - 0.5
    corner = pixel.floor()
    (fu, fv), (u, v) = (pixel - corner)[..., None], corner.long()
    u0, u1 = u % side, (u + 1) % side
    v0, v1 = base + v % side * side, base + (v + 1) % side * side

    def colour(index: Tensor) -> Tensor:
        return worlds.texels.take(index)[..., None].view(torch.uint8).float()

    upper = torch.lerp(colour(v0 + u0), colour(v0 + u1), fu)
    lower = torch.lerp(colour(v1 + u0), colour(v1 + u1), fu)
    return torch.lerp(upper, lower, fv)
