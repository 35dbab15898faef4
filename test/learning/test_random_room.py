"""Rooms by seed: deterministic, light enough to see, furnished inside their walls."""

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.learning.random_room import build_random_room
from relpose_ros.learning.render import render
from relpose_ros.learning.textures import MAKERS, Textures
from relpose_ros.learning.trajectory import looking_at
from relpose_ros.learning.worlds import Shape, stack_worlds, World
import torch

CAMERA = Camera(80, 60, 66.0, 66.0, 39.5, 29.5)
COUNT = 6


def rooms() -> list[World]:
    images = np.random.default_rng(0).integers(60, 256, (len(MAKERS), 8, 8, 3), dtype=np.uint8)
    textures = Textures(images, {kind: range(i, i + 1) for i, kind in enumerate(MAKERS)})
    return [build_random_room(textures, seed) for seed in range(COUNT)]


def test_rooms_are_lit_and_furnished() -> None:
    worlds = rooms()
    poses = []
    for world in worlds:
        corner, middle = world.rooms[0][0] + 0.35, world.rooms[0].mean(0)
        eye = np.array((*corner[:2], 1.7))  # corners are free
        poses.append(looking_at(eye, np.array((*middle[:2], 1.2))))
    pictures = render(
        stack_worlds(worlds), CAMERA, torch.as_tensor(np.stack(poses)), torch.arange(COUNT)
    )
    assert ((pictures.depth_m > 0.2).float().mean((1, 2)) > 0.95).all()
    assert (pictures.depth_m.flatten(1).median(1).values < 6).all()
    assert (pictures.radiance.mean((1, 2, 3)) > 0.02).all()
    assert all(len(world.primitives) > 60 for world in worlds)


def test_furniture_stays_inside_the_walls() -> None:
    for world in rooms():
        lower, upper = world.rooms[0]
        for primitive in world.primitives:
            inside = (primitive.centre > lower).all() and (primitive.centre < upper).all()
            if inside:
                order = 2 if primitive.shape == Shape.SPHERE else 1
                extent = np.linalg.norm(primitive.half_axes, order, axis=0)
                assert (primitive.centre - extent > lower - 0.2).all()
                assert (primitive.centre + extent < upper + 0.2).all()


def test_rooms_depend_on_their_seed_alone() -> None:
    first, again = rooms(), rooms()
    for a, b in zip(first, again, strict=True):
        assert len(a.primitives) == len(b.primitives)
        assert all(
            np.array_equal(p.half_axes, q.half_axes) and p.material == q.material
            for p, q in zip(a.primitives, b.primitives, strict=True)
        )
    assert len({len(world.primitives) for world in first}) > 2
