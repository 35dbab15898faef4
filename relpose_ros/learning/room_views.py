"""Views of random rooms, rendered as a hand or a robot would carry a camera through them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.learning.photograph import photograph
from relpose_ros.learning.random_room import build_random_room
from relpose_ros.learning.render import render
from relpose_ros.learning.textures import make_textures
from relpose_ros.learning.trajectory import looking_at
from relpose_ros.learning.views import FARTHEST_M, Views
from relpose_ros.learning.worlds import stack_worlds, World, Worlds
import torch

HANDHELD_M, ROBOT_M = (1.0, 1.75), (0.35, 0.9)  # heights of cameras
ROBOT_SHARE = 0.3
FOCAL = (0.7, 1.1)  # of the image width
NEAREST_TARGET_M, HIGHEST_TARGET_M = 1.0, 1.9  # of what a camera looks at
LARGEST_THING_M = 0.6  # half the size of what is furniture and no wall
NEAREST_M = 0.3  # a camera nearer than this to a twentieth of its view stands in the furniture
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class RoomViewsConfig:
    """
    How rooms are photographed.

    :param size: width and height of the views [px].
    :param rooms: rooms that share one set of textures.
    :param spots: places in a room that cameras gather around.
    :param views: cameras at each spot.
    :param photographs: folder of images to take textures from; none: all are procedural.
    """

    size: tuple[int, int] = (256, 192)
    rooms: int = 10
    spots: int = 2
    views: int = 12
    photographs: Path | None = None


def render_rooms(config: RoomViewsConfig, seed: int, device: str = 'cpu') -> Views:
    """
    Build rooms and render views of them.

    :param seed: decides everything; views of two seeds have nothing in common.
    """
    rng = np.random.default_rng((seed, 7))
    textures = make_textures(seed, config.photographs)
    worlds = [build_random_room(textures, seed * 1000 + i) for i in range(config.rooms)]
    stacked = stack_worlds(worlds, device)
    batches = [
        batch
        for number, world in enumerate(worlds)
        for batch in _views_of_room(stacked, number, world, config, rng)
    ]
    names = ('grey', 'depth_m', 'K', 'world_from_camera', 'scene')
    return Views(*(torch.cat([getattr(b, name) for b in batches]) for name in names))


def _views_of_room(
    worlds: Worlds, number: int, world: World, config: RoomViewsConfig, rng: np.random.Generator
) -> Iterator[Views]:
    for _ in range(config.spots):
        camera = _camera(config.size, rng)
        poses = torch.from_numpy(_gather(world, config.views, rng)).float()
        poses = poses.to(worlds.centre.device)
        scene = torch.full((len(poses),), number, device=poses.device)
        picture = render(worlds, camera, poses, scene)
        seeds = [int(s) for s in rng.integers(2**31, size=len(poses))]
        rgb = photograph(picture.radiance, seeds, strength=float(rng.random()))
        weights = torch.tensor(GREY, device=rgb.device)[:, None, None]
        grey = (rgb * weights).sum(1).round().to(torch.uint8)
        depth_m = picture.depth_m
        depth_m = torch.where(depth_m < FARTHEST_M, depth_m, 0.0)
        K = torch.from_numpy(camera.K).to(poses).expand(len(poses), 3, 3)
        views = Views(grey, depth_m.half(), K, poses, scene)
        yield views[_free(depth_m)]


def _camera(size: tuple[int, int], rng: np.random.Generator) -> Camera:
    width, height = size
    focal = float(rng.uniform(*FOCAL)) * width
    cx, cy = (np.array(size) - 1) / 2 + rng.uniform(-0.01, 0.01, 2) * width
    return Camera(width, height, focal, focal, float(cx), float(cy))


def _gather(world: World, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the poses (count, 4, 4) of cameras that look at much the same from about one spot."""
    lower, upper = world.rooms[0]
    things = _things(world, lower, upper)
    spot = rng.uniform(lower + 0.5, upper - 0.5)
    spot[2] = rng.uniform(*(ROBOT_M if rng.random() < ROBOT_SHARE else HANDHELD_M))
    away = np.linalg.norm(things[:, :2] - spot[:2], axis=1)
    target = rng.choice(things[away >= min(NEAREST_TARGET_M, away.max())])
    spread = float(rng.uniform(0.15, 0.5))
    positions = spot + rng.normal(0, 1, (count, 3)) * (spread, spread, 0.35 * spread)
    positions = positions.clip(lower + 0.1, upper - 0.1)
    targets = target + rng.normal(0, 1, (count, 3)) * (0.5, 0.5, 0.25)
    rolls = rng.normal(0, np.radians(4), count)
    return np.stack(
        [looking_at(p, t, r) for p, t, r in zip(positions, targets, rolls, strict=True)]
    )


def _things(world: World, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return the centres (n, 3) of what stands or hangs in a room, and the room's middle [m]."""
    centres = [p.centre for p in world.primitives if np.abs(p.half_axes).max() < LARGEST_THING_M]
    centres = np.array([*centres, (lower + upper) / 2])
    inside = (centres >= lower).all(1) & (centres <= upper).all(1)
    return centres[inside & (centres[:, 2] < HIGHEST_TARGET_M)]


def _free(depth_m: torch.Tensor) -> torch.Tensor:
    """Return which cameras (B,) stand free."""
    depth_m = torch.where(depth_m > 0, depth_m, FARTHEST_M).flatten(1)
    return depth_m.quantile(0.05, dim=1) > NEAREST_M
