"""A room that chance furnishes: what stands along the walls, hangs on them and lies about."""

import numpy as np
from relpose_ros.learning import clutter, fittings, furniture
from relpose_ros.learning.room_kinds import KINDS, RoomKind, SHARES
from relpose_ros.learning.room_pieces import Piece, RADIATOR
from relpose_ros.learning.rooms import (
    add_outdoors,
    add_room,
    curtains,
    door_leaf,
    Opening,
    Room,
    SIDES,
    window,
)
from relpose_ros.learning.textures import Textures
from relpose_ros.learning.worlds import World

CORNER_M = 0.65  # kept free, so that the furniture of two walls does not meet
DEEPEST_M = 0.95
DOOR_M = 0.9

Openings = dict[str, list[Opening]]


def build_random_room(textures: Textures, seed: int) -> World:
    """
    Build one furnished room, its south-west corner at (0, 0).

    :param seed: decides everything.
    """
    world = World(textures, np.random.default_rng(seed))
    rng = world.rng
    kind = KINDS[str(rng.choice(list(SHARES), p=list(SHARES.values())))]
    size = tuple(float(v) for v in rng.uniform(kind.smallest, kind.largest))
    daylight = float(rng.choice((0.0, 0.6, 1.0, 1.6), p=(0.15, 0.3, 0.35, 0.2)))
    power = float(rng.choice((0.6, 1.4, 2.6, 4.0)))
    # What walls and ceiling send back of the light that there is.
    world.ambient = float(rng.uniform(0.6, 1.3)) * (0.2 + 0.22 * power + 0.3 * daylight)
    openings = _openings(world, kind, size)
    room = _shell(world, kind, size, openings, daylight)
    _lamps(world, kind, size, room, power)
    _close_openings(world, room, openings)
    anchored = str(rng.choice(SIDES))
    for side in SIDES:
        first = kind.anchors if side == anchored else ()
        taken = _furnish(world, kind, room, side, openings[side], first)
        _hang(world, kind, room, side, openings[side], taken)
    free = tuple(float(v) for v in np.subtract(size, 2 * DEEPEST_M))
    kind.middle(world.at(size[0] / 2, size[1] / 2), free, room.index)
    sun = daylight * float(rng.random() < 0.5)
    add_outdoors(world, (0.0, 0.0), size, max(daylight, 0.03), sun)
    return world


def _openings(world: World, kind: RoomKind, size: tuple[float, float]) -> Openings:
    """Cut doors and windows into the walls, so that no two meet."""
    rng, openings = world.rng, {}
    with_windows = set(rng.choice(SIDES, int(rng.integers(1, 3)), replace=False))
    door_side = str(rng.choice(SIDES))
    for side in SIDES:
        length = size[0] if side in ('north', 'south') else size[1]
        doors = int(rng.integers(0, kind.doors + 1)) + (side == door_side)
        if kind.doors == 1 and side != door_side:
            doors = int(rng.random() < 0.15)
        cut = [(DOOR_M, None)] * doors
        if side in with_windows:
            sill = float(rng.choice((0.5, 0.85, 0.95)))
            cut += [(float(rng.uniform(0.9, 2.4)), sill)] * int(length // 2.4)
        openings[side] = _spread(cut, length, rng)
    return openings


def _spread(
    cut: list[tuple[float, float | None]], length: float, rng: np.random.Generator
) -> list[Opening]:
    """Place as many openings of a width and a sill (None: a door) along a wall as fit."""
    out, along = [], CORNER_M
    for index in rng.permutation(len(cut)):
        width, sill = cut[index]
        start = along + float(rng.uniform(0, 0.8 * length / len(cut)))
        if start + width > length - CORNER_M:
            continue
        stop = start + width
        out.append(Opening(start, stop) if sill is None else window(start, stop, sill))
        along = stop + 0.35
    return out


def _shell(
    world: World, kind: RoomKind, size: tuple[float, float], openings: Openings, daylight: float
) -> Room:
    """Add the walls, all alike but for one, the floor and the ceiling."""
    rng = world.rng
    floor = str(rng.choice(kind.floors))
    gloss = float(rng.uniform(0.0, 0.8)) if floor != 'carpet' else 0.0
    white = tuple(float(v) for v in rng.uniform(0.93, 1.0, 3))
    paint = dict.fromkeys(SIDES, world.material('wall', 2.5, white))
    if rng.random() < 0.7:
        paint |= {str(rng.choice(SIDES)): world.material(str(rng.choice(kind.walls)), 1.3)}
    if rng.random() < 0.25:
        paint = dict.fromkeys(SIDES, world.material(str(rng.choice(kind.walls)), 1.4))
    panelled = 'panels' in kind.lamps and rng.random() < 0.6
    return add_room(
        world,
        (0.0, 0.0),
        size,
        world.material(floor, float(rng.uniform(1.0, 2.4)), gloss=gloss),
        paint,
        openings,
        SIDES,
        world.material('ceiling_panel', 1.2, (0.95, 0.95, 0.95)) if panelled else None,
        float(rng.uniform(2.4, 3.1)),
        daylight,
    )


def _lamps(
    world: World, kind: RoomKind, size: tuple[float, float], room: Room, power: float
) -> None:
    rng, height = world.rng, world.rooms[room.index][1, 2]
    power *= max(1.0, size[0] * size[1] / 20)
    ceiling = world.at(size[0] / 2, size[1] / 2, z=height)
    lamps = str(rng.choice(kind.lamps))
    if lamps == 'panels':
        fittings.panel_lamps(ceiling, size, room.index, power, 1 + (size[0] > 6) + (size[0] > 9))
    elif lamps == 'pendants':
        drop = height - float(rng.uniform(1.7, 2.0))
        fittings.pendant_lamps(ceiling, size[0] * 0.4, room.index, power, drop)
    else:
        furniture.ceiling_lamp(ceiling, room.index, power)


def _close_openings(world: World, room: Room, openings: Openings) -> None:
    """Hang doors, curtains and blinds, radiators below windows."""
    rng = world.rng
    leaf = world.material(str(rng.choice(('wood', 'plain', 'paint', 'wall'))), 1.3, gloss=0.15)
    for side in SIDES:
        for opening in openings[side]:
            middle, width = (opening.start + opening.stop) / 2, opening.stop - opening.start
            wall = room.on_wall(world, side, middle)
            if opening.sill == 0:
                door_leaf(room, world, side, opening, 0.0, leaf)
                continue
            if rng.random() < 0.5:
                RADIATOR.add(wall)
            covered = rng.integers(4)
            if covered == 0:
                curtains(room, world, side, opening)
            elif covered == 1:
                low = float(rng.uniform(opening.sill, opening.head - 0.1))
                fittings.blind(wall, width, low, opening.head)
            if covered > 1:
                clutter.strew(wall.at(0, 0.02, z=opening.sill + 0.027), width, 0.24, 8)


def _furnish(
    world: World,
    kind: RoomKind,
    room: Room,
    side: str,
    openings: list[Opening],
    first: tuple[Piece, ...],
) -> list[tuple[float, float, float]]:
    """
    Put pieces side by side along a wall.

    :param first: pieces of which one shall stand there, if there is space for it.
    :return: start, stop and height of what stands there [m].
    """
    rng, stop = world.rng, room.length(side) - CORNER_M
    deepest = 0.32 * min(np.subtract(room.upper, room.lower))
    pieces = [p for p in kind.pieces if p.depth < deepest]
    along, taken = CORNER_M + float(rng.uniform(0, kind.gap)), []

    def fits(piece: Piece) -> bool:
        end = along + piece.width
        beside = (o.start > end + 0.05 or o.stop < along - 0.05 for o in openings)
        below = (o.sill >= piece.height for o in openings)
        return end <= stop and all(a or b for a, b in zip(beside, below, strict=True))

    while along < stop:
        wishes = [group[i] for group in (first, pieces) for i in rng.permutation(len(group))]
        piece = next((p for p in wishes if fits(p)), None)
        if piece is None:
            along += 0.2
            continue
        middle = along + piece.width / 2
        piece.add(room.on_wall(world, side, middle, off=piece.depth / 2 + 0.03), room.index)
        taken.append((along, along + piece.width, piece.height))
        along, first = along + piece.width + float(rng.uniform(0.02, kind.gap)), ()
    return taken


def _hang(
    world: World,
    kind: RoomKind,
    room: Room,
    side: str,
    openings: list[Opening],
    taken: list[tuple[float, float, float]],
) -> None:
    """Hang things where the wall is free."""
    rng, length = world.rng, room.length(side)
    windows = [(o.start - 0.25, o.stop + 0.25, o.head + 0.2) for o in openings]
    rects = [(a, b, 0.0, c) for a, b, c in (*taken, *windows)]
    ceiling = world.rooms[room.index][1, 2]
    for _ in range(int(rng.poisson(2.2 * length))):
        thing = kind.hangings[rng.integers(len(kind.hangings))]
        if length < thing.width + 0.3 or thing.high > ceiling:
            continue
        start = float(rng.uniform(0.15, length - thing.width - 0.15))
        stop = start + thing.width
        if any(
            a < stop and b > start and c < thing.high and d > thing.low for a, b, c, d in rects
        ):
            continue
        z = (thing.low + thing.high) / 2
        thing.add(room.on_wall(world, side, (start + stop) / 2, z))
        rects.append((start, stop, thing.low, thing.high))
