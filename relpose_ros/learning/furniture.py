"""Furniture composed of primitives; each piece stands on its place's z = 0, front towards -y."""

import numpy as np
from relpose_ros.learning.worlds import Light, Material, Place

BLACK = (0.05, 0.05, 0.055)
LAMP_POWER = np.array((1.0, 0.86, 0.68))


def table(place: Place, width: float, depth: float, height: float) -> None:
    """Add a table with four legs."""
    wood = place.world.material('wood', 0.9, gloss=0.25)
    place.box((0, 0, height - 0.02), (width, depth, 0.04), wood)
    place.box((0, 0, height - 0.08), (width - 0.12, depth - 0.12, 0.08), wood)
    for x in (-width / 2 + 0.06, width / 2 - 0.06):
        for y in (-depth / 2 + 0.06, depth / 2 - 0.06):
            place.box((x, y, height / 2 - 0.02), (0.06, 0.06, height - 0.04), wood)


def chair(place: Place) -> None:
    """Add a chair; who sits on it looks along -y."""
    wood = place.world.material('wood', 0.7)
    place.box((0, 0, 0.45), (0.43, 0.43, 0.035), wood)
    cushion = place.world.material('fabric', 0.45)
    place.box((0, -0.01, 0.485), (0.39, 0.38, 0.04), cushion)
    for x in (-0.19, 0.19):
        place.cylinder((x, -0.19, 0.22), 0.018, 0.44, wood)
        place.cylinder((x, 0.2, 0.46), 0.018, 0.92, wood)
    for z in (0.62, 0.74, 0.86):
        place.box((0, 0.2, z), (0.4, 0.02, 0.07), wood)


def sofa(place: Place, width: float = 2.1) -> None:
    """Add a sofa with cushions."""
    rng = place.world.rng
    cover = place.world.material('fabric', 1.1, tint=(0.7, 0.7, 0.72))
    place.box((0, 0, 0.2), (width, 0.88, 0.24), cover)
    for x in (-width / 2 + 0.09, width / 2 - 0.09):
        place.box((x, 0, 0.31), (0.18, 0.9, 0.54), cover)
    seat = (width - 0.4) / 2
    for x in (-seat / 2, seat / 2):
        place.box((x, -0.06, 0.385), (seat - 0.01, 0.72, 0.14), cover)
        place.box((x, 0.3, 0.6), (seat - 0.01, 0.2, 0.46), cover, (-9, 0, 0))
    for x in np.linspace(-width / 2 + 0.4, width / 2 - 0.4, 4):
        pillow = place.world.material('fabric', 0.0)
        turn = (-24, float(rng.uniform(-14, 14)), float(rng.uniform(-12, 12)))
        place.ellipsoid((x, 0.1, 0.66), (0.44, 0.17, 0.44), pillow, turn)


def bed(place: Place, width: float = 1.5) -> None:
    """Add a bed, its head at +y."""
    world = place.world
    wood = world.material('wood', 1.0)
    place.box((0, 0, 0.2), (width, 2.05, 0.22), wood)
    place.box((0, 1.04, 0.5), (width + 0.06, 0.06, 1.0), wood)
    place.box((0, -1.04, 0.3), (width + 0.06, 0.05, 0.5), wood)
    place.box((0, 0, 0.4), (width - 0.06, 2.0, 0.18), world.material('paint', 1.0))
    blanket = world.material('fabric', 1.4)
    place.box((0, -0.3, 0.45), (width + 0.02, 1.38, 0.16), blanket)
    place.box((0, 0.3, 0.54), (width - 0.02, 0.3, 0.05), world.material('fabric', 0.6))
    for x in (-width / 4, width / 4):
        place.box((x, 0.72, 0.56), (0.6, 0.4, 0.12), world.material('fabric', 0.8), (14, 0, 3))
        place.ellipsoid(
            (x, 0.58, 0.63), (0.4, 0.2, 0.34), world.material('fabric', 0), (-35, 0, 8)
        )


def books(place: Place, width: float, depth: float, height: float) -> None:
    """Fill a board with blocks of books, things and gaps; its middle is the place."""
    rng, x = place.world.rng, -width / 2
    while x < width / 2 - 0.07:
        block = min(float(rng.uniform(0.12, 0.36)), width / 2 - x)
        tall, deep = float(rng.uniform(0.62, 0.92)) * height, float(rng.uniform(0.6, 0.85)) * depth
        middle = x + block / 2
        if rng.random() < 0.78:
            spines = place.world.material('books', 0.0)
            place.box((middle, (depth - deep) / 2 - 0.01, tall / 2), (block, deep, tall), spines)
        else:
            thing(place.at(middle, -0.02), min(block * 0.6, 0.14), tall)
        x += block + float(rng.choice((0.004, 0.004, 0.05)))


def thing(place: Place, size: float, height: float) -> None:
    """Add a vase, a package, a ball or a picture that stands."""
    rng, world = place.world.rng, place.world
    kind = rng.integers(4)
    if kind == 0:
        place.cylinder(
            (0, 0, height * 0.3), size * 0.4, height * 0.6, world.material('label', 0.3)
        )
        place.cylinder(
            (0, 0, height * 0.68), size * 0.2, height * 0.2, world.material('marble', 0.2)
        )
    elif kind == 1:
        turn = (0, 0, float(rng.uniform(-30, 30)))
        place.box(
            (0, 0, height * 0.35),
            (size, size * 0.7, height * 0.7),
            world.material('label', 0),
            turn,
        )
    elif kind == 2:
        place.ellipsoid((0, 0, size / 2), (size, size, size), world.material('picture', 0.0))
    else:
        place.box(
            (0, 0, height * 0.4),
            (size, 0.02, height * 0.8),
            world.material('picture', 0),
            (-8, 0, 0),
        )


def bookshelf(place: Place, width: float = 0.95, height: float = 2.0, depth: float = 0.3) -> None:
    """Add a filled bookshelf with its back at +y."""
    wood = place.world.material('wood', 1.2)
    for x in (-width / 2 + 0.0125, width / 2 - 0.0125):
        place.box((x, 0, height / 2), (0.025, depth, height), wood)
    place.box((0, depth / 2 - 0.005, height / 2), (width - 0.05, 0.01, height), wood)
    boards = np.linspace(0.07, height - 0.013, max(2, round(height / 0.37)) + 1)
    for z in boards:
        place.box((0, 0, z), (width - 0.05, depth - 0.01, 0.025), wood)
    for z in boards[:-1]:
        books(place.at(0, 0, z=z + 0.0125), width - 0.06, depth, boards[1] - boards[0] - 0.03)
    for x in (-width / 4, width / 4):
        thing(place.at(x, 0, z=height), 0.2, 0.32)


def cabinet(place: Place, width: float, height: float, depth: float, doors: int) -> None:
    """Add a cabinet with doors, knobs and a plinth, its back at +y."""
    body = place.world.material(str(place.world.rng.choice(('wood', 'paint'))), 1.1, gloss=0.15)
    place.box((0, 0.02, 0.04), (width - 0.04, depth - 0.04, 0.08), body)
    place.box((0, 0.01, height / 2 + 0.04), (width, depth - 0.02, height - 0.08), body)
    metal = place.world.material('metal', 0.2, gloss=0.6)
    each = width / doors
    for door in range(doors):
        x = -width / 2 + (door + 0.5) * each
        front = Material(body.texture, 1.3, tuple(0.93 * c for c in body.tint), 0.15)
        place.box((x, -depth / 2, height / 2 + 0.04), (each - 0.012, 0.024, height - 0.1), front)
        inner = (each - 0.14, 0.034, height - 0.24)
        place.box((x, -depth / 2, height / 2 + 0.04), inner, body)
        knob = x + (each / 2 - 0.05) * (1 if door % 2 == 0 else -1)
        place.cylinder((knob, -depth / 2 - 0.03, height * 0.55), 0.012, 0.12, metal)


def drawers(place: Place, width: float, height: float, depth: float, rows: int) -> None:
    """Add a chest of drawers, its back at +y."""
    body = place.world.material('wood', 0.8, gloss=0.2)
    place.box((0, 0, height / 2), (width, depth, height), body)
    metal = place.world.material('metal', 0.2, gloss=0.6)
    each = (height - 0.08) / rows
    for row in range(rows):
        z = 0.06 + (row + 0.5) * each
        place.box((0, -depth / 2 - 0.006, z), (width - 0.04, 0.018, each - 0.015), body)
        place.cylinder((0, -depth / 2 - 0.03, z), 0.008, width * 0.3, metal, (0, 90, 0))


def picture(place: Place, width: float, height: float, kind: str = 'poster') -> None:
    """Hang a framed picture with its back at y = 0, its middle at the place."""
    frame = place.world.material('wood', 0.4)
    place.box((0, -0.012, 0), (width + 0.05, 0.024, height + 0.05), frame)
    place.box((0, -0.014, 0), (width, 0.028, height), place.world.material(kind, 0.0, (1, 1, 1)))


def screen(place: Place, width: float) -> None:
    """Add a screen on its foot."""
    plastic = place.world.material('paint', 1.0, BLACK, gloss=0.4)
    height = width * 0.58
    place.box((0, 0.03, 0.008), (width * 0.4, 0.18, 0.016), plastic)
    place.box((0, 0.05, 0.1), (0.06, 0.02, 0.2), plastic)
    place.box((0, 0.02, 0.12 + height / 2), (width, 0.035, height), plastic)
    shown = place.world.material('screen', 0.0, (1, 1, 1), gloss=0.3, emission=0.35)
    place.box((0, 0.0, 0.12 + height / 2), (width - 0.03, 0.005, height - 0.03), shown)


def cup(place: Place) -> None:
    """Add a cup with a handle."""
    glaze = place.world.material('label', 0.0, gloss=0.5)
    place.cylinder((0, 0, 0.05), 0.04, 0.1, glaze)
    place.box((0.05, 0, 0.055), (0.03, 0.012, 0.05), glaze)


def bottle(place: Place) -> None:
    """Add a bottle with a label."""
    glass = place.world.material('label', 0.25, gloss=0.6)
    place.cylinder((0, 0, 0.1), 0.036, 0.2, glass)
    place.ellipsoid((0, 0, 0.2), (0.072, 0.072, 0.08), glass)
    place.cylinder((0, 0, 0.26), 0.013, 0.08, place.world.material('metal', 0.1))


def plant(place: Place, height: float) -> None:
    """Add a potted plant."""
    rng, world = place.world.rng, place.world
    pot = height * 0.28
    place.cylinder((0, 0, pot / 2), pot * 0.5, pot, world.material('label', 0.6))
    stem = world.material('leaf', 0.3, (0.5, 0.4, 0.3))
    place.cylinder((0, 0, height * 0.45), 0.012, height * 0.6, stem)
    for level in range(16):
        z = height * (0.4 + 0.6 * level / 16)
        yaw, reach = 137.5 * level, height * float(rng.uniform(0.12, 0.2))
        leaf = (2.0 * reach, reach * 0.75, 0.012)
        tilt = float(rng.uniform(-45, 0))
        place.at(0, 0, yaw).ellipsoid(
            (reach, 0, z), leaf, world.material('leaf', 0.25), (12, tilt, 0)
        )


def lamp(place: Place, height: float, room: int, power: float) -> None:
    """Add a standing lamp with a shade that glows, and its light."""
    world = place.world
    metal = world.material('metal', 0.2, gloss=0.5)
    place.cylinder((0, 0, 0.012), 0.07 + 0.04 * height, 0.024, metal)
    place.cylinder((0, 0, height / 2), 0.012, height, metal)
    shade = world.material('fabric', 0.5, (1.0, 0.85, 0.6), emission=1.6)
    place.cylinder((0, 0, height), 0.08 + 0.06 * height, 0.16 + 0.06 * height, shade)
    world.lights.append(Light(_position(place, height), power * LAMP_POWER, room))


def ceiling_lamp(place: Place, room: int, power: float) -> None:
    """Hang a lamp; its place is on the ceiling."""
    world = place.world
    place.cylinder((0, 0, -0.15), 0.008, 0.3, world.material('metal', 0.2))
    globe = world.material('paint', 0.5, (1.0, 0.95, 0.85), emission=2.2)
    place.ellipsoid((0, 0, -0.36), (0.34, 0.34, 0.22), globe)
    world.lights.append(Light(_position(place, -0.4), power * LAMP_POWER, room))


def _position(place: Place, z: float) -> np.ndarray:
    return place.at(0, 0, z=z).world_from_place[:3, 3]


def clutter(place: Place, width: float, depth: float, count: int) -> None:
    """Strew cups, bottles, packages, stacked books and papers over a surface."""
    rng, world = place.world.rng, place.world
    for index in range(count):
        x = width * ((index + 0.5) / count - 0.5) + float(rng.uniform(-0.2, 0.2)) * width / count
        y, turn = float(rng.uniform(-0.3, 0.3)) * depth, float(rng.uniform(-40, 40))
        spot = place.at(x, y, turn)
        kind = rng.integers(5)
        if kind == 0:
            cup(spot)
        elif kind == 1:
            bottle(spot)
        elif kind == 2:
            size = rng.uniform((0.06, 0.05, 0.08), (0.16, 0.1, 0.24))
            spot.box((0, 0, size[2] / 2), size, world.material('label', 0.0))
        elif kind == 3:
            for level in range(3):
                layer = (0, 0, 0.016 + 0.032 * level)
                cover = world.material('books', 0.0)
                spot.box(layer, (0.22, 0.16, 0.031), cover, (0, 0, float(rng.uniform(-15, 15))))
        else:
            spot.box((0, 0, 0.002), (0.21, 0.29, 0.004), world.material('poster', 0.0, (1, 1, 1)))
