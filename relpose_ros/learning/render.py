"""Pictures of worlds: rays, light and the camera's own imperfections."""

from dataclasses import dataclass

from relpose_ros.core.camera import Camera
from relpose_ros.learning.mirror import reflection
from relpose_ros.learning.raycast import Bundles, dot, trace, unit
from relpose_ros.learning.surface import Surface, surface
from relpose_ros.learning.worlds import Worlds
import torch
from torch import Tensor

TILE_PX = 32  # side of a bundle of camera rays
FARTHEST_M = 200.0
SHADOW_OFFSET_M = 2e-3  # a point does not shade itself
HIGHLIGHT_EXPONENT = 40
CORNER_M = 0.3  # room corners and edges are darker within about this distance
CORNER_SHADE = 0.45
FAINT = 0.006  # light that is not worth a shadow ray
AMBIENT = (0.32, 0.31, 0.29)
SKY = (2.6, 2.8, 3.0)


@dataclass(frozen=True, slots=True)
class Rendering:
    """
    Exact pictures of B cameras.

    :param radiance: (B, 3, H, W), linear.
    :param depth_m: (B, H, W), along the optical axis; 0 where nothing is met [m].
    """

    radiance: Tensor
    depth_m: Tensor


def render(worlds: Worlds, camera: Camera, world_from_camera: Tensor, world: Tensor) -> Rendering:
    """
    Render a batch of images.

    :param camera: the pinhole camera of all images.
    :param world_from_camera: (B, 4, 4), camera optical frame.
    :param world: (B,) long, the world that each camera is in.
    :raises ValueError: if the poses have another shape.
    """
    if world_from_camera.ndim != 3 or world_from_camera.shape[1:] != (4, 4):
        raise ValueError(
            f'world_from_camera: expected (B, 4, 4), got {tuple(world_from_camera.shape)}'
        )
    rays = _camera_rays(camera, world_from_camera.to(worlds.centre), world)
    limit = rays.direction.new_full(rays.direction.shape[::2], FARTHEST_M)
    depth, hit = trace(worlds, rays, limit)
    seen = surface(worlds, rays, depth, hit, 1 / camera.fx)
    radiance = _shade(worlds, rays, seen)
    radiance += reflection(worlds, rays, depth, seen, 1 / camera.fx, FARTHEST_M)
    sky = radiance.new_tensor(SKY)[:, None]
    radiance = torch.where((hit < 0)[:, None], sky, radiance)
    depth = torch.where(hit < 0, 0.0, depth)
    pictures = _untiled(torch.cat((radiance, depth[:, None]), 1), camera, len(world))
    return Rendering(pictures[:, :3], pictures[:, 3])


def _camera_rays(camera: Camera, world_from_camera: Tensor, world: Tensor) -> Bundles:
    """Return a bundle per tile, its directions one metre along the optical axis."""
    rows, columns = -(-camera.height // TILE_PX), -(-camera.width // TILE_PX)
    device = world_from_camera.device
    y = (torch.arange(rows * TILE_PX, device=device) - camera.cy) / camera.fy
    x = (torch.arange(columns * TILE_PX, device=device) - camera.cx) / camera.fx
    y, x = torch.meshgrid(y, x, indexing='ij')
    grid = torch.stack((x, y, torch.ones_like(x)))
    tiles = grid.reshape(3, rows, TILE_PX, columns, TILE_PX).permute(1, 3, 0, 2, 4)
    tiles = tiles.reshape(rows * columns, 3, TILE_PX**2)
    direction = world_from_camera[:, None, :3, :3] @ tiles
    origin = world_from_camera[:, None, :3, 3].expand(-1, rows * columns, -1)
    world = world.to(device).repeat_interleave(rows * columns)
    return Bundles(world, origin.flatten(0, 1), direction.flatten(0, 1).contiguous())


def _untiled(tiles: Tensor, camera: Camera, images: int) -> Tensor:
    """Put tiles (M, C, R) together to images (B, C, H, W)."""
    rows, columns = -(-camera.height // TILE_PX), -(-camera.width // TILE_PX)
    grid = tiles.reshape(images, rows, columns, -1, TILE_PX, TILE_PX)
    grid = grid.permute(0, 3, 1, 4, 2, 5).reshape(images, -1, rows * TILE_PX, columns * TILE_PX)
    return grid[..., : camera.height, : camera.width]


def _shade(worlds: Worlds, rays: Bundles, seen: Surface) -> Tensor:
    """Return the radiance (M, 3, R) towards the rays' origins."""
    offset = seen.points + SHADOW_OFFSET_M * seen.normals
    room, shade = _room(worlds, rays.world, offset)
    up = 0.85 + 0.15 * seen.normals[:, 2:]
    ambient = seen.points.new_tensor(AMBIENT) * worlds.ambient[rays.world, None]
    light = ambient[:, :, None] * up * shade[:, None]
    light = light + seen.emission[:, None]
    view = -unit(rays.direction)
    highlight = torch.zeros_like(light)
    for index in range(worlds.light_power.shape[1]):
        arriving, lit = _arriving(worlds, rays.world, index, offset, seen.normals, room)
        if not len(lit):
            continue
        towards = worlds.light_position[rays.world[lit], index, :, None] - offset[lit]
        halfway = unit(unit(towards) + view[lit])
        mirrored = dot(halfway, seen.normals[lit]).clamp_min(0) ** HIGHLIGHT_EXPONENT
        light[lit] += arriving
        highlight[lit] += arriving * (seen.gloss[lit] * mirrored)[:, None]
    return seen.albedo * light + highlight


def _room(worlds: Worlds, world: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the room of each point (M, R), -1 outside, and how open its surroundings are."""
    room = torch.full_like(points[:, 0], -1, dtype=torch.long)
    shade = torch.ones_like(points[:, 0])
    for index in range(worlds.rooms.shape[1]):
        lower, upper = worlds.rooms[world, index, :, :, None].unbind(1)
        margin = torch.minimum(points - lower, upper - points)  # (M, 3, R)
        inside = (margin > -0.1).all(1)
        dark = (1 - CORNER_SHADE * (-margin.clamp_min(0) / CORNER_M).exp()).prod(1)
        room = torch.where(inside, index, room)
        # The surface's own wall takes its factor too: constant over the wall, so harmless.
        shade = torch.where(inside, dark, shade)
    return room, shade


def _arriving(
    worlds: Worlds, world: Tensor, index: int, points: Tensor, normals: Tensor, room: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what one light sends to the bundles that it reaches (n, 3, R), and which they are."""
    light_room = worlds.light_room[world, index, None]
    inside = (light_room < 0) | (room == light_room)
    near = inside.any(1).nonzero()[:, 0]
    world, inside = world[near], inside[near]
    position = worlds.light_position[world, index, :, None]
    power = worlds.light_power[world, index]
    away = points[near] - position
    distance = dot(away, away).sqrt().clamp_min(0.05)
    cosine = -dot(away, normals[near]) / distance
    axis = worlds.light_axis[world, index, :, None]
    sent = torch.where((axis == 0).all(1), 1.0, dot(axis, away) / distance)
    received = cosine.clamp_min(0) * sent.clamp_min(0) / distance.square()
    reaches = inside & (received * power.amax(1, keepdim=True) > FAINT)
    lit = reaches.any(1).nonzero()[:, 0]
    rays = Bundles(world[lit], position[lit, :, 0], away[lit])
    limit = torch.where(reaches[lit], 1.0, -1.0)
    _, blocker = trace(worlds, rays, limit)
    free = reaches[lit] & (blocker < 0)
    return power[lit, :, None] * (received[lit] * free)[:, None], near[lit]
