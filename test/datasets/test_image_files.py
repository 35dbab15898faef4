"""Posed images on disk: lazy, rectified, with depth in the image's camera, clear errors."""

from dataclasses import replace
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.datasets.image_files import (
    camera_from_matrix,
    check_images,
    image_size,
    ImageFile,
    ImageFiles,
    only_posed,
    PairFiles,
    read_rgb,
)


@pytest.fixture
def files(wall, tmp_path: Path) -> list[ImageFile]:
    """Write an image and its depth from each pose."""
    found = []
    for i, pose in enumerate(wall.poses):
        path, depth_path = tmp_path / f'{i}.png', tmp_path / f'{i}.depth.png'
        wall.write(path, wall.camera, pose)
        wall.write_depth(depth_path, wall.camera, pose)
        found.append(ImageFile(str(i), i, path, wall.camera, pose, depth_path))
    return found


def test_images_and_pairs_are_read_when_indexed(files, wall) -> None:
    images, pairs = ImageFiles(files), PairFiles([files[:2], files[2:]])
    files[1].path.write_bytes(b'no image')
    wall.assert_shown(images[0], depth=True)
    assert [image.name for image in images[2:]] == ['2', '3']
    assert not images[0].depth_m[0, :2].any()
    pair = pairs[1:][0]
    assert (pair.keyframe.name, pair.query.name) == ('2', '3')
    for broken in (lambda: images[1], lambda: pairs[0]):
        with pytest.raises(ValueError, match='1.png: broken image'):
            broken()
    with pytest.raises(IndexError):
        images[4]


def test_the_lens_is_taken_out_of_image_and_depth(wall, tmp_path: Path) -> None:
    lens = replace(wall.camera, distortion=(-0.25, 0.08, 0.003, -0.002))
    path, depth_path, pose = tmp_path / 'a.png', tmp_path / 'a.depth.png', wall.poses[1]
    wall.write(path, lens, pose)
    wall.write_depth(depth_path, lens, pose)
    image = ImageFile('a', 0, path, lens, pose, depth_path).read()
    assert image.camera == wall.camera
    wall.assert_shown(image, depth=True)
    with pytest.raises(AssertionError):
        wall.assert_shown(
            ImageFile('a', 0, path, wall.camera, pose, depth_path).read(), depth=True
        )


def test_depth_of_other_intrinsics_moves_into_the_image(wall, tmp_path: Path) -> None:
    depth_camera = Camera(80, 64, 66.0, 68.0, 39.0, 31.0)
    path, depth_path, pose = tmp_path / 'a.png', tmp_path / 'a.depth.png', wall.poses[2]
    wall.write(path, wall.camera, pose)
    wall.write_depth(depth_path, depth_camera, pose, 5000)
    file = ImageFile('a', 0, path, wall.camera, pose, depth_path, depth_camera, 5000)
    image = file.read()
    _, depth_m = wall.take(wall.camera, pose)
    known = image.depth_m > 0
    assert known[12:-12, 12:-12].all()
    # The nearest depth pixel is up to one image pixel off.
    assert np.abs(image.depth_m - depth_m)[known].max() < 0.02


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            {'camera': Camera(80, 60, 70.0, 70.0, 40.0, 30.0)},
            '0.png: image is 160x120',
        ),
        ({'path': Path('nowhere.png')}, 'nowhere.png: no such image'),
        ({'depth_path': Path('nowhere.png')}, 'nowhere.png: no such image'),
    ],
)
def test_clear_errors(files, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(files[0], **change).read()


def test_depth_must_be_16_bit_and_as_large_as_its_camera(files, wall) -> None:
    with pytest.raises(ValueError, match='0.png: expected 16-bit depth, got uint8'):
        replace(files[0], depth_path=files[0].path).read()
    small = cv2.resize(cv2.imread(str(files[0].depth_path), cv2.IMREAD_UNCHANGED), (80, 60))
    cv2.imwrite(str(files[0].depth_path), small)
    with pytest.raises(ValueError, match='0.depth.png: image is 80x60, its camera 160x120'):
        files[0].read()


def test_what_has_no_pose_is_counted(files, caplog, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING):
        assert only_posed(tmp_path, [None, files[0], None]) == files[:1]
    assert f'{tmp_path}: left out 2 frames without a valid pose' in caplog.text
    with pytest.raises(ValueError, match='none of its 2 pairs has a valid pose'):
        only_posed(tmp_path, [None, None], 'pairs')


def test_missing_images_are_counted(files, tmp_path: Path) -> None:
    check_images(tmp_path, [file.path for file in files])
    with pytest.raises(ValueError, match='list.txt: 2 of its images are missing: .*a.png'):
        check_images(tmp_path / 'list.txt', [tmp_path / 'b.png', tmp_path / 'a.png'])


def test_grey_images_become_colour(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((4, 6), 7, np.uint8))
    assert image_size(tmp_path / 'a.png') == (6, 4)
    np.testing.assert_array_equal(read_rgb(tmp_path / 'a.png'), np.full((4, 6, 3), 7))


@pytest.mark.parametrize(
    ('K', 'message'),
    [(np.eye(2), 'expected a calibration matrix'), (np.zeros((3, 3)), 'is not positive')],
)
def test_bad_calibration(K: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f'K.txt: .*{message}'):
        camera_from_matrix(Path('K.txt'), (6, 4), K)
