"""Furniture of kitchens; as in furniture, fronts towards -y."""

import numpy as np
from relpose_ros.learning import clutter, furniture
from relpose_ros.learning.furniture import BLACK
from relpose_ros.learning.worlds import Material, Place

TOP_M = 0.9
UPPER_M = 1.45  # lower edge of the wall cabinets


def counter(place: Place, width: float, upper: bool) -> None:
    """
    Add base cabinets, worktop, sink, hob, oven, splashback and wall cabinets.

    :param place: middle of the footprint, which is 0.62 m deep.
    :param upper: hang cabinets and a hood above; not where a window is.
    """
    world, rng = place.world, place.world.rng
    front = world.material(str(rng.choice(('plain', 'plain', 'wood', 'paint'))), 1.2, gloss=0.25)
    handle = world.material('metal', 0.2, gloss=0.7)
    kind = str(rng.choice(('marble', 'wood', 'plain', 'concrete')))
    count = max(2, round(width / 0.6))
    each = width / count
    hob, sink = (int(v) for v in rng.choice(count, 2, replace=False))
    place.box((0, 0.03, 0.05), (width, 0.5, 0.1), world.material('plain', 0.6, BLACK))
    place.box((0, 0.01, 0.48), (width, 0.58, 0.77), front)
    top = place.at(0, 0, z=0.86)
    top.box((0, -0.01, 0.02), (width + 0.02, 0.63, 0.04), world.material(kind, 0.9, gloss=0.5))
    for index in range(count):
        spot = place.at(-width / 2 + (index + 0.5) * each, -0.28)
        if index == hob:
            oven(spot, each, front)
            _hob(spot.at(0, 0.28, z=TOP_M))
        else:
            _doors(spot, each, front, handle, drawers=rng.random() < 0.4 and index != sink)
            if index == sink:
                _sink(spot.at(0, 0.28, z=TOP_M))
            else:
                _devices(spot.at(0, 0.28, z=TOP_M), each)
    if not upper:
        return
    splash = world.material(str(rng.choice(('tiles', 'plain', 'marble'))), 0.5, gloss=0.5)
    place.box((0, 0.302, TOP_M + 0.275), (width, 0.012, 0.55), splash)
    for index in range(count):
        spot = place.at(-width / 2 + (index + 0.5) * each, 0.14)
        if index == hob:
            _hood(spot.at(0, -0.02, z=UPPER_M + 0.1), each)
        elif rng.random() < 0.8:
            wall_cabinet(spot, each, front, handle)
        else:
            spot.box((0, 0.03, UPPER_M), (each, 0.24, 0.025), front)
            furniture.books(spot.at(0, 0.03, z=UPPER_M + 0.013), each, 0.2, 0.3)


def _doors(place: Place, width: float, front: Material, handle: Material, drawers: bool) -> None:
    """Add the fronts of one base cabinet; the place is the middle of the front on the floor."""
    rows = ((0.24, 0.27), (0.51, 0.25), (0.745, 0.2)) if drawers else ((0.48, 0.73),)
    for z, height in rows:
        place.box((0, -0.012, z), (width - 0.01, 0.02, height - 0.012), front)
        grip = (0, -0.035, z + height / 2 - 0.06)
        place.cylinder(grip, 0.007, width * 0.4, handle, (0, 90, 0))


def wall_cabinet(place: Place, width: float, front: Material, handle: Material) -> None:
    """Hang a cabinet above a worktop; the place is the middle of its footprint."""
    place.box((0, 0, UPPER_M + 0.35), (width, 0.32, 0.7), front)
    place.box((0, -0.17, UPPER_M + 0.35), (width - 0.01, 0.02, 0.69), front)
    place.cylinder((width / 2 - 0.06, -0.195, UPPER_M + 0.12), 0.006, 0.14, handle)


def oven(place: Place, width: float, front: Material) -> None:
    """Build an oven in; the place is the middle of the front on the floor."""
    world = place.world
    glass = world.material('plain', 0.6, BLACK, gloss=0.9)
    metal = world.material('metal', 0.5, gloss=0.6)
    place.box((0, -0.012, 0.75), (width - 0.01, 0.02, 0.14), metal)
    place.box((0, -0.012, 0.43), (width - 0.01, 0.022, 0.48), glass)
    place.cylinder((0, -0.05, 0.64), 0.01, width * 0.8, metal, (0, 90, 0))
    for x in np.linspace(-0.2, 0.2, 5):
        place.cylinder((x, -0.03, 0.75), 0.018, 0.03, glass, (90, 0, 0))
    place.box((0, -0.012, 0.14), (width - 0.01, 0.02, 0.08), front)


def _hob(place: Place) -> None:
    world = place.world
    black = world.material('plain', 0.6, BLACK, gloss=0.8)
    metal = world.material('metal', 0.4, gloss=0.8)
    place.box((0, 0, 0.004), (0.56, 0.5, 0.01), black)
    for x, y in ((-0.14, -0.12), (0.14, -0.12), (-0.14, 0.12), (0.14, 0.12)):
        place.cylinder((x, y, 0.01), 0.08, 0.006, world.material('plain', 0.3, (0.2, 0.2, 0.2)))
        if world.rng.random() < 0.35:
            place.cylinder((x, y, 0.08), 0.1, 0.13, metal)
            place.cylinder((x, y, 0.15), 0.09, 0.012, metal)
            place.box((x, y, 0.12), (0.28, 0.02, 0.015), black)


def _sink(place: Place) -> None:
    world = place.world
    metal = world.material('metal', 0.4, gloss=0.8)
    place.box((0, -0.01, 0.002), (0.56, 0.46, 0.008), metal)
    place.box((0, -0.03, 0.005), (0.4, 0.34, 0.006), world.material('metal', 0.4, (0.2, 0.2, 0.2)))
    place.cylinder((0, 0.24, 0.14), 0.014, 0.26, metal)
    place.cylinder((0, 0.15, 0.26), 0.011, 0.19, metal, (90, 0, 0))
    place.cylinder((0, 0.06, 0.24), 0.013, 0.05, metal)
    furniture.bottle(place.at(0.22, 0.22))
    for index in range(int(world.rng.integers(0, 5))):
        plate = world.material('paint', 0.3, gloss=0.5)
        place.cylinder((-0.36, -0.12 + 0.05 * index, 0.1), 0.1, 0.012, plate, (78, 0, 0))


def _devices(place: Place, width: float) -> None:
    """Put a microwave, a kettle, a coffee machine or many small things on the worktop."""
    world, kind = place.world, place.world.rng.integers(5)
    black = world.material('plain', 0.4, BLACK, gloss=0.6)
    metal = world.material('metal', 0.4, gloss=0.7)
    if kind == 0:
        place.box((0, 0.08, 0.14), (0.48, 0.34, 0.28), metal)
        place.box((-0.06, -0.092, 0.14), (0.32, 0.01, 0.22), black)
        place.box((0.18, -0.092, 0.14), (0.1, 0.01, 0.22), world.material('keyboard', 0.0))
    elif kind == 1:
        place.cylinder((0, 0.08, 0.11), 0.075, 0.2, metal)
        place.cylinder((0, 0.08, 0.22), 0.05, 0.02, black)
        place.box((0.1, 0.08, 0.13), (0.03, 0.02, 0.15), black)
        clutter.strew(place.at(-0.18, 0), width / 2, 0.4, 14)
    elif kind == 2:
        place.box((0, 0.14, 0.18), (0.24, 0.16, 0.36), black)
        place.box((0, 0.02, 0.32), (0.24, 0.2, 0.08), black)
        place.box((0, 0.02, 0.012), (0.24, 0.22, 0.024), metal)
        place.cylinder((0, 0.02, 0.09), 0.05, 0.13, metal)
    else:
        clutter.strew(place, width, 0.5, 20)


def _hood(place: Place, width: float) -> None:
    metal = place.world.material('metal', 0.6, gloss=0.5)
    place.box((0, -0.06, 0.03), (width, 0.44, 0.06), metal)
    place.box((0, 0.04, 0.5), (0.26, 0.24, 0.9), metal)


def fridge(place: Place, height: float) -> None:
    """Add a fridge with notes on its door, boxes on top; its back at +y."""
    world, rng = place.world, place.world.rng
    kind = str(rng.choice(('paint', 'metal', 'plain')))
    body = world.material(kind, 1.0, gloss=0.4)
    place.box((0, 0, height / 2), (0.6, 0.6, height), body)
    for z, tall in ((height * 0.31, height * 0.58), (height * 0.8, height * 0.37)):
        place.box((0, -0.31, z), (0.59, 0.03, tall), body)
        place.box((-0.25, -0.345, z), (0.02, 0.03, min(0.4, tall * 0.7)), world.material('metal'))
    for _ in range(int(rng.integers(0, 5))):
        x, z = rng.uniform((-0.15, 0.9 if height > 1.3 else 0.4), (0.2, min(height, 1.7) - 0.2))
        size = rng.uniform((0.08, 0.08), (0.2, 0.28))
        note = world.material(str(rng.choice(('paper', 'picture', 'poster'))), 0.0)
        place.box((x, -0.327, z), (size[0], 0.004, size[1]), note, (0, float(rng.normal(0, 5)), 0))
    clutter.strew(place.at(0, 0, z=height), 0.55, 0.5, 10)


def stool(place: Place) -> None:
    """Add a bar stool or a simple chair on tubes."""
    world = place.world
    metal = world.material('metal', 0.3, gloss=0.6)
    seat = world.material(str(world.rng.choice(('leather', 'wood', 'plain'))), 0.5)
    if world.rng.random() < 0.4:
        place.cylinder((0, 0, 0.01), 0.2, 0.02, metal)
        place.cylinder((0, 0, 0.35), 0.025, 0.7, metal)
        place.cylinder((0, 0, 0.72), 0.18, 0.06, seat)
        return
    for x in (-0.2, 0.2):
        place.cylinder((x, -0.19, 0.22), 0.012, 0.44, metal)
        place.cylinder((x, 0, 0.012), 0.012, 0.44, metal, (90, 0, 0))
        place.cylinder((x, 0.2, 0.42), 0.012, 0.84, metal)
    place.box((0, 0, 0.45), (0.42, 0.42, 0.04), seat)
    place.box((0, 0.2, 0.74), (0.42, 0.03, 0.24), seat)
