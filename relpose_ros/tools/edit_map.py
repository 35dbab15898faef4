r"""
Write a map anew without some keyframes, in another frame, with depth, or in the newest schema.

For example:
  relpose_ros edit-map office.relmap better.relmap --drop 17,40-52
  relpose_ros edit-map office.relmap sharper.relmap --drop-suspicious blurred,duplicate
  relpose_ros edit-map office.relmap aligned.relmap --map-frame floor_2 \
      --new-from-map 1.20 -0.35 0 0 0 0.7071 0.7071
  relpose_ros edit-map office.relmap deeper.relmap --triangulate

Images and descriptors are copied as they are and keyframes keep their ids. The new file appears
under its name when all of it is there; the old one is only read. With --overwrite both may be one.
A map that an older version of this package wrote may be written anew as it is: it opens faster.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
import re

from relpose_ros.core.estimators import chosen_device
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_depth import triangulate_map
from relpose_ros.core.map_editing import edit_map
from relpose_ros.core.map_file import SCHEMA_VERSION
from relpose_ros.evaluation.map_check import Kind, suspicious
from relpose_ros.evaluation.map_survey import survey
from relpose_ros.tools.options import add_device, add_overwrite, add_transform
from relpose_ros.tools.progress import counted, Progress

KINDS = {kind.label: kind for kind in Kind}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('map', type=Path, help='map file')
    parser.add_argument('new', type=Path, help='map file to write')
    parser.add_argument(
        '--drop',
        type=_ids,
        default=frozenset(),
        metavar='IDS',
        help='leave these keyframes out, for example 3,7-12',
    )
    parser.add_argument(
        '--drop-suspicious',
        type=_kinds,
        default=frozenset(),
        metavar='KINDS',
        help=f'leave out what inspect-map calls so: {", ".join(KINDS)}',
    )
    parser.add_argument(
        '--map-frame', metavar='NAME', help='name of the frame (default: as it is)'
    )
    add_transform(
        parser,
        '--new-from-map',
        'move all poses by this transform, the pose of the old frame in the new one',
    )
    parser.add_argument(
        '--triangulate',
        action='store_true',
        help='give keyframes depth at corners where they have none, from the keyframes around '
        'them; build-map has done so',
    )
    add_device(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the map."""
    changes = (
        arguments.drop,
        arguments.drop_suspicious,
        arguments.map_frame,
        arguments.triangulate,
    )
    if not any(changes) and arguments.new_from_map is None and _is_newest(arguments.map):
        raise ValueError(
            'nothing to change: give what to drop, --map-frame, --new-from-map or --triangulate'
        )
    drop = arguments.drop | _suspicious(arguments.map, arguments.drop_suspicious)
    edit_map(
        arguments.new,
        arguments.map,
        drop,
        arguments.map_frame,
        arguments.new_from_map,
        _triangulation(arguments) if arguments.triangulate else None,
        arguments.overwrite,
    )
    with KeyframeMap.open(arguments.new) as new:
        print(f"{arguments.new}: {len(new)} keyframes in frame '{new.map_frame}'")
    if drop:
        print(f'dropped: {", ".join(map(str, sorted(drop)))}')


def _triangulation(arguments: argparse.Namespace) -> Callable[[Path], None]:
    def triangulate(path: Path) -> None:
        with Progress('Triangulation') as progress:
            triangulate_map(path, chosen_device(arguments.device), progress)

    return triangulate


def _is_newest(path: Path) -> bool:
    with KeyframeMap.open(path) as keyframe_map:
        return keyframe_map.schema_version == SCHEMA_VERSION


def _suspicious(path: Path, kinds: frozenset[Kind]) -> frozenset[int]:
    """Return the ids of keyframes that are suspicious in one of these ways."""
    if not kinds:
        return frozenset()
    with KeyframeMap.open(path) as keyframe_map:
        views = survey(keyframe_map, counted(keyframe_map.ids, 'Keyframes'))
        findings = suspicious(views, keyframe_map.descriptors())
    return frozenset(finding.keyframe_id for finding in findings if finding.kind in kinds)


def _kinds(text: str) -> frozenset[Kind]:
    """
    Read kinds of suspicion.

    :raises ArgumentTypeError: if it is something else.
    """
    unknown = set(text.split(',')) - set(KINDS)
    if unknown:
        raise argparse.ArgumentTypeError(
            f"'{min(unknown)}' is not suspicious; what is: {', '.join(KINDS)}"
        )
    return frozenset(KINDS[word] for word in text.split(','))


def _ids(text: str) -> frozenset[int]:
    """
    Read ids and ranges of ids.

    :raises ArgumentTypeError: if it is something else.
    """
    ids = set()
    for word in text.split(','):
        found = re.fullmatch(r'(\d+)(?:-(\d+))?', word.strip())
        if not found:
            raise argparse.ArgumentTypeError(f"'{word}' is no id or range such as 7-12")
        first, last = int(found[1]), int(found[2] or found[1])
        ids.update(range(first, last + 1))
    return frozenset(ids)
