"""What may stand along a wall or hang on it, by kind of room."""

from collections.abc import Callable
from dataclasses import dataclass

from relpose_ros.learning import clutter, fittings, furniture, kitchen, office
from relpose_ros.learning.worlds import Place

Add = Callable[[Place, int], None]


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Furniture that stands at a wall.

    :param width: along the wall [m].
    :param depth: from the wall [m].
    :param height: of its highest part, what stands on it included [m].
    :param add: builds it in a room of an index; its place is the middle of its footprint.
    """

    width: float
    depth: float
    height: float
    add: Add


@dataclass(frozen=True, slots=True)
class Hanging:
    """
    Something fixed to a wall.

    :param width: along the wall [m].
    :param low: its lower edge above the floor [m].
    :param high: its upper edge [m].
    :param add: builds it; its place is on the wall at the height of its middle.
    """

    width: float
    low: float
    high: float
    add: Callable[[Place], None]


def _topped(make: Callable[[Place], None], width: float, depth: float, height: float) -> Add:
    """Return what builds a piece and strews things over its top."""

    def add(place: Place, room: int) -> None:
        make(place)
        clutter.strew(place.at(0, 0, z=height), width, depth)

    return add


def _floor(make: Callable[[Place], None]) -> Callable[[Place], None]:
    """Return what builds a hanging whose own place is on the floor."""
    return lambda place: make(place.at(0, 0, z=-place.world_from_place[2, 3]))


def _television(place: Place, room: int) -> None:
    furniture.cabinet(place, 1.5, 0.5, 0.42, 3)
    furniture.screen(place.at(0, 0, z=0.5), float(place.world.rng.uniform(0.8, 1.15)))
    clutter.strew(place.at(-0.6, 0, z=0.5), 0.35, 0.4, 12)


def _desk(place: Place, room: int) -> None:
    office.desk(place, 1.5, room)


def _counter(width: float) -> Add:
    return lambda place, room: kitchen.counter(place, width, upper=True)


def _leaning(place: Place, room: int) -> None:
    """Stand boxes, a bin or a bag at the wall."""
    kind = place.world.rng.integers(4)
    if kind == 0:
        clutter.bin_(place)
    elif kind == 1:
        clutter.bag(place)
    else:
        clutter.boxes(place, int(kind))


LEANING = Piece(0.55, 0.42, 1.1, _leaning)
PLANTS = (
    Piece(0.8, 0.8, 1.35, lambda place, _: furniture.plant(place, 1.2)),
    Piece(0.95, 0.95, 1.75, lambda place, _: furniture.plant(place, 1.6)),
)
PERSON = Piece(0.7, 0.5, 1.9, lambda place, _: clutter.person(place))
BOOKSHELVES = (
    Piece(1.0, 0.32, 2.35, lambda place, _: furniture.bookshelf(place)),
    Piece(0.9, 0.32, 1.85, lambda place, _: furniture.bookshelf(place, 0.85, 1.5)),
    Piece(0.9, 0.32, 1.2, lambda place, _: furniture.bookshelf(place, 0.85, 0.85)),
)
SIDEBOARDS = (
    Piece(
        1.3, 0.45, 1.1, _topped(lambda p: furniture.cabinet(p, 1.25, 0.8, 0.42, 3), 1.2, 0.4, 0.8)
    ),
    Piece(
        1.0,
        0.45,
        1.1,
        _topped(lambda p: furniture.drawers(p, 0.95, 0.75, 0.42, 4), 0.9, 0.4, 0.75),
    ),
    Piece(1.4, 0.65, 1.1, _topped(lambda p: furniture.table(p, 1.35, 0.62, 0.74), 1.3, 0.6, 0.74)),
)
WARDROBES = (
    Piece(1.1, 0.6, 2.1, lambda place, _: furniture.cabinet(place, 1.05, 2.1, 0.56, 2)),
    Piece(1.6, 0.6, 2.3, lambda place, _: furniture.cabinet(place, 1.55, 2.3, 0.56, 3)),
)
SOFAS = (
    Piece(1.9, 0.95, 0.95, lambda place, _: furniture.sofa(place, 1.85)),
    Piece(1.2, 0.95, 0.95, lambda place, _: furniture.sofa(place, 1.15)),
)
CHAIR = Piece(0.5, 0.5, 0.95, lambda place, _: furniture.chair(place))
STOOL = Piece(0.5, 0.5, 0.95, lambda place, _: kitchen.stool(place))
LAMP = Piece(0.5, 0.5, 1.75, lambda place, room: furniture.lamp(place, 1.55, room, 0.7))
TELEVISION = Piece(1.6, 0.45, 1.4, _television)
DESK = Piece(1.6, 0.8, 1.25, _desk)
CABINETS = (
    Piece(0.85, 0.46, 1.6, lambda place, _: office.filing_cabinet(place, 0.8, 1.3)),
    Piece(1.25, 0.46, 1.1, lambda place, _: office.filing_cabinet(place, 1.2, 0.75)),
    Piece(1.05, 0.46, 2.3, lambda place, _: office.filing_cabinet(place, 1.0, 1.95)),
)
RACKS = (
    Piece(1.1, 0.45, 2.3, lambda place, _: office.rack(place, 1.05, 1.9)),
    Piece(1.7, 0.45, 2.3, lambda place, _: office.rack(place, 1.65, 2.0)),
)
COPIER = Piece(1.3, 0.65, 1.1, lambda place, _: office.copier(place))
BENCH = Piece(1.8, 0.55, 1.0, lambda place, _: office.bench(place, 1.75))
COUNTERS = tuple(Piece(w, 0.64, 2.3, _counter(w)) for w in (1.8, 2.4, 3.0, 3.6))
LOW_COUNTER = Piece(1.9, 0.64, 1.3, lambda place, _: kitchen.counter(place, 1.8, upper=False))
FRIDGE = Piece(0.68, 0.64, 2.0, lambda place, _: kitchen.fridge(place, 1.75))

HOME = (*BOOKSHELVES, *SIDEBOARDS, *SIDEBOARDS, *WARDROBES, *SOFAS, *PLANTS, CHAIR, LAMP)
HOME = (*HOME, TELEVISION, TELEVISION, DESK, LEANING, LEANING, PERSON)
KITCHEN = (*COUNTERS, *COUNTERS, LOW_COUNTER, LOW_COUNTER, FRIDGE, FRIDGE, *SIDEBOARDS, STOOL)
KITCHEN = (*KITCHEN, LEANING, LEANING, PLANTS[0], BOOKSHELVES[1], PERSON, TELEVISION)
OFFICE = (*(DESK,) * 6, *CABINETS, *CABINETS, *BOOKSHELVES, *RACKS, COPIER, LEANING, LEANING)
OFFICE = (*OFFICE, *PLANTS, WARDROBES[0], CHAIR, PERSON, SOFAS[1])
LOUNGE = (*SOFAS, *SOFAS, *SOFAS, *PLANTS, *PLANTS, LOW_COUNTER, FRIDGE, TELEVISION, LAMP, BENCH)
LOUNGE = (*LOUNGE, BOOKSHELVES[2], SIDEBOARDS[2], STOOL, LEANING, PERSON, CABINETS[1])
CORRIDOR = (BENCH, *PLANTS, *CABINETS, COPIER, LEANING, LEANING, PERSON, BOOKSHELVES[2], STOOL)
STORE = (*RACKS, *RACKS, *RACKS, LEANING, LEANING, LEANING, *CABINETS, DESK, SIDEBOARDS[2], PERSON)


def _print(place: Place) -> None:
    size = place.world.rng.uniform((0.35, 0.4), (0.7, 0.75))
    furniture.picture(place, *size, str(place.world.rng.choice(('poster', 'picture'))))


def _bookboard(place: Place) -> None:
    shelf = place.at(0, -0.12, z=-0.15)
    shelf.box((0, 0, 0), (0.9, 0.24, 0.025), place.world.material('wood', 0.8))
    furniture.books(shelf.at(0, 0, z=0.0125), 0.86, 0.22, 0.3)


PRINT = Hanging(0.85, 1.15, 2.05, _print)
WIDE = Hanging(1.5, 1.05, 2.05, lambda place: furniture.picture(place, 1.4, 0.9, 'picture'))
WHITEBOARD = Hanging(1.9, 0.9, 2.05, lambda p: fittings.board(p, 1.75, 1.1, 'whiteboard'))
NOTICES = Hanging(1.4, 0.95, 2.0, lambda place: fittings.board(place, 1.2, 0.9, 'notices'))
CLOCK = Hanging(0.4, 1.8, 2.2, fittings.clock)
SHEETS = Hanging(1.0, 1.15, 1.9, lambda place: fittings.sheets(place, 3))
SWITCH = Hanging(0.3, 0.95, 1.2, lambda place: fittings.sockets(place, 2))
SOCKETS = Hanging(0.4, 0.2, 0.4, lambda place: fittings.sockets(place, 3))
SIGN = Hanging(0.4, 1.4, 1.8, lambda place: fittings.sign(place, 0.28, 0.28))
EXIT = Hanging(0.5, 2.1, 2.35, lambda place: fittings.sign(place, 0.42, 0.18))
VENT = Hanging(0.6, 2.05, 2.35, lambda place: fittings.vent(place, 0.5, 0.22))
BOARD = Hanging(1.0, 1.3, 1.9, _bookboard)
COATS = Hanging(1.2, 0.6, 1.85, _floor(lambda place: fittings.coat_hooks(place, 1.1)))
EXTINGUISHER = Hanging(0.35, 0.0, 1.5, _floor(fittings.extinguisher))
RADIATOR = Hanging(1.2, 0.0, 0.75, _floor(lambda place: fittings.radiator(place, 0.95)))
DUCT = Hanging(1.6, 0.0, 1.2, _floor(lambda place: fittings.conduit(place, 1.5, 1.1)))
PIPES = Hanging(2.2, 2.1, 2.4, _floor(lambda place: fittings.pipes(place, 2.2, 2.25)))

SMALL = (SWITCH, SOCKETS, SOCKETS, VENT)
HOME_WALL = (PRINT, PRINT, PRINT, WIDE, BOARD, CLOCK, COATS, RADIATOR, *SMALL)
OFFICE_WALL = (PRINT, WHITEBOARD, WHITEBOARD, NOTICES, CLOCK, SHEETS, COATS, DUCT, SIGN, *SMALL)
CORRIDOR_WALL = (NOTICES, NOTICES, PRINT, PRINT, SHEETS, SIGN, SIGN, EXIT, EXTINGUISHER, *SMALL)
STORE_WALL = (PIPES, PIPES, DUCT, SHEETS, SIGN, EXTINGUISHER, NOTICES, *SMALL)
