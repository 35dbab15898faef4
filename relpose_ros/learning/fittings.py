"""What is fixed to walls and ceilings: lamps, radiators, sockets, pipes, boards, signs, coats."""

import numpy as np
from relpose_ros.learning.furniture import BLACK
from relpose_ros.learning.worlds import Light, Place

COLD, WARM = np.array((0.96, 1.0, 1.04)), np.array((1.0, 0.86, 0.68))
WHITE = (0.9, 0.9, 0.9)


def panel_lamps(
    place: Place, size: tuple[float, float], room: int, power: float, lights: int
) -> None:
    """
    Set square panels or long tubes into a ceiling, along x; the place is the ceiling's middle.

    :param size: of the ceiling, x and y [m].
    :param power: of all lamps together.
    :param lights: how many sources shine for the lamps.
    """
    world, rng = place.world, place.world.rng
    tube = rng.random() < 0.4
    each = (1.2, 0.16) if tube else (0.58, 0.58)
    down = 0.1 if tube else 0.004
    rows = max(1, round(size[1] / 3.2))
    columns = max(lights, round(size[0] / 2.6))
    body = world.material('paint', 1.0, WHITE)
    glow = world.material('paint', 1.0, (0.97, 1.0, 1.03), emission=float(rng.uniform(1.8, 4.0)))
    for row in range(rows):
        for column in range(columns):
            x, y = size[0] * ((column + 0.5) / columns - 0.5), size[1] * ((row + 0.5) / rows - 0.5)
            place.box((x, y, -down / 2), (each[0] + 0.04, each[1] + 0.04, down + 0.006), body)
            place.box((x, y, -down - 0.004), (*each, 0.008), glow)
    for index in range(lights):
        x = size[0] * ((index + 0.5) / lights - 0.5)
        position = place.at(x, 0, z=-0.3).world_from_place[:3, 3]
        world.lights.append(Light(position, power / lights * COLD, room))


def pendant_lamps(place: Place, length: float, room: int, power: float, drop: float) -> None:
    """Hang two or three lamps with shades in a row along x; the place is on the ceiling."""
    world, rng = place.world, place.world.rng
    shade = world.material('plain', 0.5, gloss=0.3)
    bulb = world.material('paint', 0.5, (1.0, 0.9, 0.7), emission=3.0)
    cord = world.material('plain', 0.2, BLACK)
    count, radius = int(rng.integers(2, 4)), float(rng.uniform(0.1, 0.2))
    for x in np.linspace(-length / 2, length / 2, count):
        place.cylinder((x, 0, -drop / 2), 0.005, drop, cord)
        place.cylinder((x, 0, -drop), radius, 0.14, shade)
        place.cylinder((x, 0, -drop - 0.072), radius - 0.02, 0.01, bulb)
    position = place.at(0, 0, z=-drop - 0.2).world_from_place[:3, 3]
    world.lights.append(Light(position, power * WARM, room))


def radiator(place: Place, width: float) -> None:
    """Hang a radiator under a window; the place is on the floor at the wall."""
    white = place.world.material('paint', 0.6, WHITE, gloss=0.2)
    place.box((0, -0.07, 0.4), (width, 0.05, 0.5), white)
    for x in np.arange(-width / 2 + 0.05, width / 2, 0.1):
        place.box((x, -0.1, 0.4), (0.055, 0.03, 0.52), white)
    for x in (-width / 2 + 0.05, width / 2 - 0.05):
        place.cylinder((x, -0.04, 0.09), 0.01, 0.18, white)
    place.cylinder((width / 2 + 0.04, -0.07, 0.6), 0.025, 0.08, white, (0, 90, 0))


def sockets(place: Place, count: int = 2) -> None:
    """Set sockets or switches side by side into a wall; the place is their middle."""
    frame = place.world.material('paint', 0.3, WHITE)
    hole = place.world.material('plain', 0.3, (0.55, 0.55, 0.55))
    for index in range(count):
        x = 0.082 * (index - (count - 1) / 2)
        place.box((x, -0.005, 0), (0.08, 0.01, 0.08), frame)
        place.cylinder((x, -0.008, 0), 0.021, 0.008, hole, (90, 0, 0))


def conduit(place: Place, length: float, height: float) -> None:
    """Run a duct along a wall at a height, with a branch down; the place is on the floor."""
    duct = place.world.material(str(place.world.rng.choice(('paint', 'metal'))), 0.6)
    place.box((0, -0.03, height), (length, 0.06, 0.1), duct)
    x = float(place.world.rng.uniform(-0.4, 0.4)) * length
    place.box((x, -0.02, height / 2 + 0.15), (0.04, 0.03, height - 0.3), duct)


def pipes(place: Place, length: float, height: float) -> None:
    """Run two pipes along a wall under the ceiling; the place is on the floor."""
    for y, radius in ((-0.08, 0.035), (-0.2, 0.055)):
        pipe = place.world.material(
            str(place.world.rng.choice(('metal', 'plain'))), 0.5, gloss=0.4
        )
        place.cylinder((0, y, height), radius, length, pipe, (0, 90, 0))


def board(place: Place, width: float, height: float, kind: str) -> None:
    """Hang a whiteboard or notice board with a metal frame; the place is its middle."""
    metal = place.world.material('metal', 0.5, gloss=0.4)
    gloss = 0.5 if kind == 'whiteboard' else 0.0
    place.box((0, -0.01, 0), (width + 0.05, 0.02, height + 0.05), metal)
    place.box((0, -0.012, 0), (width, 0.024, height), place.world.material(kind, 0.0, gloss=gloss))
    if kind == 'whiteboard':
        place.box((0, -0.05, -height / 2 - 0.01), (width * 0.6, 0.08, 0.012), metal)
        for x in place.world.rng.uniform(-0.25, 0.25, 3) * width:
            pen = place.world.material('plain', 0.1)
            place.cylinder((x, -0.06, -height / 2 + 0.006), 0.009, 0.12, pen, (0, 90, 0))


def sheets(place: Place, count: int) -> None:
    """Tape sheets of paper to a wall about the place, askew."""
    rng = place.world.rng
    for index in range(count):
        x, z = 0.26 * (index - (count - 1) / 2), float(rng.uniform(-0.2, 0.2))
        sheet = place.world.material(str(rng.choice(('paper', 'paper', 'poster'))), 0.0)
        place.box((x, -0.002, z), (0.21, 0.004, 0.297), sheet, (0, float(rng.uniform(-4, 4)), 0))


def clock(place: Place) -> None:
    """Hang a round clock; the place is its middle."""
    world = place.world
    place.cylinder((0, -0.02, 0), 0.16, 0.04, world.material('plain', 0.3), (90, 0, 0))
    place.cylinder((0, -0.025, 0), 0.145, 0.04, world.material('paint', 0.3), (90, 0, 0))
    hand = world.material('plain', 0.3, BLACK)
    for length, turn in ((0.1, world.rng.uniform(0, 360)), (0.14, world.rng.uniform(0, 360))):
        angle = np.radians(turn)
        middle = (length / 2 * np.sin(angle), -0.047, length / 2 * np.cos(angle))
        place.box(middle, (0.012, 0.004, length), hand, (0, turn, 0))


def sign(place: Place, width: float, height: float) -> None:
    """Fix a sign; the place is its middle."""
    place.box((0, -0.005, 0), (width, 0.01, height), place.world.material('sign', 0.0))


def extinguisher(place: Place) -> None:
    """Hang a fire extinguisher with its sign; the place is on the floor at the wall."""
    world = place.world
    red = world.material('paint', 0.4, (0.75, 0.03, 0.03), gloss=0.5)
    black = world.material('plain', 0.3, BLACK)
    place.cylinder((0, -0.09, 0.5), 0.075, 0.44, red)
    place.ellipsoid((0, -0.09, 0.72), (0.15, 0.15, 0.12), red)
    place.box((0, -0.1, 0.8), (0.05, 0.12, 0.04), black)
    place.cylinder((0.07, -0.12, 0.62), 0.012, 0.36, black, (8, 0, 0))
    place.box((0, -0.166, 0.52), (0.09, 0.004, 0.16), world.material('label', 0.0))
    sign(place.at(0, 0, z=1.35), 0.2, 0.2)


def coat_hooks(place: Place, width: float) -> None:
    """Fix a row of hooks with coats and bags; the place is on the floor at the wall."""
    world, rng = place.world, place.world.rng
    place.box((0, -0.01, 1.7), (width, 0.02, 0.1), world.material('wood', 0.8))
    for x in np.arange(-width / 2 + 0.1, width / 2, 0.17):
        place.cylinder((x, -0.05, 1.7), 0.008, 0.08, world.material('metal', 0.2), (90, 0, 0))
        if rng.random() < 0.6:
            long = float(rng.uniform(0.4, 1.0))
            turn = (0, float(rng.uniform(-6, 6)), 0)
            cloth = world.material('crumpled', 0.7)
            place.ellipsoid((x, -0.11, 1.74 - long / 2), (0.26, 0.17, long), cloth, turn)


def vent(place: Place, width: float, height: float) -> None:
    """Set a grille into a wall or ceiling; the place is its middle."""
    place.box((0, -0.004, 0), (width, 0.008, height), place.world.material('grille', 0.0))


def blind(place: Place, width: float, low: float, high: float) -> None:
    """Let a blind down before a window; the place is on the floor at the window's middle."""
    slats = place.world.material('blind', 0.8)
    place.box((0, -0.05, high), (width + 0.1, 0.07, 0.07), slats)
    place.box((0, -0.05, (low + high) / 2), (width + 0.06, 0.012, high - low), slats)
