r"""
Build a map from a rosbag2 recording or from a folder of posed images.

For example:
  relpose_ros build-map office.relmap bag/ --image-topic /camera/image_raw
  relpose_ros build-map office.relmap bag/ --image-topic /camera/color/image_raw \
      --depth-topic /camera/aligned_depth_to_color/image_raw --pose-topic /odom
  relpose_ros build-map office.relmap bag/ --image-topic /camera/image_raw \
      --trajectory slam_poses.txt
  relpose_ros build-map kitchen.relmap 7scenes/redkitchen
  relpose_ros build-map hall.relmap colmap_project/ --scale 0.27

From a bag, poses come from the TF chain between the map frame and the images' frame, from a pose
topic, or from a trajectory file. Folders may be in the layout of 7-Scenes, TUM RGB-D, COLMAP (text
or binary; the scale of such a model is arbitrary, so say how many metres one unit is) and others.

An image becomes a keyframe when the camera has moved or turned enough since the keyframe before,
and the image is neither blurred nor dark nor overexposed. Where a folder names its keyframes in
split.yaml or TrainSplit.txt, it is those. Where they have no depth they get that of their corners
from the keyframes around them. An interrupted build goes on with the same command.
"""

import argparse
from collections.abc import Iterable
import json
import logging
from pathlib import Path

from relpose_ros.core.estimators import chosen_device
from relpose_ros.core.keyframe_selection import LeftOut, select_keyframes, SelectionConfig
from relpose_ros.core.map_builder import build_map, finish_map, learn_from_keyframes
from relpose_ros.core.map_depth import triangulate_map
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vlad import default_vocabulary
from relpose_ros.datasets import colmap
from relpose_ros.datasets.layouts import open_images
from relpose_ros.datasets.rosbag import BagImages
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.datasets.split_file import SPLIT_FILES
from relpose_ros.tools.options import add_device, existing_folder
from relpose_ros.tools.progress import counted, Progress

logger = logging.getLogger(__name__)

VOCABULARIES = ('whitened', 'shipped', 'learned')
SHOWN_NAMES = 3
# What does not change the map.
NOT_IN_RECIPE = ('map', 'device', 'run')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('map', type=Path, help='map file to write, NAME.relmap')
    parser.add_argument('source', type=existing_folder, help='rosbag2 or folder of posed images')
    _add_bag(parser)
    model = parser.add_argument_group('from a COLMAP model')
    model.add_argument('--images', type=existing_folder, help='default: images/ beside the model')
    model.add_argument('--scale', type=float, metavar='M', help='metres that one unit is')
    _add_selection(parser)
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
    left_out: dict[str, list[str]] = {}
    source, map_frame = _opened(arguments)
    images = counted(source, 'Images', getattr(source, 'image_count', None))
    if not _has_split(arguments.source):
        images = select_keyframes(images, _selection(arguments), left_out)
    built = build_map(
        arguments.map, images, default_vocabulary(), map_frame, device, _recipe(arguments)
    )
    if arguments.vocabulary != 'shipped':
        with Progress('Learning') as progress:
            learn_from_keyframes(
                arguments.map, arguments.vocabulary == 'learned', device, progress
            )
    with Progress('Triangulation') as progress:
        triangulated = triangulate_map(arguments.map, device, progress)
    finish_map(arguments.map)
    if built.without_texture:
        left_out[LeftOut.NO_TEXTURE.value] = list(built.without_texture)
    skipped = source.skipped if isinstance(source, BagImages) else {}
    seen = built.keyframes + sum(map(len, left_out.values())) + sum(skipped.values())
    size_mb = arguments.map.stat().st_size / 1e6
    print(f'{arguments.map}: {built.keyframes} keyframes of {seen} images, {size_mb:.1f} MB')
    if triangulated:
        print(f'depth was added to {triangulated} keyframes, from those around them')
    for reason, count in skipped.items():
        print(f'left out {count}: {reason}')
    for reason, names in left_out.items():
        print(f'left out {len(names)}: {reason}{_shown(reason, names)}')


def _add_bag(parser: argparse.ArgumentParser) -> None:
    bag = parser.add_argument_group('from a bag')
    bag.add_argument('--image-topic', help='Image or CompressedImage')
    bag.add_argument('--camera-info-topic', help='default: camera_info beside the image topic')
    bag.add_argument(
        '--rectified', action='store_true', help='images are rectified already (image_rect)'
    )
    bag.add_argument('--depth-topic', help='depth registered to the images (16UC1 or 32FC1)')
    poses = bag.add_mutually_exclusive_group()
    poses.add_argument('--pose-topic', help='Odometry or Pose(WithCovariance)Stamped; default: TF')
    poses.add_argument(
        '--trajectory',
        type=Path,
        metavar='FILE',
        help="lines of 'stamp tx ty tz qx qy qz qw' (TUM), by the images' clock",
    )
    bag.add_argument(
        '--pose-frame',
        help="frame whose pose the topic or the file gives; default: Odometry's child frame, else "
        'the camera',
    )
    bag.add_argument('--map-frame', default='map', help='frame of the poses (default: map)')
    bag.add_argument(
        '--max-gap',
        type=float,
        default=1.0,
        metavar='S',
        help='an image between poses farther apart than this has none (default: 1)',
    )
    bag.add_argument(
        '--max-extrapolation',
        type=float,
        default=0.0,
        metavar='S',
        help='so long behind the last pose its motion is continued; default: not at all',
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    defaults = SelectionConfig()
    group = parser.add_argument_group('which images become keyframes')
    for option, value, unit, text in (
        ('--min-distance', defaults.min_distance_m, 'M', 'moved by more than this, or'),
        ('--min-angle', defaults.min_angle_deg, 'DEG', 'turned by more than this'),
        (
            '--min-sharpness',
            defaults.min_sharpness,
            'SHARE',
            'at least so sharp, compared with the images before; 0 takes all',
        ),
        (
            '--max-clipped',
            defaults.max_clipped,
            'SHARE',
            'at most so much of it is black, or white; 1 takes all',
        ),
    ):
        group.add_argument(
            option, type=float, default=value, metavar=unit, help=f'{text} (default: {value:g})'
        )


def _selection(arguments: argparse.Namespace) -> SelectionConfig:
    return SelectionConfig(
        arguments.min_distance,
        arguments.min_angle,
        arguments.min_sharpness,
        arguments.max_clipped,
    )


def _opened(arguments: argparse.Namespace) -> tuple[Iterable[PosedImage], str]:
    """Return the images of the source and the frame they are posed in."""
    source = arguments.source
    if (source / 'metadata.yaml').exists():
        bag = _bag(arguments)
        return bag, bag.map_frame
    if _has_split(source):
        return read_split(source).keyframes, arguments.map_frame
    if colmap.find_model(source) is None:
        return open_images(source), arguments.map_frame
    if arguments.scale is None:
        logger.warning(
            '%s: the scale of a COLMAP model is arbitrary: its units are taken for metres; give '
            '--scale unless it was aligned',
            source,
        )
    images = colmap.read_images(source, arguments.images, arguments.scale or 1.0)
    return images, arguments.map_frame


def _has_split(source: Path) -> bool:
    return any((source / name).is_file() for name in SPLIT_FILES)


def _bag(arguments: argparse.Namespace) -> BagImages:
    if not arguments.image_topic:
        raise ValueError(f'{arguments.source}: is a bag: which --image-topic shall be mapped?')
    beside = arguments.image_topic.removesuffix('/compressed').rsplit('/', 1)[0]
    return BagImages(
        arguments.source,
        arguments.image_topic,
        arguments.camera_info_topic or f'{beside}/camera_info',
        rectified=arguments.rectified,
        depth_topic=arguments.depth_topic,
        pose_topic=arguments.pose_topic,
        trajectory=arguments.trajectory,
        map_frame=arguments.map_frame,
        pose_frame=arguments.pose_frame,
        max_gap_s=arguments.max_gap,
        max_extrapolation_s=arguments.max_extrapolation,
    )


def _recipe(arguments: argparse.Namespace) -> str:
    """Name what the map is made of and how, to know it again."""
    values = {key: value for key, value in vars(arguments).items() if key not in NOT_IN_RECIPE}
    values['source'] = arguments.source.resolve()
    return json.dumps(values, default=str, sort_keys=True)


def _shown(reason: str, names: list[str]) -> str:
    """Name some of the images that were left out, but not those that are only near others."""
    if reason == LeftOut.NOT_MOVED.value:
        return ''
    more = ', ...' if len(names) > SHOWN_NAMES else ''
    return f' ({", ".join(names[:SHOWN_NAMES])}{more})'
