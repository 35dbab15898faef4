"""A small world that tests of every part can localize in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.vlad import DenseVlad, DenseVladConfig, learn_vocabulary, Vocabulary
from scipy.spatial.transform import Rotation

# One domain per test session: sessions side by side must not hear each other. Processes that
# tests start inherit all of it.
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'

if find_spec('rclpy') is None:
    collect_ignore = ['nodes']

CAMERA = Camera(320, 240, 280.0, 280.0, 160.0, 120.0)
PIXELS_PER_M = 200
WALL_M = 6.0  # width and height of the wall, which is centred on (0, 0, 0)


@dataclass(frozen=True, slots=True)
class WallView:
    """
    A picture of the wall and how it was taken.

    :param rgb: (H, W, 3) uint8.
    :param map_from_camera: (4, 4) [m].
    :param depth_m: (H, W) float32 [m].
    """

    rgb: np.ndarray
    camera: Camera
    map_from_camera: np.ndarray
    depth_m: np.ndarray


def look_at_wall(x_m: float, y_m: float = 0.0, yaw_deg: float = 0.0) -> np.ndarray:
    """Return map_from_camera of a camera 1.5 m before the wall; the wall is the plane z = 0."""
    rotation = Rotation.from_euler('y', yaw_deg, degrees=True).as_matrix()
    return transform(rotation, np.array([x_m, y_m, -1.5]))


def view_of_wall(map_from_camera: np.ndarray, seed: int = 0) -> WallView:
    """
    Photograph the wall exactly: a plane is seen through a homography.

    :param map_from_camera: (4, 4) [m].
    :param seed: another seed is another wall.
    """
    rotation, centre = map_from_camera[:3, :3], map_from_camera[:3, 3]
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(np.float64)
    rays_map = CAMERA.rays(np.stack((u, v), axis=-1)) @ rotation.T
    depth_m = -centre[2] / rays_map[..., 2]
    wall_m = centre + rays_map * depth_m[..., None]
    wall_px = ((wall_m[..., :2] + WALL_M / 2) * PIXELS_PER_M).astype(np.float32)
    rgb = cv2.remap(_wall(seed), wall_px[..., 0], wall_px[..., 1], cv2.INTER_LINEAR)
    return WallView(rgb, CAMERA, map_from_camera, depth_m.astype(np.float32))


@lru_cache
def _wall(seed: int) -> np.ndarray:
    """Paint a wall on which no two places look alike: blobs of many sizes and grain."""
    size = round(WALL_M * PIXELS_PER_M)
    random = np.random.default_rng(seed)
    wall = np.full((size, size, 3), 128, np.uint8)
    for _ in range(4000):
        centre = random.integers(0, size, 2).tolist()
        colour = random.integers(0, 256, 3).tolist()
        axes = random.integers(3, 40, 2).tolist()
        cv2.ellipse(wall, centre, axes, random.uniform(0, 360), 0, 360, colour, cv2.FILLED)
    return cv2.GaussianBlur(wall, (3, 3), 0)


@lru_cache
def wall_vocabulary() -> Vocabulary:
    """Return a small vocabulary, quick to learn and to describe with."""
    config = DenseVladConfig(
        max_side_px=320, bin_sizes_px=(4, 8), stride_px=8, words=16, max_dimensions=0
    )
    images = [view_of_wall(look_at_wall(x)).rgb for x in (-1.2, 0.0, 1.2)]
    return learn_vocabulary(images, config)


def textured_wall_map(folder: Path) -> Path:
    """
    Write a map of five views of the wall with depth, 0.6 m apart.

    :return: the map file.
    """
    path = folder / 'wall.relmap'
    describer = DenseVlad(wall_vocabulary())
    with KeyframeMap.create(path, wall_vocabulary()) as keyframe_map:
        for i, x_m in enumerate((-1.2, -0.6, 0.0, 0.6, 1.2)):
            view = view_of_wall(look_at_wall(x_m))
            descriptor = describer.describe(view.rgb)
            keyframe_map.add(
                i, view.map_from_camera, view.camera, view.rgb, descriptor, view.depth_m
            )
    return path


def pytest_report_header() -> str | None:
    """Say so if tests are left out."""
    return None if find_spec('rclpy') else 'test/nodes is left out: rclpy is not installed'


@pytest.fixture(scope='session')
def wall_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a map file of the wall, to be read only."""
    return textured_wall_map(tmp_path_factory.mktemp('map'))


@pytest.fixture(scope='session')
def stages() -> tuple[str, ...]:
    """Return what an image goes through in the node, from its message to ours."""
    method = ('prepare', 'describe', 'search', 'features', 'rank', 'match', 'fuse')
    return ('decode', *method, 'publish')


@pytest.fixture(scope='session')
def photograph() -> Callable[..., WallView]:
    """Return `(x_m, y_m, yaw_deg, seed) -> WallView`."""

    def take(x_m: float, y_m: float = 0.0, yaw_deg: float = 0.0, seed: int = 0) -> WallView:
        return view_of_wall(look_at_wall(x_m, y_m, yaw_deg), seed)

    return take


@pytest.fixture(scope='session')
def write_recording() -> Callable[[Path, str, Sequence[WallView]], Path]:
    """Return a function that fills a folder in 7-Scenes layout: `(folder, split, views)`."""

    def write(folder: Path, split: str, views: Sequence[WallView]) -> Path:
        (folder / 'seq-01').mkdir()
        (folder / 'split.yaml').write_text(split)
        for number, view in enumerate(views):
            stem = str(folder / 'seq-01' / f'frame-{number:06d}')
            cv2.imwrite(f'{stem}.color.png', view.rgb[..., ::-1])
            cv2.imwrite(f'{stem}.depth.png', np.rint(view.depth_m * 1000).astype(np.uint16))
            np.savetxt(f'{stem}.pose.txt', view.map_from_camera)
        return folder

    return write


@pytest.fixture(scope='module')
def ros() -> Iterator[None]:
    """Initialise rclpy for the tests of a module."""
    rclpy = pytest.importorskip('rclpy')
    rclpy.init()
    yield
    rclpy.try_shutdown()
