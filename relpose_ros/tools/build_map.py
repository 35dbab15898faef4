r"""
Build a map from a rosbag2 recording or from a folder in 7-Scenes layout.

For example:
  relpose_ros build-map office.relmap bag/ --image-topic /camera/image_raw
  relpose_ros build-map office.relmap bag/ --image-topic /camera/color/image_raw \
      --depth-topic /camera/aligned_depth_to_color/image_raw --pose-topic /odom
  relpose_ros build-map kitchen.relmap 7scenes/redkitchen

From a bag, an image becomes a keyframe when the camera has moved or turned enough since the last
one. Poses come from the TF chain between the map frame and the images' frame, or from a pose
topic. From a folder, the keyframes are those of its split.yaml or TrainSplit.txt.
"""

import argparse
from collections.abc import Iterable
from math import radians
from pathlib import Path

from relpose_ros.core.estimators import chosen_device
from relpose_ros.core.map_builder import build_map, learn_from_keyframes
from relpose_ros.core.posed_image import PosedImage, select_by_motion
from relpose_ros.core.vlad import default_vocabulary
from relpose_ros.datasets.rosbag import BagImages
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.tools.options import add_device, existing_folder
from relpose_ros.tools.progress import counted, Progress

VOCABULARIES = ('whitened', 'shipped', 'learned')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('map', type=Path, help='map file to write, NAME.relmap')
    parser.add_argument('source', type=existing_folder, help='rosbag2 or 7-Scenes folder')
    bag = parser.add_argument_group('from a bag')
    bag.add_argument('--image-topic', help='Image or CompressedImage')
    bag.add_argument('--camera-info-topic', help='default: camera_info beside the image topic')
    bag.add_argument(
        '--rectified', action='store_true', help='images are rectified already (image_rect)'
    )
    bag.add_argument('--depth-topic', help='depth registered to the images (16UC1 or 32FC1)')
    bag.add_argument('--pose-topic', help='Odometry or Pose(WithCovariance)Stamped; default: TF')
    bag.add_argument(
        '--pose-frame',
        help="frame whose pose the topic gives; default: Odometry's child frame, else the camera",
    )
    bag.add_argument('--map-frame', default='map', help='frame of the poses in TF (default: map)')
    bag.add_argument('--min-distance', type=float, default=0.2, metavar='M', help='default: 0.2')
    bag.add_argument('--min-angle', type=float, default=5.0, metavar='DEG', help='default: 5')
    parser.add_argument(
        '--vocabulary',
        choices=VOCABULARIES,
        default='whitened',
        help="the package's visual words and their whitening learned from the keyframes (the "
        'default), the words alone, or both learned from the keyframes',
    )
    add_device(parser)


def run(arguments: argparse.Namespace) -> None:
    """Build the map."""
    device = chosen_device(arguments.device)
    images, map_frame = _keyframes(arguments)
    built = build_map(arguments.map, images, default_vocabulary(), map_frame, device)
    if arguments.vocabulary != 'shipped':
        with Progress('Learning') as progress:
            learn_from_keyframes(
                arguments.map, arguments.vocabulary == 'learned', device, progress
            )
    for name in built.without_texture:
        print(f'left out {name}: it shows no texture')
    size_mb = arguments.map.stat().st_size / 1e6
    print(f'{arguments.map}: {built.keyframes} keyframes, {size_mb:.1f} MB')


def _keyframes(arguments: argparse.Namespace) -> tuple[Iterable[PosedImage], str]:
    """Return the images to map and the frame they are posed in."""
    if not (arguments.source / 'metadata.yaml').exists():
        return counted(read_split(arguments.source).keyframes, 'Keyframes'), 'map'
    if not arguments.image_topic:
        raise ValueError(f'{arguments.source}: is a bag: which --image-topic shall be mapped?')
    beside = arguments.image_topic.removesuffix('/compressed').rsplit('/', 1)[0]
    bag = BagImages(
        arguments.source,
        arguments.image_topic,
        arguments.camera_info_topic or f'{beside}/camera_info',
        rectified=arguments.rectified,
        depth_topic=arguments.depth_topic,
        pose_topic=arguments.pose_topic,
        map_frame=arguments.map_frame,
        pose_frame=arguments.pose_frame,
    )
    images = counted(bag, 'Images', bag.image_count)
    angle_rad = radians(arguments.min_angle)
    return select_by_motion(images, arguments.min_distance, angle_rad), bag.map_frame
