"""COLMAP models, text and binary: their cameras and poses predict the images, to half a pixel."""

from pathlib import Path
import struct

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, quaternion_xyzw
from relpose_ros.datasets import colmap
from relpose_ros.datasets.layouts import open_images

CAMERA = Camera(160, 120, 140.0, 142.0, 78.0, 61.0, (-0.1, 0.02, 0.001, -0.002))
# As in COLMAP's sensor/models.cc, pixels counted from the corner of the image.
OPENCV = (140.0, 142.0, 78.5, 61.5, -0.1, 0.02, 0.001, -0.002)
NAMES = ('b first.png', 'a/second.png', 'c.png')


def quat_and_t(map_from_camera: np.ndarray) -> tuple[float, ...]:
    """Return qw qx qy qz tx ty tz of camera_from_map."""
    camera_from_map = inverse(map_from_camera)
    x, y, z, w = quaternion_xyzw(camera_from_map[:3, :3])
    return (w, x, y, z, *camera_from_map[:3, 3])


def write_text(model: Path, poses: list, points: str = '12.5 30.25 -1 40.0 50.5 7') -> None:
    model.mkdir(parents=True)
    numbers = ' '.join(map(str, OPENCV))
    (model / 'cameras.txt').write_text(f'# Camera list\n#\n3 OPENCV 160 120 {numbers}\n')
    lines = ['# Image list with two lines of data per image:', '#   POINTS2D[] as (X, Y, ID)']
    for i, (name, pose) in enumerate(zip(NAMES, poses, strict=False)):
        words = ' '.join(map(repr, map(float, quat_and_t(pose))))
        lines += [f'{i + 1} {words} 3 {name}', '' if i == 1 else points]
    (model / 'images.txt').write_text('\n'.join(lines) + '\n')


def write_binary(model: Path, poses: list) -> None:
    model.mkdir(parents=True)
    cameras = struct.pack('<QiiQQ8d', 1, 3, 4, 160, 120, *OPENCV)
    (model / 'cameras.bin').write_bytes(cameras)
    images = struct.pack('<Q', len(poses))
    for i, (name, pose) in enumerate(zip(NAMES, poses, strict=False)):
        images += struct.pack('<i7di', i + 1, *quat_and_t(pose), 3) + name.encode() + b'\0'
        points = [] if i == 1 else [(12.5, 30.25, -1), (40.0, 50.5, 7)]
        images += struct.pack('<Q', len(points))
        images += b''.join(struct.pack('<ddq', *point) for point in points)
    (model / 'images.bin').write_bytes(images)


@pytest.fixture(params=[write_text, write_binary])
def project(request, wall, tmp_path: Path) -> Path:
    """Write three images and a model where COLMAP puts it."""
    for name, pose in zip(NAMES, wall.poses, strict=False):
        wall.write(tmp_path / 'images' / name, CAMERA, pose)
    request.param(tmp_path / 'sparse' / '0', wall.poses[:3])
    return tmp_path


def test_images_in_the_order_of_their_names(project: Path, wall) -> None:
    for folder in (project, project / 'sparse' / '0'):
        images = open_images(folder)
        assert [image.name for image in images] == sorted(NAMES)
        assert [image.stamp_ns for image in images] == [0, 33_333_333, 66_666_667]
        for image, pose in zip(images, (wall.poses[i] for i in (1, 0, 2)), strict=True):
            np.testing.assert_allclose(image.map_from_camera, pose, atol=1e-9)
            assert (image.camera.cx, image.camera.cy) == (78.0, 61.0)
            wall.assert_shown(image)


def test_scale_and_the_folder_of_the_images(project: Path, wall) -> None:
    elsewhere = project / 'photos'
    (project / 'images').rename(elsewhere)
    image = colmap.read_images(project, elsewhere, scale=2.5)[1]
    np.testing.assert_allclose(image.map_from_camera[:3, 3], 2.5 * wall.poses[0][:3, 3])
    np.testing.assert_allclose(image.map_from_camera[:3, :3], wall.poses[0][:3, :3], atol=1e-9)
    with pytest.raises(ValueError, match='no folder images/ in it or beside it'):
        colmap.read_images(project)
    with pytest.raises(ValueError, match='scale: expected a positive number'):
        colmap.read_images(project, elsewhere, scale=0.0)


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('SIMPLE_PINHOLE 160 120 150 80 60', Camera(160, 120, 150, 150, 79.5, 59.5, (0,) * 4)),
        ('PINHOLE 160 120 150 151 80 60', Camera(160, 120, 150, 151, 79.5, 59.5, (0,) * 4)),
        (
            'SIMPLE_RADIAL 160 120 150 80 60 0.1',
            Camera(160, 120, 150, 150, 79.5, 59.5, (0.1, 0, 0, 0)),
        ),
        (
            'RADIAL 160 120 150 80 60 0.1 0.2',
            Camera(160, 120, 150, 150, 79.5, 59.5, (0.1, 0.2, 0, 0)),
        ),
        (
            'OPENCV_FISHEYE 160 120 150 151 80 60 1 2 3 4',
            Camera(160, 120, 150, 151, 79.5, 59.5, (1, 2, 3, 4), 'equidistant'),
        ),
        (
            'FULL_OPENCV 160 120 150 151 80 60 1 2 3 4 5 6 7 8',
            Camera(
                160, 120, 150, 151, 79.5, 59.5, (1, 2, 3, 4, 5, 6, 7, 8), 'rational_polynomial'
            ),
        ),
    ],
)
def test_camera_models(line: str, expected: Camera, tmp_path: Path, wall) -> None:
    model = tmp_path / 'model'
    write_text(model, wall.poses[:3])
    (model / 'cameras.txt').write_text(f'3 {line}\n')
    cameras, _ = colmap._text_model(model)
    assert cameras == {3: expected}


def test_wrong_models(tmp_path: Path, wall) -> None:
    model = tmp_path / 'sparse'
    with pytest.raises(ValueError, match='no COLMAP model'):
        colmap.read_images(tmp_path)
    write_text(model, wall.poses[:3])
    (tmp_path / 'images').mkdir()
    with pytest.raises(ValueError, match='3 of its images are missing: '):
        colmap.read_images(tmp_path)
    for text, sentence in (
        ('3 FOV 160 120 1 2 3 4 5', "camera model 'FOV' is not supported; undistort"),
        ('3 PINHOLE 160 120 150', 'PINHOLE has 4 parameters, not 1'),
        ('3 PINHOLE 160', "expected 'ID MODEL"),
        ('4 PINHOLE 160 120 150 150 80 60', 'the COLMAP model has no camera 3'),
        ('3 PINHOLE 160 120 0 150 80 60', r'cameras.txt: camera: focal length'),
    ):
        (model / 'cameras.txt').write_text(text)
        with pytest.raises(ValueError, match=sentence):
            colmap.read_images(tmp_path)


def test_truncated_binary_models(tmp_path: Path, wall) -> None:
    model = tmp_path / 'sparse'
    write_binary(model, wall.poses[:3])
    for name in ('images.bin', 'cameras.bin'):
        whole = (model / name).read_bytes()
        for size in (4, 30, len(whole) - 1):
            (model / name).write_bytes(whole[:size])
            with pytest.raises(ValueError, match=f'{name}: is truncated'):
                colmap.read_images(tmp_path)
