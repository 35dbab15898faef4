"""
Write a map as a COLMAP text model or a TUM RGB-D recording.

For example:
  relpose_ros export-map office.relmap office_colmap --format colmap
  relpose_ros export-map office.relmap office_tum --format tum

colmap  images/ and sparse/0/ with cameras.txt, images.txt and an empty points3D.txt; images bear
        their keyframes' ids; no depth
tum     rgb/, depth/ (1/5000 m, what is beyond 13.1 m is left out), rgb.txt, depth.txt,
        groundtruth.txt and calibration.txt, since the layout itself has no intrinsics
"""

import argparse
from pathlib import Path

from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.datasets.map_export import export_map, LAYOUTS
from relpose_ros.tools.progress import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('map', type=Path, help='map file')
    parser.add_argument('folder', type=Path, help='folder to write')
    parser.add_argument('--format', choices=LAYOUTS, required=True, help='what to write')


def run(arguments: argparse.Namespace) -> None:
    """Write the folder."""
    with KeyframeMap.open(arguments.map) as keyframe_map:
        ids = counted(keyframe_map.ids, 'Keyframes')
        export_map(arguments.folder, keyframe_map, arguments.format, ids)
        print(f'{arguments.folder}: {len(keyframe_map)} keyframes')
