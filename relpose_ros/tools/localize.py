"""
Localize image files in a map.

For example:
  relpose_ros localize office.relmap photo.jpg --intrinsics 525 525 319.5 239.5

Prints one line of JSON per image: the pose of the camera in the map (optical frame: x right,
y down, z forward), or the reason why there is none.
"""

import argparse
import json
from pathlib import Path

import cv2
from relpose_ros.core.camera import Camera
from relpose_ros.core.description import described
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.relocalizer import Relocalizer
from relpose_ros.tools.options import add_estimator, estimator_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('map', type=Path, help='map file')
    parser.add_argument('images', type=Path, nargs='+', help='image files without distortion')
    parser.add_argument(
        '--intrinsics',
        type=float,
        nargs=4,
        required=True,
        metavar=('FX', 'FY', 'CX', 'CY'),
        help='of the images [px]',
    )
    add_estimator(parser)


def run(arguments: argparse.Namespace) -> None:
    """Localize image by image."""
    estimator, device = estimator_from(arguments)
    with KeyframeMap.open(arguments.map) as keyframe_map:
        relocalizer = Relocalizer(keyframe_map, estimator, device=device)
        for path in arguments.images:
            bgr = cv2.imread(str(path)) if path.is_file() else None  # OpenCV says so itself
            if bgr is None:
                raise ValueError(f'{path}: cannot be read as an image')
            camera = Camera(bgr.shape[1], bgr.shape[0], *arguments.intrinsics)
            result = relocalizer.localize(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), camera)
            print(json.dumps({'image': str(path), **described(result, keyframe_map.map_frame)}))
