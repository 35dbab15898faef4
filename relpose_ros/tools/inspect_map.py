"""
Say what is in a map, and what is suspicious in it.

For example:
  relpose_ros inspect-map office.relmap --list
  relpose_ros inspect-map office.relmap --html office.html

The page needs nothing but a browser. It shows the map from above with what is covered, from how
many sides and from how near, the similarity of all keyframes, and those that are suspicious:
  blurred    few corners will be found in it
  dark       most of the image is nearly black
  bright     most of the image is nearly white
  duplicate  an earlier keyframe shows the same from the same place
  jump       its pose does not fit those of its neighbours in time
  aliased    its most similar keyframe shows another place
  lonely     no other keyframe looks like it
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.evaluation.map_check import suspicious
from relpose_ros.evaluation.map_page import map_page
from relpose_ros.evaluation.map_survey import survey
from relpose_ros.tools.progress import counted

# A page of a thousand keyframes has some 5 MB.
THUMBNAIL_PX, SMALL_THUMBNAIL_PX, MANY = 200, 104, 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('map', type=Path, help='map file')
    parser.add_argument('--list', action='store_true', help='list all keyframes')
    parser.add_argument('--html', type=Path, metavar='PAGE', help='write the page')


def run(arguments: argparse.Namespace) -> None:
    """Print a summary and, if asked for, all keyframes; write the page."""
    with KeyframeMap.open(arguments.map) as keyframe_map:
        for name, value in _summary(keyframe_map):
            print(f'{name:<12} {value}')
        if arguments.list:
            _print_keyframes(keyframe_map)
        if arguments.html:
            _write_page(arguments.html, keyframe_map)


def _summary(keyframe_map: KeyframeMap) -> list[tuple[str, str]]:
    ids = keyframe_map.ids
    lines = [
        ('file', f'{keyframe_map.path}, {keyframe_map.path.stat().st_size / 1e6:.1f} MB'),
        ('created', keyframe_map.manifest['created']),
        ('frame', keyframe_map.map_frame),
        (
            'descriptor',
            f'{keyframe_map.vocabulary.identity}, {keyframe_map.vocabulary.dimensions} dimensions',
        ),
        ('keyframes', f'{len(ids)}, {keyframe_map.depth_count} with depth'),
    ]
    if ids:
        centres = np.array([keyframe_map.pose(i)[:3, 3] for i in ids])
        low, high = centres.min(axis=0), centres.max(axis=0)
        cameras = {keyframe_map.camera(i) for i in ids}
        lines += [
            (axis, f'{a:.2f} to {b:.2f} m') for axis, a, b in zip('xyz', low, high, strict=True)
        ]
        lines += [
            (
                'camera',
                f'{c.width}x{c.height}, fx {c.fx:.1f} fy {c.fy:.1f} cx {c.cx:.1f} '
                f'cy {c.cy:.1f} px',
            )
            for c in cameras
        ]
    return lines


def _write_page(path: Path, keyframe_map: KeyframeMap) -> None:
    keyframe_map.require_keyframes()
    ids = keyframe_map.ids
    width_px = THUMBNAIL_PX if len(ids) <= MANY else SMALL_THUMBNAIL_PX
    views = survey(keyframe_map, counted(ids, 'Keyframes'), width_px)
    findings = suspicious(views, keyframe_map.descriptors())
    html = map_page(keyframe_map, views, findings)
    path.write_text(html, encoding='utf-8')
    for kind, number in Counter(finding.kind for finding in findings).items():
        print(f'{kind.label:<12} {number}: {kind.meaning}')
    print(path)


def _print_keyframes(keyframe_map: KeyframeMap) -> None:
    print(f'\n{"id":>6}  {"stamp [s]":>20}  {"x":>8}  {"y":>8}  {"z":>8} [m]')
    for keyframe_id in keyframe_map.ids:
        x, y, z = keyframe_map.pose(keyframe_id)[:3, 3]
        stamp_s = keyframe_map.stamp_ns(keyframe_id) / 1e9
        print(f'{keyframe_id:>6}  {stamp_s:>20.3f}  {x:>8.3f}  {y:>8.3f}  {z:>8.3f}')
