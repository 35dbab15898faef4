"""Rooms: walls with openings, floor, ceiling, skirting, windows with daylight, doors."""

from dataclasses import dataclass

import numpy as np
from relpose_ros.learning.worlds import Light, Material, Place, World

HEIGHT_M = 2.55
INNER_WALL_M = 0.06  # each of two rooms has its own half of the wall between them
OUTER_WALL_M = 0.28
DAYLIGHT = np.array((0.92, 0.98, 1.06))
SKIRTING_M = (0.09, 0.014)  # height, thickness
WHITE = (0.9, 0.9, 0.9)

SIDES = ('south', 'east', 'north', 'west')


@dataclass(frozen=True, slots=True)
class Opening:
    """
    A door or window in a wall.

    :param start: its left end along the wall, seen from inside [m].
    :param stop: its right end [m].
    :param sill: its lower edge above the floor; 0: a door [m].
    :param head: its upper edge [m].
    """

    start: float
    stop: float
    sill: float = 0.0
    head: float = 2.05


def window(start: float, stop: float, sill: float = 0.85) -> Opening:
    """Return a window of usual height."""
    return Opening(start, stop, sill, 2.2)


@dataclass(frozen=True, slots=True)
class Room:
    """
    A rectangular room.

    :param index: its number in the world, which its lights carry.
    :param lower: (2,), south-west corner [m].
    :param upper: (2,), north-east corner [m].
    """

    index: int
    lower: tuple[float, float]
    upper: tuple[float, float]

    def length(self, side: str) -> float:
        """Return the length of a wall [m]."""
        axis = 0 if side in ('south', 'north') else 1
        return self.upper[axis] - self.lower[axis]

    def on_wall(
        self, world: World, side: str, along: float, z: float = 0.0, off: float = 0.0
    ) -> Place:
        """
        Return a place at a wall, its back to the wall, its x to the right seen from inside.

        :param along: distance from the wall's left end, seen from inside [m].
        :param off: distance from the wall [m].
        """
        (x0, y0), (x1, y1) = self.lower, self.upper
        corner, yaw_deg = {
            'north': ((x0, y1), 0.0),
            'east': ((x1, y1), -90.0),
            'south': ((x1, y0), 180.0),
            'west': ((x0, y0), 90.0),
        }[side]
        return world.at(*corner, yaw_deg).at(along, -off, z=z)


def add_room(
    world: World,
    lower: tuple[float, float],
    upper: tuple[float, float],
    floor: Material,
    paint: dict[str, Material],
    openings: dict[str, list[Opening]],
    outer: tuple[str, ...],
    ceiling: Material | None = None,
    height: float = HEIGHT_M,
    daylight: float = 1.0,
) -> Room:
    """
    Add floor, ceiling, walls, skirting, frames and the light of the windows.

    :param paint: material of each side's wall.
    :param openings: the doors and windows of each side, left to right.
    :param outer: the sides that face the open air.
    :param ceiling: white plaster if not given.
    :param height: of the ceiling [m].
    :param daylight: strength of the windows' light.
    """
    room = Room(len(world.rooms), lower, upper)
    world.rooms.append(np.array(((*lower, 0.0), (*upper, height))))
    size = np.subtract(upper, lower) + 2 * INNER_WALL_M
    middle = np.add(lower, upper) / 2
    slab = world.at(*middle)
    slab.box((0, 0, -0.1), (*size, 0.2), floor)
    ceiling = ceiling or world.material('plaster', 3.0, WHITE)
    slab.box((0, 0, height + 0.1), (*size, 0.2), ceiling)
    for side in SIDES:
        thickness = OUTER_WALL_M if side in outer else INNER_WALL_M
        _wall(world, room, side, thickness, paint[side], openings.get(side, []), daylight)
    return room


def _wall(
    world: World,
    room: Room,
    side: str,
    thickness: float,
    paint: Material,
    openings: list[Opening],
    daylight: float,
) -> None:
    length, wall = room.length(side), room.on_wall(world, side, 0.0)
    trim = world.material('paint', 0.8, WHITE)
    height, depth = SKIRTING_M
    top = world.rooms[room.index][1, 2] + 0.2

    def block(start: float, stop: float, low: float, high: float) -> None:
        centre = ((start + stop) / 2, thickness / 2, (low + high) / 2)
        wall.box(centre, (stop - start, thickness, high - low), paint)

    # Corners are closed by letting walls run past each other, outside of the room.
    left = -INNER_WALL_M
    for opening in [*openings, None]:
        right = length + INNER_WALL_M if opening is None else opening.start
        block(left, right, -0.1, top)
        if opening is not None:
            block(opening.start, opening.stop, opening.head, top)
            if opening.sill > 0:
                block(opening.start, opening.stop, -0.1, opening.sill)
                _window(world, room, wall, opening, thickness, daylight)
            else:
                _door_frame(wall, opening, trim)
            left = opening.stop
    left = 0.0
    for opening in [*(o for o in openings if o.sill == 0), None]:
        right = length if opening is None else opening.start - 0.07
        wall.box(((left + right) / 2, -depth / 2, height / 2), (right - left, depth, height), trim)
        left = 0.0 if opening is None else opening.stop + 0.07


def _door_frame(wall: Place, opening: Opening, trim: Material) -> None:
    middle, width = (opening.start + opening.stop) / 2, opening.stop - opening.start
    for x in (opening.start - 0.035, opening.stop + 0.035):
        wall.box((x, 0.0, opening.head / 2), (0.07, 0.05, opening.head), trim)
    wall.box((middle, 0.0, opening.head + 0.035), (width + 0.14, 0.05, 0.07), trim)


def _window(
    world: World, room: Room, wall: Place, opening: Opening, thickness: float, daylight: float
) -> None:
    """Add frame, mullion, sill and the daylight, which comes from the middle of the window."""
    white = world.material('paint', 0.8, WHITE, gloss=0.2)
    middle, width = (opening.start + opening.stop) / 2, opening.stop - opening.start
    level, height = (opening.sill + opening.head) / 2, opening.head - opening.sill
    back = thickness - 0.06
    for x in (opening.start + 0.025, middle, opening.stop - 0.025):
        wall.box((x, back, level), (0.05, 0.06, height), white)
    for z in (opening.sill + 0.025, opening.head - 0.025):
        wall.box((middle, back + 0.001, z), (width, 0.06, 0.05), white)
    wall.box((middle, 0.04, opening.sill + 0.012), (width + 0.12, 0.24, 0.03), white)
    light = wall.at(middle + 0.12, 0.03, z=level).world_from_place
    power = 2.4 * daylight * width * height * DAYLIGHT
    if daylight > 0:
        world.lights.append(Light(light[:3, 3], power, room.index, -light[:3, 1]))


def add_outdoors(
    world: World,
    lower: tuple[float, float],
    upper: tuple[float, float],
    daylight: float = 1.0,
    sun: float = 1.0,
) -> None:
    """
    Put houses and trees around a building and the sun above it.

    :param daylight: brightness of the houses.
    :param sun: strength of the sun; 0: clouds or night.
    """
    middle, reach = np.add(lower, upper) / 2, 14.0 + max(0.0, *np.subtract(upper, lower) - 9)
    for yaw_deg in (0.0, 90.0, 180.0, 270.0):
        street = world.material('outdoor', 0.0, (1, 1, 1), emission=1.3 * daylight)
        world.at(*middle, yaw_deg).box((0, reach, 3), (2.2 * reach, 0.2, 16), street)
    if sun > 0:
        position = np.array((*middle, 0.0)) + np.array((-16.0, -34.0, 30.0))
        world.lights.append(Light(position, sun * 5200.0 * np.array((1.0, 0.92, 0.78))))


def curtains(room: Room, world: World, side: str, opening: Opening) -> None:
    """Hang a folded curtain on each side of a window, on a rod."""
    cloth = world.material('fabric', 0.8)
    wall = room.on_wall(world, side, 0.0)
    middle, width = (opening.start + opening.stop) / 2, opening.stop - opening.start
    rod = world.material('metal', 0.3, gloss=0.5)
    wall.cylinder((middle, -0.1, 2.34), 0.012, width + 0.7, rod, (0, 90, 0))
    for edge, way in ((opening.start, -1), (opening.stop, 1)):
        for fold in range(5):
            x = edge + way * (0.01 + 0.055 * fold)
            wall.box((x, -0.1, 1.2), (0.06, 0.05, 2.24), cloth, (0, 0, 38 * (-1) ** fold))


def door_leaf(
    room: Room,
    world: World,
    side: str,
    opening: Opening,
    swing_deg: float,
    leaf: Material | None = None,
) -> None:
    """
    Hang a door, open by an angle into the room, its hinges left as seen from inside.

    :param leaf: of wood if not given.
    """
    width = opening.stop - opening.start
    hinge = room.on_wall(world, side, opening.start, off=0.02).at(0, 0, -swing_deg)
    leaf = leaf or world.material('wood', 1.3, gloss=0.15)
    hinge.box((width / 2, 0, 1.02), (width, 0.04, 2.0), leaf)
    for z in (0.55, 1.5):
        hinge.box((width / 2, 0, z), (width - 0.26, 0.052, 0.7), leaf)
    hinge.cylinder((width - 0.07, 0, 1.02), 0.012, 0.16, world.material('metal', 0.2), (90, 0, 0))
