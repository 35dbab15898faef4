"""Kinds of rooms: how large they are, what they are made of and what stands in their middle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from relpose_ros.learning import clutter, furniture, kitchen, office, room_pieces
from relpose_ros.learning.room_pieces import Hanging, Piece
from relpose_ros.learning.worlds import Place

Middle = Callable[[Place, tuple[float, float], int], None]


@dataclass(frozen=True, slots=True)
class RoomKind:
    """
    What rooms of a kind have in common.

    :param smallest: length along x and along y [m].
    :param largest: as smallest.
    :param floors: textures to choose from.
    :param walls: textures to choose from.
    :param pieces: what stands along the walls.
    :param hangings: what hangs on them.
    :param lamps: 'globe', 'panels' or 'pendants', to choose from.
    :param middle: furnishes the free middle: its place, its size [m], the room's index.
    :param doors: the most doors that a wall has.
    :param gap: between pieces, at most [m].
    :param anchors: pieces of which one stands in every such room that has space for it.
    """

    smallest: tuple[float, float]
    largest: tuple[float, float]
    floors: tuple[str, ...]
    walls: tuple[str, ...]
    pieces: tuple[Piece, ...]
    hangings: tuple[Hanging, ...]
    lamps: tuple[str, ...]
    middle: Middle
    doors: int = 1
    gap: float = 0.5
    anchors: tuple[Piece, ...] = ()


def _rug(place: Place, free: tuple[float, float]) -> None:
    size = place.world.rng.uniform(1.1, 2.4, 2)
    place.box((0, 0, 0.006), (*np.minimum(size, free), 0.012), place.world.material('rug', 0.0))


def _dining(place: Place, width: float, depth: float) -> None:
    """Add a table with chairs and what people left on it."""
    rng = place.world.rng
    chair = furniture.chair if rng.random() < 0.5 else kitchen.stool
    furniture.table(place, width, depth, 0.74)
    clutter.strew(place.at(0, 0, z=0.74), width, depth, float(rng.uniform(3, 16)))
    for yaw_deg in (0.0, 180.0):
        side = place.at(0, 0, yaw_deg + float(rng.uniform(-9, 9)))
        for x in (0,) if width < 1.2 else (-0.33, 0.33):
            chair(side.at(x, depth / 2 + float(rng.uniform(0.05, 0.4)), float(rng.normal(0, 15))))


def home_middle(place: Place, free: tuple[float, float], room: int) -> None:
    """Put a rug and, where there is space, a dining or a low table into the middle."""
    rng = place.world.rng
    if rng.random() < 0.7:
        _rug(place, free)
    if min(free) < 1.6:
        return
    if rng.random() < 0.5:
        _dining(place, float(rng.uniform(0.9, 1.5)), 0.8)
    else:
        _low_table(place)


def _low_table(place: Place) -> None:
    rng = place.world.rng
    width, height = float(rng.uniform(0.7, 1.2)), float(rng.uniform(0.35, 0.48))
    furniture.table(place, width, 0.6, height)
    clutter.strew(place.at(0, 0, z=height), width, 0.6, 14)


def kitchen_middle(place: Place, free: tuple[float, float], room: int) -> None:
    """Put a table or an island into the middle."""
    if min(free) < 1.2:
        return
    if place.world.rng.random() < 0.75:
        _dining(place, 1.1 if min(free) < 2.0 else float(place.world.rng.uniform(1.2, 2.2)), 0.8)
    else:
        kitchen.counter(place, 1.8, upper=False)
        for x in (-0.5, 0.1, 0.6):
            kitchen.stool(place.at(x, 0.6, float(place.world.rng.uniform(-30, 30))))


def office_middle(place: Place, free: tuple[float, float], room: int) -> None:
    """Put islands of desks into the middle, a meeting table if there is no space for them."""
    rng = place.world.rng
    columns, rows = int(free[0] // 2.2), int(free[1] // 2.6)
    if columns < 1 or rows < 1:
        if min(free) > 1.4:
            _dining(place, 1.1, 0.75)
        return
    for row in range(rows):
        for column in range(columns):
            x = free[0] * ((column + 0.5) / columns - 0.5)
            y = free[1] * ((row + 0.5) / rows - 0.5)
            spot = place.at(x, y, float(rng.normal(0, 2)))
            kind = rng.integers(5)
            if kind == 0:
                _dining(spot, 1.6, 0.9)
                continue
            for turn in (0, 180):
                office.desk(spot.at(0, 0, turn).at(0, -0.42), 1.5, room)
            if kind > 2:
                office.partition(spot, 1.6, float(rng.uniform(1.1, 1.4)))


def lounge_middle(place: Place, free: tuple[float, float], room: int) -> None:
    """Put sofas about a low table."""
    _rug(place, free)
    if min(free) < 1.2:
        return
    _low_table(place)
    if min(free) > 2.6:
        for yaw_deg in place.world.rng.choice((0, 90, 180, 270), 2, replace=False):
            furniture.sofa(place.at(0, 0, float(yaw_deg)).at(0, 1.0), 1.4)


def corridor_middle(place: Place, free: tuple[float, float], room: int) -> None:
    """Let a person or a trolley of boxes stand in the way."""
    rng, length = place.world.rng, max(free)
    if rng.random() < 0.3:
        along = place.at(float(rng.uniform(-0.5, 0.5)) * length, 0, float(rng.uniform(0, 360)))
        clutter.person(along)


def store_middle(place: Place, free: tuple[float, float], room: int) -> None:
    """Put racks back to back or a bench with things into the middle."""
    if min(free) < 1.6:
        return
    if place.world.rng.random() < 0.5:
        for turn in (0, 180):
            office.rack(place.at(0, 0, turn).at(0, -0.22), min(free[0] - 0.4, 2.4), 1.8)
    else:
        furniture.table(place, 1.6, 0.8, 0.85)
        clutter.strew(place.at(0, 0, z=0.85), 1.5, 0.7, 25)
        clutter.boxes(place.at(1.1, 0.2), 2)


def no_middle(place: Place, free: tuple[float, float], room: int) -> None:
    """Leave the middle free."""


PAINTED = ('wall', 'wall', 'wall', 'plaster')
HARD, SOFT = ('linoleum', 'tiles', 'concrete', 'planks'), ('carpet', 'planks', 'linoleum')

KINDS = {
    'home': RoomKind(
        (3.2, 3.2),
        (6.0, 5.2),
        ('planks', 'planks', 'tiles', 'carpet'),
        (*PAINTED, 'wallpaper', 'brick'),
        room_pieces.HOME,
        room_pieces.HOME_WALL,
        ('globe', 'globe', 'pendants'),
        home_middle,
    ),
    'kitchen': RoomKind(
        (3.0, 2.8),
        (6.0, 4.8),
        ('tiles', 'planks', 'linoleum'),
        (*PAINTED, 'tiles', 'brick'),
        room_pieces.KITCHEN,
        room_pieces.HOME_WALL,
        ('globe', 'pendants', 'panels'),
        kitchen_middle,
        gap=0.15,
        anchors=room_pieces.COUNTERS,
    ),
    'office': RoomKind(
        (3.4, 3.2),
        (6.5, 5.5),
        SOFT,
        PAINTED,
        room_pieces.OFFICE,
        room_pieces.OFFICE_WALL,
        ('panels', 'panels', 'pendants'),
        office_middle,
        anchors=(room_pieces.DESK,),
    ),
    'open office': RoomKind(
        (7.0, 5.5),
        (11.0, 8.0),
        SOFT,
        (*PAINTED, 'concrete'),
        room_pieces.OFFICE,
        room_pieces.OFFICE_WALL,
        ('panels',),
        office_middle,
        doors=2,
        gap=1.0,
    ),
    'lounge': RoomKind(
        (4.5, 4.0),
        (8.0, 6.5),
        SOFT,
        (*PAINTED, 'brick', 'concrete'),
        room_pieces.LOUNGE,
        (*room_pieces.HOME_WALL, *room_pieces.OFFICE_WALL),
        ('pendants', 'panels', 'globe'),
        lounge_middle,
        gap=0.9,
        anchors=room_pieces.SOFAS,
    ),
    'corridor': RoomKind(
        (6.0, 1.6),
        (14.0, 2.8),
        HARD,
        PAINTED,
        room_pieces.CORRIDOR,
        room_pieces.CORRIDOR_WALL,
        ('panels',),
        corridor_middle,
        doors=5,
        gap=4.0,
    ),
    'store': RoomKind(
        (3.2, 3.0),
        (7.0, 5.5),
        HARD,
        ('wall', 'concrete', 'brick', 'plaster'),
        room_pieces.STORE,
        room_pieces.STORE_WALL,
        ('panels',),
        store_middle,
        gap=0.8,
        anchors=room_pieces.RACKS,
    ),
    'bare': RoomKind(
        (3.2, 3.0),
        (7.0, 6.0),
        (*HARD, 'carpet'),
        PAINTED,
        (*room_pieces.CABINETS, room_pieces.CHAIR, *room_pieces.WARDROBES, room_pieces.LEANING),
        (*room_pieces.OFFICE_WALL, *room_pieces.HOME_WALL),
        ('panels', 'globe'),
        no_middle,
        gap=3.0,
    ),
}
SHARES = {'home': 0.2, 'kitchen': 0.18, 'office': 0.18, 'open office': 0.1, 'lounge': 0.12}
SHARES = {**SHARES, 'corridor': 0.1, 'store': 0.07, 'bare': 0.05}
