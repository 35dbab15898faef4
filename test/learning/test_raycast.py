"""The ray caster against closed forms, against itself in batches, and across views."""

from dataclasses import replace

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, transform_points
from relpose_ros.learning.render import render, Rendering
from relpose_ros.learning.textures import Textures
from relpose_ros.learning.trajectory import looking_at
from relpose_ros.learning.worlds import Light, Shape, stack_worlds, World
import torch

CAMERA = Camera(80, 60, 70.0, 72.0, 38.5, 30.0)
FORWARD = looking_at(np.array((0.0, 0.0, 1.0)), np.array((0.0, 5.0, 1.0)))


@pytest.fixture
def world() -> World:
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    textures = Textures(images, {'any': range(2)})
    return World(textures, np.random.default_rng(1))


def picture(world: World | list[World], *poses: np.ndarray) -> Rendering:
    worlds = world if isinstance(world, list) else [world] * len(poses)
    index = torch.arange(len(poses))
    return render(stack_worlds(worlds), CAMERA, torch.as_tensor(np.stack(poses)), index)


def pixel_rays() -> np.ndarray:
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(np.float64)
    return CAMERA.rays(np.stack((u, v), -1))


def cluttered(world: World) -> World:
    room = world.at(0, 0)
    for centre, size in (((0, 4, 1), (8, 0.2, 6)), ((0, 0, -0.1), (8, 9, 0.2))):
        room.box(centre, size, world.material('any', 0.7))
    for x in (-1.0, 0.1, 1.2):
        room.box((x, 2.6 + x / 3, 0.5), (0.5, 0.4, 0.9), world.material('any'), (10, 20, 30 * x))
    room.cylinder((-0.4, 2.2, 1.0), 0.2, 1.1, world.material('any'), (0, 30, 0))
    room.ellipsoid((0.6, 2.0, 1.2), (0.5, 0.4, 0.6), world.material('any', gloss=1.0))
    world.lights.append(Light(np.array((-1.0, 0.5, 2.5)), np.full(3, 3.0)))
    return world


def test_depth_of_a_wall_is_its_distance(world: World) -> None:
    world.at(0, 3, 0).box((0, 0.5, 0), (50, 1, 50), world.material('any'))
    depth = picture(world, FORWARD).depth_m[0]
    assert torch.allclose(depth, torch.tensor(3.0), atol=1e-5)


def test_depth_of_a_slanted_wall_follows_its_plane(world: World) -> None:
    world.at(0, 3, 25).box((0, 0.5, 0), (50, 1, 50), world.material('any'))
    depth = picture(world, FORWARD).depth_m[0].numpy()
    normal = np.array((np.sin(np.radians(25)), 0, -np.cos(np.radians(25))))  # camera frame
    expected = normal[2] * 3 / (pixel_rays() @ normal)
    np.testing.assert_allclose(depth, expected, rtol=1e-4)


def test_depth_of_a_sphere_solves_its_equation(world: World) -> None:
    world.at(0.3, 4, z=1.2).ellipsoid((0, 0, 0), (2, 2, 2), world.material('any'))
    depth = picture(world, FORWARD).depth_m[0].numpy()
    rays, centre = pixel_rays(), np.array((0.3, -0.2, 4.0))
    a, b = (rays * rays).sum(-1), rays @ centre
    root = b * b - a * (centre @ centre - 1)
    hit = root > 0.01  # not the outermost rim
    np.testing.assert_allclose(depth[hit], ((b - np.sqrt(root.clip(0))) / a)[hit], rtol=1e-3)
    assert (depth[root < -0.01] == 0).all()


def test_a_cylinder_has_a_side_and_caps(world: World) -> None:
    world.at(0, 3, z=0.2).cylinder((0, 0, 0), 0.5, 1.0, world.material('any'))
    depth = picture(world, FORWARD).depth_m[0].numpy()
    cap = depth[30:, 38]  # the middle column looks down at the cap, 0.3 m below the camera
    rays = pixel_rays()[30:, 38, 1]
    on_cap = (0.3 / np.maximum(rays, 1e-9) > 2.6) & (0.3 / np.maximum(rays, 1e-9) < 3.4)
    assert on_cap.any()
    np.testing.assert_allclose(cap[on_cap], 0.3 / rays[on_cap], rtol=2e-3)
    side = (0.3 / np.maximum(rays, 1e-9) < 2.4) & (rays * 2.5 < 1.2)
    np.testing.assert_allclose(cap[side], 2.5, rtol=2e-3)


def test_nothing_ahead_has_no_depth(world: World) -> None:
    world.at(0, -3).box((0, 0, 0), (1, 1, 1), world.material('any'))
    assert (picture(world, FORWARD).depth_m == 0).all()


def test_two_views_agree(world: World) -> None:
    other = looking_at(np.array((0.5, 0.2, 1.3)), np.array((0.1, 3.0, 0.8)), 0.1)
    depth = picture(cluttered(world), FORWARD, other).depth_m.numpy().astype(np.float64)
    points = transform_points(FORWARD, pixel_rays() * depth[0][..., None])
    points = transform_points(inverse(other), points)[depth[0] > 0]
    pixels = CAMERA.project(points)
    seen = (pixels > 0).all(-1) & (pixels < (CAMERA.width - 1, CAMERA.height - 1)).all(-1)
    u, v = np.rint(pixels[seen]).astype(int).T
    difference = points[seen, 2] - depth[1][v, u]
    visible = difference < 0.1  # the others are hidden by something in front of them
    assert seen.mean() > 0.5 and visible.mean() > 0.8
    assert (np.abs(difference[visible]) < 0.04).mean() > 0.95


def test_a_batch_equals_its_images_one_by_one(world: World) -> None:
    empty = World(world.textures, np.random.default_rng(2))
    empty.at(0, 2).box((0, 0, 0), (1, 1, 3), empty.material('any'))
    worlds = [cluttered(world), empty, world]
    poses = [FORWARD, FORWARD, looking_at(np.array((1.0, 0, 1)), np.array((0.0, 3, 1)))]
    together = picture(worlds, *poses)
    for index, (one, pose) in enumerate(zip(worlds, poses, strict=True)):
        alone = picture(one, pose)
        assert torch.equal(together.depth_m[index] > 0, alone.depth_m[0] > 0)
        assert torch.allclose(together.depth_m[index], alone.depth_m[0], atol=1e-4)
        assert torch.allclose(together.radiance[index], alone.radiance[0], atol=1e-3)


def test_a_body_between_light_and_wall_casts_a_shadow(world: World) -> None:
    world.at(0, 3).box((0, 0.5, 0), (50, 1, 50), world.material('any', tint=(1, 1, 1)))
    world.lights.append(Light(np.array((0.0, -1.0, 1.0)), np.full(3, 20.0)))
    lit = picture(world, FORWARD).radiance
    # Behind the camera: it shades the middle of the wall without being seen.
    world.at(0, -0.5, z=1).add(Shape.SPHERE, (0, 0, 0), (0.2, 0.2, 0.2), world.material('any'))
    shaded = picture(world, FORWARD).radiance
    assert (shaded[0, :, 30, 38] < 0.7 * lit[0, :, 30, 38]).all()
    assert torch.allclose(shaded[0, :, :, :8], lit[0, :, :, :8])


def test_a_polished_floor_mirrors_what_stands_behind(world: World) -> None:
    floor = world.material('any', tint=(1, 1, 1))
    world.at(0, 0).box((0, 0, -0.1), (20, 20, 0.2), floor)
    glow = world.material('any', tint=(1, 1, 1), emission=9.0)
    world.at(0, 4).box((0, 0.1, 1), (0.8, 0.2, 2), glow)
    dull = picture(world, FORWARD).radiance
    polished = replace(world.primitives[0], material=replace(floor, gloss=0.9))
    world.primitives[0] = polished
    shine = (picture(world, FORWARD).radiance - dull)[0].mean(0)
    # 2.7 m ahead, three eighths down, the floor shows what stands half a metre above it at 4 m.
    assert shine[round(CAMERA.cy + CAMERA.fy * 3 / 8), 38] > 0.02
    assert shine[: int(CAMERA.cy)].abs().max() < 1e-6  # nothing but the floor reflects
    assert shine[54:, :4].abs().max() < 1e-6  # there it reflects the empty sky


def test_culling_changes_nothing(world: World) -> None:
    """Every primitive alone, then the nearest of all."""
    whole = picture(cluttered(world), FORWARD).depth_m
    nearest = torch.full_like(whole, torch.inf)
    for primitive in world.primitives:
        lone = World(world.textures, world.rng, [primitive])
        depth = picture(lone, FORWARD).depth_m
        nearest = torch.minimum(nearest, torch.where(depth > 0, depth, torch.inf))
    nearest[nearest.isinf()] = 0
    assert torch.allclose(whole, nearest, atol=1e-5)


def test_poses_of_another_shape_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match='world_from_camera: expected'):
        render(stack_worlds([world]), CAMERA, torch.eye(4), torch.zeros(1, dtype=torch.long))


def test_worlds_must_share_their_textures(world: World) -> None:
    other = World(Textures(world.textures.images, {'any': range(1)}), world.rng)
    with pytest.raises(ValueError, match='one set of textures'):
        stack_worlds([world, other])
