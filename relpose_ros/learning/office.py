"""Furniture of offices and corridors; as in furniture, fronts towards -y."""

import numpy as np
from relpose_ros.learning import clutter, furniture
from relpose_ros.learning.furniture import BLACK
from relpose_ros.learning.worlds import Light, Place


def desk(place: Place, width: float, room: int, depth: float = 0.75) -> None:
    """Add a desk with monitors, keyboard, papers, lamp, cables, pedestal and chair."""
    world, rng = place.world, place.world.rng
    top = world.material(str(rng.choice(('wood', 'plain', 'paint'))), 1.2, gloss=0.2)
    steel = world.material('plain', 0.6, gloss=0.3)
    place.box((0, 0, 0.725), (width, depth, 0.03), top)
    for x in (-width / 2 + 0.06, width / 2 - 0.06):
        place.box((x, 0, 0.36), (0.05, 0.06, 0.7), steel)
        place.box((x, 0, 0.02), (0.06, depth - 0.06, 0.04), steel)
    if rng.random() < 0.6:
        pedestal(place.at(float(rng.choice((-1, 1))) * (width / 2 - 0.32), 0.05))
    surface = place.at(0, 0, z=0.74)
    monitors = int(rng.choice((0, 1, 1, 2, 2)))
    for index in range(monitors):
        x = 0.56 * (index - (monitors - 1) / 2)
        spot = surface.at(x, 0.14, float(rng.uniform(-12, 12)) - 12 * (index - monitors / 2 + 0.5))
        furniture.screen(spot, float(rng.uniform(0.46, 0.58)))
    if monitors:
        _keys(surface.at(float(rng.uniform(-0.15, 0.15)), -0.2, float(rng.uniform(-8, 8))))
    else:
        laptop(surface.at(float(rng.uniform(-0.3, 0.3)), -0.08, float(rng.uniform(-15, 15))))
    if rng.random() < 0.5:
        reading_lamp(surface.at(-width / 2 + 0.14, 0.2, float(rng.uniform(-60, 60))), room)
    for x in (-width / 2 + 0.25, width / 2 - 0.25):
        clutter.strew(surface.at(x, -0.05), 0.45, depth - 0.1, 14)
    clutter.cable(place.at(0, depth / 2 - 0.1), width * 0.8)
    if rng.random() < 0.85:
        x, turn = float(rng.uniform(-0.25, 0.25)), float(rng.uniform(120, 240))
        office_chair(place.at(x, -depth / 2 - 0.15, turn))


def _keys(place: Place) -> None:
    world = place.world
    place.box((0, 0, 0.012), (0.43, 0.14, 0.02), world.material('keyboard', 0.0, (1, 1, 1)))
    mouse = world.material('plain', 0.2, BLACK)
    place.ellipsoid((0.3, 0, 0.014), (0.065, 0.11, 0.034), mouse)


def laptop(place: Place) -> None:
    """Add an open laptop."""
    world = place.world
    case = world.material('metal', 0.6)
    place.box((0, 0, 0.009), (0.33, 0.23, 0.016), case)
    place.box((0, 0.02, 0.011), (0.3, 0.11, 0.016), world.material('keyboard', 0.0, (1, 1, 1)))
    place.box((0, 0.15, 0.12), (0.33, 0.008, 0.22), case, (-18, 0, 0))
    shown = world.material('screen', 0.0, (1, 1, 1), gloss=0.3, emission=0.35)
    place.box((0, 0.145, 0.12), (0.31, 0.008, 0.19), shown, (-18, 0, 0))


def reading_lamp(place: Place, room: int) -> None:
    """Add a desk lamp on two arms; most are off."""
    world = place.world
    colour = world.material('plain', 0.3, gloss=0.4)
    place.cylinder((0, 0, 0.015), 0.09, 0.03, colour)
    place.cylinder((0, 0.06, 0.2), 0.009, 0.4, colour, (-18, 0, 0))
    place.cylinder((0, 0.0, 0.44), 0.009, 0.3, colour, (68, 0, 0))
    place.cylinder((0, -0.16, 0.47), 0.07, 0.1, colour, (20, 0, 0))
    if world.rng.random() < 0.3:
        bulb = world.material('paint', 0.3, (1, 0.9, 0.7), emission=3.0)
        place.cylinder((0, -0.178, 0.42), 0.055, 0.01, bulb, (20, 0, 0))
        position = place.at(0, -0.19, z=0.38).world_from_place[:3, 3]
        world.lights.append(Light(position, 0.35 * furniture.LAMP_POWER, room))


def office_chair(place: Place) -> None:
    """Add a swivel chair; who sits on it looks along -y."""
    world = place.world
    black = world.material('plain', 0.4, BLACK)
    seat = world.material(str(world.rng.choice(('fabric', 'leather', 'plain'))), 0.5)
    for turn in range(0, 360, 72):
        arm = place.at(0, 0, turn)
        arm.box((0.15, 0, 0.08), (0.28, 0.04, 0.03), black)
        arm.ellipsoid((0.28, 0, 0.035), (0.06, 0.04, 0.07), black)
    place.cylinder((0, 0, 0.25), 0.03, 0.34, black)
    place.box((0, 0, 0.46), (0.48, 0.46, 0.07), seat)
    place.box((0, 0.23, 0.58), (0.08, 0.02, 0.3), black)
    height = float(world.rng.uniform(0.4, 0.62))
    place.ellipsoid((0, 0.23, 0.62 + height / 2), (0.46, 0.1, height + 0.05), seat, (-8, 0, 0))
    if world.rng.random() < 0.6:
        for x in (-0.27, 0.27):
            place.box((x, 0.03, 0.66), (0.06, 0.26, 0.03), black)
            place.box((x, 0.08, 0.55), (0.03, 0.04, 0.2), black)


def pedestal(place: Place) -> None:
    """Add the drawers that stand under a desk."""
    world = place.world
    body = world.material('plain', 0.6, gloss=0.2)
    place.box((0, 0, 0.3), (0.42, 0.55, 0.54), body)
    for z in (0.14, 0.31, 0.48):
        place.box((0, -0.28, z), (0.4, 0.02, 0.155), body)
        place.box((0, -0.295, z + 0.05), (0.12, 0.012, 0.012), world.material('metal', 0.2))


def filing_cabinet(place: Place, width: float, height: float) -> None:
    """Add a steel cabinet with drawers or a tambour, things on top; its back at +y."""
    world, depth = place.world, 0.44
    body = world.material('plain', 0.9, gloss=0.2)
    place.box((0, 0, height / 2), (width, depth, height), body)
    if world.rng.random() < 0.4:
        shutter = world.material('grille', 0.5)
        place.box((0, -depth / 2, height / 2), (width - 0.06, 0.02, height - 0.1), shutter)
    else:
        rows = max(2, round(height / 0.34))
        each = (height - 0.06) / rows
        handle = world.material('metal', 0.2, gloss=0.5)
        for row in range(rows):
            z = 0.03 + (row + 0.5) * each
            place.box((0, -depth / 2 - 0.005, z), (width - 0.03, 0.02, each - 0.012), body)
            place.box((0, -depth / 2 - 0.025, z + 0.06), (0.16, 0.016, 0.014), handle)
    clutter.strew(place.at(0, 0, z=height), width, depth, 10)


def rack(place: Place, width: float, height: float, depth: float = 0.42) -> None:
    """Add an open shelf with boxes, folders and devices; its back at +y."""
    world, rng = place.world, place.world.rng
    steel = world.material(str(rng.choice(('metal', 'plain', 'wood'))), 0.7)
    for x in (-width / 2 + 0.02, width / 2 - 0.02):
        for y in (-depth / 2 + 0.02, depth / 2 - 0.02):
            place.box((x, y, height / 2), (0.04, 0.04, height), steel)
    levels = np.linspace(0.1, height - 0.03, max(3, round(height / 0.42) + 1))
    space = float(levels[1] - levels[0]) - 0.05
    for z in levels:
        place.box((0, 0, z), (width - 0.02, depth - 0.02, 0.025), steel)
        x = -width / 2 + 0.05
        room_above = min(space, 0.4)
        while x < width / 2 - 0.15:
            size = np.minimum(rng.uniform((0.1, 0.2, 0.1), (0.42, depth, 0.4)), (9, 9, room_above))
            size[0] = min(size[0], width / 2 - 0.05 - x)
            kind = str(rng.choice(('cardboard', 'cardboard', 'plain', 'label', 'books')))
            middle = (x + size[0] / 2, float(rng.uniform(-0.04, 0.04)), z + 0.0125 + size[2] / 2)
            place.box(middle, size, world.material(kind, 0.0))
            x += size[0] + float(rng.choice((0.01, 0.03, 0.3)))


def copier(place: Place) -> None:
    """Add a floor-standing printer."""
    world = place.world
    white, grey = world.material('paint', 0.8), world.material('plain', 0.8, (0.4, 0.4, 0.42))
    place.box((0, 0, 0.36), (0.6, 0.62, 0.72), white)
    for z in (0.18, 0.4):
        place.box((0, -0.312, z), (0.54, 0.02, 0.19), white)
        place.box((0, -0.325, z + 0.06), (0.2, 0.01, 0.02), grey)
    place.box((0, 0.04, 0.77), (0.56, 0.5, 0.1), grey)
    place.box((0, 0.02, 0.94), (0.6, 0.56, 0.24), white)
    place.box((0.05, -0.31, 1.0), (0.26, 0.12, 0.02), world.material('screen', 0.0), (28, 0, 0))
    place.box((-0.42, 0, 0.75), (0.26, 0.36, 0.02), grey, (0, -14, 0))
    place.box((-0.42, 0, 0.772), (0.21, 0.3, 0.01), world.material('paper', 0.0), (0, -14, 0))


def partition(place: Place, width: float, height: float) -> None:
    """Add a screen between desks, with sheets pinned to it."""
    world = place.world
    place.box((0, 0, height / 2), (width, 0.05, height), world.material('fabric', 0.9))
    place.box((0, 0, height), (width, 0.06, 0.03), world.material('metal', 0.4))
    for x in world.rng.uniform(-0.4, 0.4, 3) * width:
        z = height - float(world.rng.uniform(0.2, 0.3))
        place.box((x, 0, z), (0.21, 0.056, 0.3), world.material('paper', 0.0))


def bench(place: Place, width: float) -> None:
    """Add a row of visitors' chairs on a beam."""
    world = place.world
    seat = world.material(str(world.rng.choice(('leather', 'plain', 'wood'))), 0.6)
    metal = world.material('metal', 0.4, gloss=0.5)
    place.box((0, 0.1, 0.36), (width, 0.06, 0.06), metal)
    for x in np.arange(-width / 2 + 0.28, width / 2 - 0.2, 0.56):
        place.box((x, -0.02, 0.43), (0.5, 0.46, 0.06), seat)
        place.box((x, 0.22, 0.68), (0.5, 0.05, 0.4), seat, (-10, 0, 0))
    for x in (-width / 2 + 0.15, width / 2 - 0.15):
        place.box((x, 0, 0.18), (0.05, 0.4, 0.36), metal)
