"""Worlds made of primitives: how they are put together and how the ray caster sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from relpose_ros.core.geometry import transform, transform_points
from relpose_ros.learning.textures import Textures
from scipy.spatial.transform import Rotation
import torch
from torch import Tensor


class Shape(IntEnum):
    """Every primitive is the affine image of one of these unit shapes, each inside [-1, 1]^3."""

    BOX = 0
    CYLINDER = 1  # axis along z
    SPHERE = 2


@dataclass(frozen=True, slots=True)
class Material:
    """
    What a surface looks like.

    :param texture: index into the texture images.
    :param repeat_m: length after which the texture repeats [m]; 0: stretched once over each face.
    :param tint: factor per colour channel, linear.
    :param gloss: strength of the specular highlight, 0 to 1.
    :param emission: light that the surface gives off; a surface that glows casts no shadow.
    """

    texture: int
    repeat_m: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.0
    emission: float = 0.0


@dataclass(frozen=True, slots=True)
class Primitive:
    """
    One solid.

    :param shape: the unit shape.
    :param centre: (3,), world frame [m].
    :param half_axes: (3, 3), row i is the unit shape's axis i in the world frame [m].
    :param material: its surface.
    """

    shape: Shape
    centre: np.ndarray
    half_axes: np.ndarray
    material: Material


@dataclass(frozen=True, slots=True)
class Light:
    """
    A point light that casts shadows.

    :param position: (3,), world frame [m].
    :param power: radiance factor per colour channel at 1 m.
    :param room: index of the only room that it lights; -1: it lights everything.
    :param axis: (3,), direction in which a window sends its light; zeros: all directions.
    """

    position: np.ndarray
    power: np.ndarray
    room: int = -1
    axis: np.ndarray = field(default_factory=lambda: np.zeros(3))


@dataclass(slots=True)
class World:
    """
    A world while it is being put together.

    :param textures: the images that its materials refer to.
    :param rng: the source of every random choice.
    :param ambient: strength of the light that comes from everywhere.
    """

    textures: Textures
    rng: np.random.Generator
    primitives: list[Primitive] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    rooms: list[np.ndarray] = field(default_factory=list)  # (2, 3) lower and upper corner [m]
    ambient: float = 1.0

    def material(
        self,
        kind: str,
        repeat_m: float = 1.0,
        tint: tuple[float, float, float] | None = None,
        gloss: float = 0.0,
        emission: float = 0.0,
    ) -> Material:
        """Pick one of the textures of a kind, slightly tinted unless a tint is given."""
        texture = self.textures.pick(kind, self.rng)
        tint = tuple(self.rng.uniform(0.75, 1.0, 3)) if tint is None else tint
        return Material(texture, repeat_m, tint, gloss, emission)

    def at(self, x: float, y: float, yaw_deg: float = 0.0, z: float = 0.0) -> Place:
        """Return the place of a piece of furniture, its front towards its own -y."""
        return Place(self, np.eye(4)).at(x, y, yaw_deg, z)


@dataclass(frozen=True, slots=True)
class Place:
    """
    A frame in a world to which primitives are added.

    :param world: the world that grows.
    :param world_from_place: (4, 4).
    """

    world: World
    world_from_place: np.ndarray

    def at(self, x: float, y: float, yaw_deg: float = 0.0, z: float = 0.0) -> Place:
        """Return a place given in this one [m, degrees about z]."""
        rotation = Rotation.from_euler('z', yaw_deg, degrees=True).as_matrix()
        place_from_inner = transform(rotation, np.array((x, y, z)))
        return Place(self.world, self.world_from_place @ place_from_inner)

    def add(
        self,
        shape: Shape,
        centre: Sequence[float],
        size: Sequence[float],
        material: Material,
        turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """
        Add a primitive.

        :param centre: (3,), in this place [m].
        :param size: (3,), full extent along the primitive's own axes [m].
        :param turn_deg: rotations about x, y and z, in this order, axes fixed.
        """
        turn = Rotation.from_euler('xyz', turn_deg, degrees=True).as_matrix()
        axes = self.world_from_place[:3, :3] @ turn
        centre = transform_points(self.world_from_place, np.asarray(centre, dtype=np.float64))
        half_axes = axes.T * (np.asarray(size, dtype=np.float64)[:, None] / 2)
        self.world.primitives.append(Primitive(shape, centre, half_axes, material))

    def box(
        self,
        centre: Sequence[float],
        size: Sequence[float],
        material: Material,
        turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """Add a box; see add."""
        self.add(Shape.BOX, centre, size, material, turn_deg)

    def cylinder(
        self,
        centre: Sequence[float],
        radius: float,
        length: float,
        material: Material,
        turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """Add a cylinder, upright unless turned; see add."""
        self.add(Shape.CYLINDER, centre, (2 * radius, 2 * radius, length), material, turn_deg)

    def ellipsoid(
        self,
        centre: Sequence[float],
        size: Sequence[float],
        material: Material,
        turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """Add an ellipsoid; see add."""
        self.add(Shape.SPHERE, centre, size, material, turn_deg)


@dataclass(frozen=True, slots=True)
class Worlds:
    """
    Several worlds as padded tensors, W worlds of at most N primitives, L lights and M rooms.

    :param shape: (W, N) long; -1 where padded.
    :param centre: (W, N, 3) [m].
    :param half_axes: (W, N, 3, 3), rows [m].
    :param unit_from_world: (W, N, 3, 3), linear part of the map onto the unit shape [1/m].
    :param texture: (W, N) long.
    :param look: (W, N, 6): repeat_m, tint (3), gloss, emission.
    :param light_position: (W, L, 3) [m].
    :param light_power: (W, L, 3); 0 where padded.
    :param light_room: (W, L) long.
    :param light_axis: (W, L, 3).
    :param rooms: (W, M, 2, 3) [m]; padded ones are empty.
    :param ambient: (W,), strength of the light that comes from everywhere.
    :param texels: (P,) int32, every level of every texture, the bytes of each red, green, blue and
        nothing; see Textures.pyramid.
    :param texture_px: side of the largest level [px].
    """

    shape: Tensor
    centre: Tensor
    half_axes: Tensor
    unit_from_world: Tensor
    texture: Tensor
    look: Tensor
    light_position: Tensor
    light_power: Tensor
    light_room: Tensor
    light_axis: Tensor
    rooms: Tensor
    ambient: Tensor
    texels: Tensor
    texture_px: int


def _padded(rows: list[list], fill: float, inner: tuple[int, ...], device: str) -> Tensor:
    longest = max(1, *(len(row) for row in rows))
    out = np.full((len(rows), longest, *inner), fill)
    for world, row in enumerate(rows):
        if row:
            out[world, : len(row)] = np.asarray(row)
    return torch.as_tensor(out, device=device, dtype=torch.float32)


def _packed(colours: np.ndarray) -> np.ndarray:
    """Put colours (P, 3) uint8 into integers (P,): one look-up instead of three."""
    return np.pad(colours, ((0, 0), (0, 1))).view(np.int32)[:, 0]


def stack_worlds(worlds: Sequence[World], device: str = 'cpu') -> Worlds:
    """
    Put worlds that share their textures into tensors.

    :raises ValueError: if the worlds do not share one set of textures.
    """
    textures = worlds[0].textures
    if any(world.textures is not textures for world in worlds):
        raise ValueError('worlds: expected one set of textures, got several')

    def solids(value, inner: tuple[int, ...] = (), fill: float = 0.0) -> Tensor:
        return _padded([[value(p) for p in w.primitives] for w in worlds], fill, inner, device)

    def lights(value, inner: tuple[int, ...] = ()) -> Tensor:
        return _padded([[value(light) for light in w.lights] for w in worlds], 0, inner, device)

    def look(p: Primitive) -> tuple[float, ...]:
        m = p.material
        return m.repeat_m, *m.tint, m.gloss, m.emission

    return Worlds(
        shape=solids(lambda p: p.shape, fill=-1).long(),
        centre=solids(lambda p: p.centre, (3,)),
        half_axes=solids(lambda p: p.half_axes, (3, 3)),
        unit_from_world=solids(lambda p: np.linalg.inv(p.half_axes.T), (3, 3)),
        texture=solids(lambda p: p.material.texture).long(),
        look=solids(look, (6,)),
        light_position=lights(lambda light: light.position, (3,)),
        light_power=lights(lambda light: light.power, (3,)),
        light_room=lights(lambda light: light.room).long(),
        light_axis=lights(lambda light: light.axis, (3,)),
        rooms=_padded([w.rooms for w in worlds], 0, (2, 3), device),
        ambient=torch.tensor([w.ambient for w in worlds], device=device),
        texels=torch.as_tensor(_packed(textures.pyramid()), device=device),
        texture_px=textures.images.shape[1],
    )
