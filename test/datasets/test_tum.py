"""Folders in TUM's layout: stamps, interpolated poses, the owner's cameras and clear errors."""

import logging
from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import quaternion_xyzw
from relpose_ros.datasets import tum

# The third camera at a quarter of its size.
CAMERA = Camera(640, 480, 535.4, 539.2, 320.1, 247.6).resized(160, 120)
BEGIN_S = 1341836537


def stamp(number: int, offset_us: int = 0) -> str:
    return f'{BEGIN_S + number}.{855421 + offset_us:06d}'


def pose_line(seconds: str, pose: np.ndarray) -> str:
    numbers = (*pose[:3, 3], *quaternion_xyzw(pose[:3, :3]))
    return f'{seconds} {" ".join(map(str, numbers))}'


@pytest.fixture
def recording(wall, tmp_path: Path) -> Path:
    """Write four images with depth, the last one's taken too late; poses around each image."""
    lines = ['# ground truth trajectory', "# file: 'rgbd_dataset_freiburg3_wall.bag'"]
    images, depths = [], []
    for i, pose in enumerate(wall.poses):
        images.append(f'rgb/{stamp(i)}.png')
        depths.append(f'depth/{stamp(i, 30_000 if i == 3 else 15_000)}.png')
        wall.write(tmp_path / images[-1], CAMERA, pose)
        wall.write_depth(tmp_path / depths[-1], CAMERA, pose, 5000)
        lines += [pose_line(stamp(i, offset), pose) for offset in (-10_000, 10_000)]
    for kind, names in (('rgb', images), ('depth', depths)):
        listed = [f'{name.split("/")[1][:-4]} {name}' for name in names]
        (tmp_path / f'{kind}.txt').write_text('\n'.join(['# timestamp filename', *listed]))
    (tmp_path / 'groundtruth.txt').write_text('\n'.join(lines))
    return tmp_path


def test_images_poses_and_depth(recording: Path, wall) -> None:
    images = tum.read_images(recording)
    assert [image.stamp_ns for image in images] == [
        (BEGIN_S + i) * 1_000_000_000 + 855_421_000 for i in range(4)
    ]
    assert images[0].name == f'rgb/{stamp(0)}.png' and images[0].camera == CAMERA
    for i, image in enumerate(images):
        wall.assert_shown(image, depth=i < 3)
        np.testing.assert_allclose(image.map_from_camera, wall.poses[i], atol=1e-12)


def test_a_folder_of_images_and_poses_only(recording: Path, wall) -> None:
    for name in ('rgb.txt', 'depth.txt'):
        (recording / name).unlink()
    for path in (recording / 'depth').iterdir():
        path.unlink()
    images = tum.read_images(recording)
    assert len(images) == 4 and images[1].stamp_ns % 1_000_000_000 == 855_421_000
    wall.assert_shown(images[1])


def test_poses_are_interpolated_in_time(recording: Path, wall) -> None:
    first, second = wall.poses[:2]
    lines = [pose_line(stamp(0, -30_000), first), pose_line(stamp(0, 10_000), second)]
    (recording / 'groundtruth.txt').write_text('\n'.join(lines))
    image = tum.read_images(recording)[0]
    expected = first[:3, 3] + 0.75 * (second - first)[:3, 3]
    np.testing.assert_allclose(image.map_from_camera[:3, 3], expected, atol=1e-9)


def test_images_outside_the_track_are_left_out(recording: Path, wall, caplog) -> None:
    path = recording / 'groundtruth.txt'
    lines = path.read_text().splitlines()
    lines[2] = lines[2].rsplit(' ', 1)[0] + ' nan'
    path.write_text('\n'.join(lines))
    (recording / 'rgb' / f'{stamp(3)}.png').unlink()
    with caplog.at_level(logging.WARNING):
        images = tum.read_images(recording)
    assert len(images) == 2
    wall.assert_shown(images[0], depth=True)
    assert f'{path}: left out 1 lines without a valid pose' in caplog.text
    assert f'{recording / "rgb.txt"}: 1 of its images are missing' in caplog.text
    assert f'{recording}: left out 1 frames without a valid pose' in caplog.text


def test_the_lens_of_the_first_two_cameras_is_taken_out(recording: Path, wall) -> None:
    path = recording / 'groundtruth.txt'
    path.write_text(path.read_text().replace('freiburg3', 'freiburg1'))
    lens = Camera(
        *(640, 480, 517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)
    ).resized(160, 120)
    wall.write(recording / 'rgb' / f'{stamp(0)}.png', lens, wall.poses[0])
    wall.write_depth(recording / 'depth' / f'{stamp(0, 15_000)}.png', lens, wall.poses[0], 5000)
    image = tum.read_images(recording)[0]
    assert image.camera == Camera(640, 480, 517.3, 516.5, 318.6, 255.3).resized(160, 120)
    wall.assert_shown(image, depth=True)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('groundtruth.txt', None, 'groundtruth.txt: no such file'),
        ('groundtruth.txt', '# nothing', 'groundtruth.txt: no line of it is a pose'),
        ('groundtruth.txt', f'{stamp(9)} 0 0 0 0 0 0 1', 'none of its 4 frames has a valid pose'),
        ('groundtruth.txt', 'x 0 0 0 0 0 0 1', "groundtruth.txt: 'x' is not a stamp"),
        ('rgb.txt', '1.5', "rgb.txt: expected lines of 'stamp file'"),
        ('rgb.txt', '1.5 rgb/nowhere.png', 'rgb: no image in it'),
    ],
)
def test_clear_errors(recording: Path, name: str, content: str | None, message: str) -> None:
    (recording / name).unlink()
    if content is not None:
        (recording / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        tum.read_images(recording)


def test_images_of_unequal_size(recording: Path, wall) -> None:
    wall.write(recording / 'rgb' / f'{stamp(1)}.png', CAMERA.resized(80, 60), wall.poses[1])
    with pytest.raises(ValueError, match=f'{stamp(1)}.png: image is 80x60, its camera 160x120'):
        tum.read_images(recording)[1]
