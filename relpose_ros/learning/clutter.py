"""What people leave about: things on tables, heaps, boxes, bags, bins, cables, and people."""

import numpy as np
from relpose_ros.learning import furniture
from relpose_ros.learning.worlds import Place

SKINS = ((0.9, 0.7, 0.58), (0.75, 0.52, 0.38), (0.38, 0.25, 0.18))


def strew(place: Place, width: float, depth: float, density: float = 9.0) -> None:
    """
    Cover a surface with small things, some of them in a row, some in a heap.

    :param density: things per square metre.
    """
    rng = place.world.rng
    for _ in range(int(rng.poisson(density * width * depth))):
        x, y = rng.uniform(-0.5, 0.5, 2) * (max(width - 0.2, 0.02), max(depth - 0.2, 0.02))
        small_thing(place.at(x, y, float(rng.uniform(-180, 180))))


def small_thing(place: Place) -> None:
    """Put one of many things that stand or lie on tables, within 0.1 m of the place."""
    makers = (
        furniture.cup,
        furniture.bottle,
        _package,
        _package,
        _books,
        _papers,
        _papers,
        _tin,
        _bowl,
        _folder,
        _pens,
        _plain_cup,
    )
    makers[place.world.rng.integers(len(makers))](place)


def _package(place: Place) -> None:
    rng = place.world.rng
    size = rng.uniform((0.05, 0.04, 0.03), (0.18, 0.11, 0.26))
    kind = str(rng.choice(('label', 'label', 'plain', 'cardboard')))
    place.box((0, 0, size[2] / 2), size, place.world.material(kind, 0.0))


def _books(place: Place) -> None:
    world, z = place.world, 0.0
    for _ in range(int(world.rng.integers(1, 5))):
        thick = float(world.rng.uniform(0.012, 0.045))
        kind = str(world.rng.choice(('poster', 'picture', 'plain', 'books')))
        turn = (0, 0, float(world.rng.uniform(-20, 20)))
        size = (float(world.rng.uniform(0.13, 0.19)), 0.23, thick)
        place.box((0, 0, z + thick / 2), size, world.material(kind, 0.0), turn)
        z += thick + 0.0005


def _papers(place: Place) -> None:
    world = place.world
    for level in range(int(world.rng.integers(1, 4))):
        offset = (*world.rng.uniform(-0.04, 0.04, 2), 0.001 + 0.0022 * level)
        turn = (0, 0, float(world.rng.uniform(-30, 30)))
        place.box(offset, (0.21, 0.297, 0.002), world.material('paper', 0.0), turn)


def _tin(place: Place) -> None:
    radius, height = place.world.rng.uniform((0.025, 0.06), (0.06, 0.18))
    place.cylinder((0, 0, height / 2), radius, height, place.world.material('label', 0.0))


def _plain_cup(place: Place) -> None:
    glaze = place.world.material('plain', 0.3, gloss=0.6)
    place.cylinder((0, 0, 0.045), 0.038, 0.09, glaze)
    coffee = place.world.material('plain', 0.3, (0.08, 0.05, 0.03))
    place.cylinder((0, 0, 0.088), 0.033, 0.006, coffee)
    place.box((0.05, 0, 0.05), (0.03, 0.012, 0.045), glaze)


def _bowl(place: Place) -> None:
    world = place.world
    place.cylinder((0, 0, 0.02), 0.1, 0.04, world.material('plain', 0.4, gloss=0.4))
    for angle in range(0, 360, 90):
        size = world.rng.uniform(0.06, 0.085)
        fruit = world.material('plain', 0.2, tuple(world.rng.uniform(0.3, 1.0, 3)), gloss=0.3)
        place.at(0, 0, angle).ellipsoid((0.045, 0, 0.06), (size, size, size), fruit)


def _folder(place: Place) -> None:
    kind = str(place.world.rng.choice(('label', 'plain')))
    place.box((0, 0, 0.16), (0.07, 0.28, 0.32), place.world.material(kind, 0.0))


def _pens(place: Place) -> None:
    world = place.world
    place.cylinder((0, 0, 0.05), 0.035, 0.1, world.material('plain', 0.3))
    for angle in (20, 140, 260):
        pen = world.material('plain', 0.1)
        turned = place.at(0, 0, angle + float(world.rng.uniform(-40, 40)))
        turned.cylinder((0.02, 0, 0.1), 0.004, 0.14, pen, (0, 12, 0))


def boxes(place: Place, count: int) -> None:
    """Stack cardboard boxes and crates."""
    world, z = place.world, 0.0
    for _ in range(count):
        size = world.rng.uniform((0.28, 0.22, 0.15), (0.5, 0.38, 0.36))
        kind = str(world.rng.choice(('cardboard', 'cardboard', 'plain', 'label')))
        turn = (0, 0, float(world.rng.uniform(-14, 14)))
        place.box((0, 0, z + size[2] / 2), size, world.material(kind, 0.0), turn)
        z += size[2]


def bin_(place: Place) -> None:
    """Add a waste bin, round or square."""
    world = place.world
    height, width = world.rng.uniform((0.3, 0.24), (0.7, 0.36))
    body = world.material('plain', 0.5, gloss=0.2)
    black = world.material('plain', 0.5, furniture.BLACK)
    if world.rng.random() < 0.5:
        place.cylinder((0, 0, height / 2), width / 2, height, body)
        place.cylinder((0, 0, height), width / 2 - 0.02, 0.01, black)
    else:
        place.box((0, 0, height / 2), (width, width, height), body)
        place.box((0, 0, height), (width - 0.03, width - 0.03, 0.01), black)


def bag(place: Place) -> None:
    """Add a rucksack that leans on something at +y."""
    cloth = place.world.material('crumpled', 0.6)
    place.ellipsoid((0, 0, 0.21), (0.34, 0.24, 0.46), cloth, (-8, 0, 0))
    place.ellipsoid((0, -0.1, 0.15), (0.26, 0.12, 0.24), cloth)
    place.box((0, 0.06, 0.42), (0.05, 0.04, 0.1), cloth)


def cable(place: Place, length: float) -> None:
    """Lay a cable that meanders along x on a surface."""
    rng = place.world.rng
    black = place.world.material('plain', 0.3, furniture.BLACK if rng.random() < 0.6 else None)
    steps = max(3, int(length / 0.16))
    x = np.linspace(-length / 2, length / 2, steps + 1)
    y = rng.normal(0, 0.02, steps + 1).cumsum().clip(-0.1, 0.1)
    for k in range(steps):
        start, way = np.array((x[k], y[k])), np.array((x[k + 1] - x[k], y[k + 1] - y[k]))
        yaw_deg = float(np.degrees(np.arctan2(way[1], way[0])))
        middle = place.at(*(start + way / 2), yaw_deg)
        middle.cylinder((0, 0, 0.005), 0.005, float(np.hypot(*way)) + 0.004, black, (0, 90, 0))


def person(place: Place) -> None:
    """Add a standing person, who looks along -y."""
    world = place.world
    tall = float(world.rng.uniform(0.9, 1.08))
    coat, trousers = world.material('crumpled', 0.9), world.material('crumpled', 0.8)
    skin = world.material('paint', 1.0, SKINS[world.rng.integers(len(SKINS))])
    hair = world.material('paint', 0.3, tuple(world.rng.uniform(0.02, 0.3) * np.ones(3)))
    shoes = world.material('plain', 0.3, furniture.BLACK)
    for side in (-1, 1):
        place.cylinder((0.1 * side, 0, 0.45 * tall), 0.085, 0.84 * tall, trousers)
        place.ellipsoid((0.1 * side, -0.06, 0.05), (0.11, 0.28, 0.1), shoes)
        swing = float(world.rng.uniform(-9, 9))
        arm = (0.24 * side, 0, 1.14 * tall)
        place.ellipsoid(arm, (0.11, 0.13, 0.64 * tall), coat, (swing, -5 * side, 0))
        place.ellipsoid((0.29 * side, -0.02, 0.8 * tall), (0.08, 0.09, 0.18), skin)
    place.ellipsoid((0, 0, 1.16 * tall), (0.46, 0.28, 0.76 * tall), coat)
    place.cylinder((0, 0, 1.5 * tall), 0.055, 0.14, skin)
    place.ellipsoid((0, 0, 1.64 * tall), (0.17, 0.2, 0.25), skin)
    place.ellipsoid((0, 0.02, 1.68 * tall), (0.19, 0.21, 0.22), hair)
