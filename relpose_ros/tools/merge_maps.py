r"""
Put two maps together.

For example:
  relpose_ros merge-maps building.relmap ground.relmap stairs.relmap
  relpose_ros merge-maps building.relmap ground.relmap lab.relmap --describe-anew \
      --first-from-second 8.4 -2.0 0 0 0 1 0

The new map is in the first one's frame. Keyframes of the first map keep their ids; what is added
to those of the second is printed. Maps whose descriptors differ, as they do when each learned its
whitening from its own keyframes (the default of build-map), are put together with --describe-anew:
the whitening is learned from the keyframes of both.
"""

import argparse
from pathlib import Path

from relpose_ros.core.estimators import chosen_device
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_builder import learn_from_keyframes
from relpose_ros.core.map_editing import merge_maps
from relpose_ros.tools.options import add_device, add_overwrite, add_transform
from relpose_ros.tools.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('new', type=Path, help='map file to write')
    parser.add_argument('first', type=Path, help='map file, whose frame and ids are kept')
    parser.add_argument('second', type=Path, help='map file')
    add_transform(
        parser,
        '--first-from-second',
        "move the second's poses by this transform, the pose of its frame in the first's; "
        'default: both are in the same frame',
    )
    parser.add_argument(
        '--describe-anew', action='store_true', help='learn the whitening from all keyframes'
    )
    add_overwrite(parser)
    add_device(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the map and say which ids changed."""
    device = chosen_device(arguments.device)

    def describe(path: Path) -> None:
        with Progress('Learning') as progress:
            learn_from_keyframes(path, device=device, progress=progress)

    shift = merge_maps(
        arguments.new,
        arguments.first,
        arguments.second,
        arguments.first_from_second,
        describe if arguments.describe_anew else None,
        arguments.overwrite,
    )
    with KeyframeMap.open(arguments.new) as new:
        print(f"{arguments.new}: {len(new)} keyframes in frame '{new.map_frame}'")
    print(f'ids of {arguments.second}: {shift} is added to each')
