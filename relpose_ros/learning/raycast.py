"""
The ray caster: bundles of rays with a common origin against the primitives of their world.

A bundle is a tile of an image seen from the camera, or the points of a tile seen from a light.
Its bounding pyramid culls most primitives; the rest are met front to back until nothing nearer
can come.
"""

from dataclasses import dataclass

from relpose_ros.learning.worlds import Shape, Worlds
import torch
from torch import Tensor

# Directions this close to a face's plane are tilted, so that no division by zero happens.
SMALLEST_SLOPE = 1e-9


@dataclass(frozen=True, slots=True)
class Bundles:
    """
    M bundles of R rays; a point on a ray is origin + t direction.

    :param world: (M,) long, the world of each bundle.
    :param origin: (M, 3) [m].
    :param direction: (M, 3, R), any norm.
    """

    world: Tensor
    origin: Tensor
    direction: Tensor

    def points(self, t: Tensor) -> Tensor:
        """Return where the rays are at t (M, R), as (M, 3, R)."""
        return self.origin[:, :, None] + t[:, None] * self.direction

    def select(self, chosen: Tensor) -> 'Bundles':
        """Return some of the bundles; chosen is an index or a mask over M."""
        return Bundles(self.world[chosen], self.origin[chosen], self.direction[chosen])


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the dot products of (M, 3, ...) along the second axis; faster than a sum there."""
    products = (a * b).unbind(1)
    return sum(products[1:], start=products[0])


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (M, 3, ...) of length 1; zeros stay zeros."""
    return vectors * dot(vectors, vectors).clamp_min(1e-24).rsqrt()[:, None]


def trace(
    worlds: Worlds, rays: Bundles, limit: Tensor, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """
    Find the first primitive on each ray.

    :param limit: (M, R), t beyond which nothing is looked for; negative: the ray is not needed.
    :param start: (M, R), t before which nothing is met; 0 if not given.
    :return: t (M, R) of the hit, or limit; index of the primitive (M, R), or -1.
    """
    t, primitive = limit.clone(), torch.full_like(limit, -1, dtype=torch.long)
    if not len(limit):
        return t, primitive
    reach = t.amax(1)
    entry = _entry(worlds, rays, limit)
    shapes = worlds.shape[rays.world]
    for shape, interval in INTERVALS.items():
        of_shape = entry.masked_fill(shapes != shape, torch.inf)
        most = int(of_shape.isfinite().sum(1).max())
        near, order = of_shape.topk(most, dim=1, largest=False)
        for k in range(most):
            active = (near[:, k] < reach).nonzero()[:, 0]
            if not len(active):
                break
            candidate = order[active, k]
            least = 0.0 if start is None else start[active]
            hit = _hit(worlds, rays.select(active), candidate, interval, least)
            best = t[active]
            found = torch.where(hit < best, candidate[:, None], primitive[active])
            best = torch.minimum(best, hit)
            t[active], primitive[active], reach[active] = best, found, best.amax(1)
    return t, primitive


def _hit(
    worlds: Worlds, rays: Bundles, candidate: Tensor, interval, least: Tensor | float
) -> Tensor:
    """Return t (n, R) where each bundle's rays enter its candidate (n,), or infinity."""
    unit_from_world = worlds.unit_from_world[rays.world, candidate]
    origin = rays.origin - worlds.centre[rays.world, candidate]
    near, far = interval(unit_from_world @ origin[:, :, None], unit_from_world @ rays.direction)
    return near.masked_fill_((near > far) | (near <= least), torch.inf)


def _slab(origin: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    inverse = torch.where(slope.abs() < SMALLEST_SLOPE, SMALLEST_SLOPE, slope).reciprocal_()
    middle = -origin * inverse
    half = inverse.abs_()
    return middle - half, middle + half


def _ball(origin: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    a = dot(slope, slope).clamp_min_(SMALLEST_SLOPE)
    b = dot(origin, slope)
    c = dot(origin, origin) - 1
    root = (b * b - a * c).sqrt_()  # NaN where the ray misses
    near, far = (-b - root) / a, (-b + root) / a
    miss = root.isnan()
    return near.masked_fill_(miss, torch.inf), far.masked_fill_(miss, -torch.inf)


def _box_interval(origin: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    near, far = _slab(origin, slope)
    near = torch.maximum(torch.maximum(near[:, 0], near[:, 1]), near[:, 2])
    far = torch.minimum(torch.minimum(far[:, 0], far[:, 1]), far[:, 2])
    return near, far


def _cylinder_interval(origin: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    near, far = _slab(origin[:, 2], slope[:, 2])
    side_near, side_far = _ball(origin[:, :2], slope[:, :2])
    return torch.maximum(near, side_near), torch.minimum(far, side_far)


INTERVALS = {Shape.BOX: _box_interval, Shape.CYLINDER: _cylinder_interval, Shape.SPHERE: _ball}


def _pyramid(rays: Bundles) -> tuple[Tensor, Tensor]:
    """
    Bound each bundle.

    :return: (M, 5, 3) the axis and the normals, pointing inwards, of four side planes through
        the origin; (M,) the largest advance along the axis per unit of t.
    """
    axis = unit(rays.direction.mean(2))
    steep = axis[:, 2:].abs() > 0.8
    helper = torch.where(steep, axis.new_tensor((1.0, 0, 0)), axis.new_tensor((0, 0, 1.0)))
    u = unit(torch.linalg.cross(axis, helper))
    v = torch.linalg.cross(axis, u)
    advance = (axis[:, None] @ rays.direction)[:, 0]
    # A ray that nearly leaves the axis's half space opens the pyramid to almost that half space.
    depth = advance.clamp_min(1e-4)
    planes = [axis]
    for side in (u, v):
        slope = (side[:, None] @ rays.direction)[:, 0] / depth
        planes.append(slope.amax(1, keepdim=True) * axis - side)
        planes.append(side - slope.amin(1, keepdim=True) * axis)
    open_bundle = advance.amin(1) < 1e-4
    planes = torch.stack(planes, 1)
    planes[open_bundle] = 0
    return planes, advance.amax(1).clamp_min(1e-4)


def _entry(worlds: Worlds, rays: Bundles, limit: Tensor) -> Tensor:
    """Return for each bundle and primitive a lower bound of t (M, N); infinity if culled."""
    planes, advance = _pyramid(rays)
    reach, span = limit.amax(1), limit.clamp_min(0)[:, None] * rays.direction
    lower, upper = span.amin(2).clamp_max(0), span.amax(2).clamp_min(0)
    offset = worlds.centre[rays.world] - rays.origin[:, None]
    distance = planes @ offset.transpose(1, 2)  # (M, 5, N)
    # Bounding spheres first: few pairs are left for the exact test of the bounding box.
    radius = worlds.half_axes.square().sum((2, 3)).sqrt()[rays.world]
    size = planes.square().sum(2).sqrt()
    inside = (distance + size[:, :, None] * radius[:, None] >= 0).all(1)
    inside &= distance[:, 0] - radius <= (reach * advance)[:, None]
    bundle, primitive = inside.nonzero().unbind(1)
    distance = distance[bundle, :, primitive]  # (P, 5)
    half_axes = worlds.half_axes[rays.world[bundle], primitive]
    extent = (planes[bundle] @ half_axes.transpose(1, 2)).abs().sum(2)
    near = ((distance[:, 0] - extent[:, 0]) / advance[bundle]).clamp_min(0)
    outside = (distance + extent < 0).any(1) | (near > reach[bundle])
    # The bounding box of the rays culls where a pyramid with a wide opening does not.
    centre, aligned = offset[bundle, primitive], half_axes.abs().sum(1)
    outside |= ((centre + aligned < lower[bundle]) | (centre - aligned > upper[bundle])).any(1)
    entry = torch.full_like(radius, torch.inf)
    entry[bundle, primitive] = near.masked_fill(outside, torch.inf)
    return entry
