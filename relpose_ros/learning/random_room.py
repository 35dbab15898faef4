"""A room that chance furnishes: what stands along the walls, hangs on them and lies about."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from relpose_ros.learning import furniture
from relpose_ros.learning.rooms import (
    add_outdoors,
    add_room,
    curtains,
    door_leaf,
    HEIGHT_M,
    Opening,
    Room,
    SIDES,
    window,
)
from relpose_ros.learning.textures import Textures
from relpose_ros.learning.worlds import Place, World

CORNER_M = 0.65  # kept free, so that the furniture of two walls does not meet
DEEPEST_M = 0.95


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Furniture that stands at a wall.

    :param width: along the wall [m].
    :param depth: from the wall [m].
    :param height: of its top; 0: nothing is put on it [m].
    :param add: builds it; its place is the middle of its footprint.
    """

    width: float
    depth: float
    height: float
    add: Callable[[Place], None]


PIECES = (
    Piece(1.0, 0.3, 0.0, lambda place: furniture.bookshelf(place)),
    Piece(0.9, 0.3, 0.0, lambda place: furniture.bookshelf(place, 0.85, 1.5)),
    Piece(1.3, 0.45, 0.8, lambda place: furniture.cabinet(place, 1.25, 0.8, 0.42, 3)),
    Piece(1.1, 0.6, 0.0, lambda place: furniture.cabinet(place, 1.05, 2.1, 0.56, 2)),
    Piece(1.0, 0.45, 0.75, lambda place: furniture.drawers(place, 0.95, 0.75, 0.42, 4)),
    Piece(1.9, DEEPEST_M, 0.0, lambda place: furniture.sofa(place, 1.85)),
    Piece(1.4, 0.65, 0.74, lambda place: furniture.table(place, 1.35, 0.62, 0.74)),
    Piece(0.7, 0.7, 0.0, lambda place: furniture.plant(place, 1.3)),
    Piece(0.5, 0.5, 0.0, lambda place: furniture.chair(place)),
)


def build_random_room(textures: Textures, seed: int) -> World:
    """
    Build one furnished room, its south-west corner at (0, 0).

    :param seed: decides everything.
    """
    world = World(textures, np.random.default_rng(seed))
    rng = world.rng
    size = tuple(float(v) for v in rng.uniform((3.4, 3.4), (6.0, 5.2)))
    spans = dict(zip(SIDES, (size[0], size[1]) * 2, strict=True))
    with_door, with_window = (str(side) for side in rng.choice(SIDES, 2, replace=False))
    start = float(rng.uniform(CORNER_M, spans[with_door] - CORNER_M - 0.9))
    door = Opening(start, start + 0.9)
    width = float(rng.uniform(1.0, min(2.2, spans[with_window] - 1.6)))
    start = float(rng.uniform(0.7, spans[with_window] - width - 0.7))
    view = window(start, start + width)
    floor = world.material(str(rng.choice(('planks', 'tiles', 'carpet'))), 1.3, gloss=0.2)
    kinds = rng.choice(('plaster', 'plaster', 'wallpaper', 'brick'), len(SIDES))
    paint = {side: world.material(str(k), 1.4) for side, k in zip(SIDES, kinds, strict=True)}
    openings = {with_door: [door], with_window: [view]}
    room = add_room(world, (0.0, 0.0), size, floor, paint, openings, SIDES)
    furniture.ceiling_lamp(world.at(size[0] / 2, size[1] / 2, z=HEIGHT_M), 0, 2.6)
    curtains(room, world, with_window, view)
    door_leaf(room, world, with_door, door, float(rng.uniform(0, 12)))
    for side in SIDES:
        _furnish(world, room, side, openings.get(side, []))
    _middle(world, size)
    add_outdoors(world, (0.0, 0.0), size)
    return world


def _furnish(world: World, room: Room, side: str, openings: list[Opening]) -> None:
    """Put pieces side by side along a wall, pictures above the low ones."""
    rng, along, stop = world.rng, CORNER_M, room.length(side) - CORNER_M
    while True:
        piece = PIECES[rng.integers(len(PIECES))]
        end = along + piece.width
        if end > stop:
            return
        blocked = [o for o in openings if o.start < end and o.stop > along]
        if any(o.sill == 0 or piece.height == 0 for o in blocked):
            along = max(o.stop for o in blocked) + 0.1
            continue
        middle = along + piece.width / 2
        spot = room.on_wall(world, side, middle, off=piece.depth / 2 + 0.02)
        piece.add(spot)
        if piece.height > 0:
            furniture.clutter(spot.at(0, 0, z=piece.height), piece.width - 0.1, 0.3, 5)
            if not blocked:
                kind = str(rng.choice(('poster', 'picture')))
                size = rng.uniform((0.4, 0.4), (0.9, 0.8))
                furniture.picture(room.on_wall(world, side, middle, 1.6), *size, kind)
        along = end + float(rng.uniform(0.05, 0.5))


def _middle(world: World, size: tuple[float, float]) -> None:
    """Put a rug and, where there is space, a table with chairs into the middle."""
    free = np.array(size) - 2 * DEEPEST_M
    place = world.at(size[0] / 2, size[1] / 2, float(world.rng.choice((0.0, 90.0))))
    place.box((0, 0, 0.006), (1.5, 1.5, 0.012), world.material('rug', 0.0))
    if free.min() > 2.0:
        furniture.table(place, 1.1, 0.75, 0.74)
        furniture.clutter(place.at(0, 0, z=0.74), 1.0, 0.6, 5)
        for yaw_deg in (0.0, 180.0):
            furniture.chair(place.at(0, 0, yaw_deg + float(world.rng.uniform(-9, 9))).at(0, 0.55))
