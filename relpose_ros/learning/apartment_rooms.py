"""The demo's apartment: living room, kitchen and bedroom; chance decides how they look."""

import numpy as np
from relpose_ros.learning import furniture
from relpose_ros.learning.rooms import (
    add_outdoors,
    add_room,
    curtains,
    HEIGHT_M,
    Opening,
    Room,
    SIDES,
    window,
)
from relpose_ros.learning.textures import Textures
from relpose_ros.learning.worlds import World

LIVING = ((0.0, 0.0), (5.2, 4.6))
KITCHEN = ((5.32, 0.0), (8.9, 4.6))
BEDROOM = ((0.0, 4.72), (4.6, 8.6))
DESK_M = (1.4, 0.65, 0.74)


def build_apartment(textures: Textures, seed: int) -> World:
    """
    Put the apartment together: fixed rooms and furniture, random surfaces and small things.

    :param seed: what chance decides.
    """
    world = World(textures, np.random.default_rng(seed))
    _living(world)
    _kitchen(world)
    _bedroom(world)
    add_outdoors(world, (0.0, 0.0), (8.9, 8.6))
    return world


def _walls(world: World, kind: str, accent: str, accent_kind: str, repeat_m: float) -> dict:
    paint = world.material(kind, 2.4)
    return dict.fromkeys(SIDES, paint) | {accent: world.material(accent_kind, repeat_m)}


def _pictures(world: World, room: Room, spots: list[tuple[str, float, float, float, str]]) -> None:
    """Hang pictures at (wall, along, width, height, kind), about as high as the eye."""
    for side, along, width, height, kind in spots:
        z = 1.55 + float(world.rng.uniform(-0.06, 0.06))
        furniture.picture(room.on_wall(world, side, along, z), width, height, kind)


def _desk(world: World, room: Room, side: str, along: float) -> None:
    """Put a desk with screen, keyboard, lamp, clutter and a chair at a wall."""
    spot = room.on_wall(world, side, along, off=DESK_M[1] / 2 + 0.03)
    furniture.table(spot, *DESK_M)
    top = spot.at(0, 0, z=DESK_M[2])
    furniture.screen(top.at(-0.1, 0.1), 0.58)
    keys = world.material('label', 0.0)
    top.box((-0.1, -0.16, 0.012), (0.42, 0.14, 0.022), keys)
    furniture.lamp(top.at(0.55, 0.15), 0.42, room.index, 0.35)
    furniture.clutter(top.at(0.4, -0.12), 0.5, 0.3, 3)
    furniture.clutter(top.at(-0.55, 0.05), 0.25, 0.5, 2)
    furniture.chair(spot.at(0.05, -0.55, 170))


def _living(world: World) -> None:
    right, left = window(0.8, 2.2), window(3.2, 4.4)
    openings = {
        'south': [right, left],
        'east': [Opening(0.5, 1.4)],
        'north': [Opening(3.4, 4.3)],
    }
    floor = world.material('planks', 1.3, (0.9, 0.9, 0.9), gloss=0.2)
    walls = _walls(world, 'plaster', 'west', 'wallpaper', 0.9)
    room = add_room(world, *LIVING, floor, walls, openings, ('south', 'west'))
    furniture.ceiling_lamp(world.at(2.6, 2.3, z=HEIGHT_M), room.index, 2.6)
    furniture.sofa(room.on_wall(world, 'west', 2.0, off=0.52))
    world.at(1.9, 2.0).box((0, 0, 0.006), (2.3, 1.8, 0.012), world.material('rug', 0.0))
    coffee = world.at(1.65, 2.0, 90)
    furniture.table(coffee, 1.1, 0.6, 0.42)
    furniture.clutter(coffee.at(0, 0, z=0.42), 1.0, 0.5, 5)
    stand = room.on_wall(world, 'east', 3.1, off=0.24)
    furniture.cabinet(stand, 1.7, 0.48, 0.42, 4)
    furniture.screen(stand.at(0.05, 0, z=0.48), 1.1)
    furniture.clutter(stand.at(-0.7, 0, z=0.48), 0.25, 0.3, 2)
    for along in (0.62, 1.62):
        furniture.bookshelf(room.on_wall(world, 'north', along, off=0.16))
    furniture.plant(room.on_wall(world, 'north', 2.55, off=0.35), 1.1)
    furniture.plant(room.on_wall(world, 'south', 0.4, off=0.4), 1.5)
    furniture.lamp(room.on_wall(world, 'south', 4.8, off=0.35), 1.6, room.index, 0.8)
    _desk(world, room, 'south', 1.5)
    chest = room.on_wall(world, 'south', 3.8, off=0.22)
    furniture.drawers(chest, 1.1, 0.7, 0.42, 3)
    furniture.clutter(chest.at(0, 0, z=0.7), 1.0, 0.3, 5)
    curtains(room, world, 'south', right)
    curtains(room, world, 'south', left)
    pictures = [('west', 1.2, 0.5, 0.7, 'poster'), ('west', 2.0, 0.8, 0.6, 'picture')]
    pictures += [('west', 2.8, 0.5, 0.7, 'poster'), ('west', 3.8, 0.6, 0.85, 'poster')]
    pictures += [('north', 2.75, 0.6, 0.8, 'poster'), ('north', 4.78, 0.5, 0.7, 'picture')]
    pictures += [('east', 2.0, 0.55, 0.8, 'poster'), ('east', 4.2, 0.5, 0.6, 'picture')]
    pictures += [('south', 2.7, 0.5, 0.7, 'poster')]
    _pictures(world, room, pictures)


def _kitchen(world: World) -> None:
    view = window(1.0, 2.6)
    openings = {'west': [Opening(3.2, 4.1)], 'south': [view]}
    floor = world.material('tiles', 1.2, (0.8, 0.78, 0.74), gloss=0.35)
    walls = _walls(world, 'plaster', 'north', 'brick', 1.3)
    room = add_room(world, *KITCHEN, floor, walls, openings, ('south', 'east', 'north'))
    furniture.ceiling_lamp(world.at(7.0, 2.4, z=HEIGHT_M), room.index, 2.4)
    _counter(world, room)
    fridge = room.on_wall(world, 'east', 0.42, off=0.34)
    furniture.cabinet(fridge, 0.66, 1.85, 0.62, 1)
    note = world.material('poster', 0.0, (1, 1, 1))
    fridge.box((-0.1, -0.332, 1.4), (0.21, 0.004, 0.29), note)
    dining = world.at(6.75, 1.3)
    furniture.table(dining, 1.3, 0.8, 0.75)
    furniture.clutter(dining.at(0, 0, z=0.75), 1.2, 0.6, 6)
    for x, y, yaw_deg in ((-0.35, 0.5, 0), (0.35, 0.55, 8), (-0.3, -0.52, 175), (0.35, -0.5, 185)):
        furniture.chair(dining.at(x, y, yaw_deg))
    side = room.on_wall(world, 'north', 1.5, off=0.23)
    furniture.cabinet(side, 1.3, 0.88, 0.42, 3)
    furniture.clutter(side.at(0, 0, z=0.88), 1.2, 0.3, 6)
    furniture.bookshelf(room.on_wall(world, 'west', 2.3, off=0.16), 0.9, 1.7)
    furniture.plant(room.on_wall(world, 'west', 0.4, off=0.4), 1.2)
    pictures = [('west', 1.2, 0.6, 0.8, 'poster'), ('north', 1.0, 0.6, 0.6, 'picture')]
    pictures += [('north', 1.9, 0.5, 0.7, 'poster'), ('south', 0.55, 0.45, 0.6, 'poster')]
    pictures += [('south', 3.05, 0.5, 0.7, 'picture')]
    _pictures(world, room, pictures)


def _counter(world: World, room: Room) -> None:
    """Add cupboards, worktop, sink, hob and wall tiles along the east wall."""
    spot = room.on_wall(world, 'east', 2.6, off=0.31)
    furniture.cabinet(spot, 3.4, 0.86, 0.58, 7)
    top = spot.at(0, 0, z=0.86)
    top.box((0, -0.01, 0.02), (3.42, 0.63, 0.04), world.material('marble', 0.9, gloss=0.5))
    metal = world.material('metal', 0.4, gloss=0.8)
    top.box((0.6, 0, 0.042), (0.7, 0.42, 0.008), metal)
    top.cylinder((0.6, 0.24, 0.17), 0.014, 0.26, metal)
    top.cylinder((0.6, 0.14, 0.29), 0.012, 0.2, metal, (90, 0, 0))
    black = world.material('paint', 1.0, furniture.BLACK, gloss=0.8)
    top.box((-0.5, 0, 0.043), (0.58, 0.5, 0.01), black)
    for x, y in ((-0.64, -0.12), (-0.36, -0.12), (-0.64, 0.12), (-0.36, 0.12)):
        top.cylinder((x, y, 0.05), 0.085, 0.008, metal)
    pot = top.at(-0.64, 0.12, z=0.054)
    pot.cylinder((0, 0, 0.07), 0.1, 0.14, metal)
    pot.box((0, 0, 0.12), (0.28, 0.02, 0.015), black)
    furniture.clutter(top.at(-1.3, 0, z=0.04), 0.7, 0.35, 5)
    furniture.clutter(top.at(1.4, 0, z=0.04), 0.6, 0.35, 4)
    furniture.clutter(top.at(0.05, 0.08, z=0.04), 0.3, 0.2, 2)
    tiles = world.material('tiles', 0.5, gloss=0.6)
    room.on_wall(world, 'east', 2.6).box((0, -0.006, 1.17), (3.4, 0.012, 0.54), tiles)
    furniture.cabinet(room.on_wall(world, 'east', 1.6, 1.44, 0.18), 1.4, 0.72, 0.34, 3)
    furniture.cabinet(room.on_wall(world, 'east', 3.6, 1.44, 0.18), 1.4, 0.72, 0.34, 3)
    furniture.books(room.on_wall(world, 'east', 2.6, 1.5, 0.13), 0.5, 0.22, 0.34)
    shelf = room.on_wall(world, 'east', 2.6, 1.49, 0.12)
    shelf.box((0, 0, 0), (0.58, 0.24, 0.02), world.material('wood', 0.6))


def _bedroom(world: World) -> None:
    view = window(0.9, 2.5)
    openings = {'south': [Opening(0.3, 1.2)], 'north': [view]}
    floor = world.material('carpet', 1.4)
    walls = _walls(world, 'plaster', 'east', 'wallpaper', 1.2)
    room = add_room(world, *BEDROOM, floor, walls, openings, ('north', 'west', 'east'))
    furniture.ceiling_lamp(world.at(2.4, 6.6, z=HEIGHT_M), room.index, 2.4)
    furniture.bed(room.on_wall(world, 'west', 1.6, off=1.1))
    for along in (0.5, 2.7):
        stand = room.on_wall(world, 'west', along, off=0.22)
        furniture.drawers(stand, 0.45, 0.5, 0.4, 2)
        furniture.lamp(stand.at(0, 0.05, z=0.5), 0.4, room.index, 0.45)
        furniture.clutter(stand.at(0, -0.1, z=0.5), 0.4, 0.1, 2)
    world.at(2.9, 6.4, 90).box((0, 0, 0.006), (2.2, 1.3, 0.012), world.material('rug', 0.0))
    chest = room.on_wall(world, 'north', 1.7, off=0.24)
    furniture.drawers(chest, 1.2, 0.76, 0.44, 4)
    furniture.clutter(chest.at(0, 0, z=0.76), 1.1, 0.3, 6)
    furniture.cabinet(room.on_wall(world, 'north', 3.75, off=0.31), 1.4, 2.1, 0.58, 3)
    carton = room.on_wall(world, 'north', 3.6, 2.1, 0.3)
    carton.box((0, 0, 0.13), (0.5, 0.36, 0.26), world.material('cardboard', 0.0))
    _desk(world, room, 'east', 2.5)
    furniture.bookshelf(room.on_wall(world, 'south', 1.85, off=0.16))
    basket = room.on_wall(world, 'south', 2.75, off=0.3)
    basket.cylinder((0, 0, 0.28), 0.22, 0.56, world.material('fabric', 0.35))
    furniture.plant(room.on_wall(world, 'south', 4.2, off=0.4), 1.3)
    curtains(room, world, 'north', view)
    pictures = [('west', 1.1, 0.5, 0.7, 'picture'), ('west', 2.1, 0.5, 0.7, 'poster')]
    pictures += [('east', 1.6, 0.5, 0.7, 'poster'), ('east', 2.5, 0.7, 0.5, 'picture')]
    pictures += [('east', 3.4, 0.55, 0.8, 'poster'), ('south', 2.8, 0.5, 0.7, 'poster')]
    pictures += [('south', 3.6, 0.7, 0.6, 'picture'), ('west', 3.3, 0.4, 0.55, 'poster')]
    _pictures(world, room, pictures)
