"""Plain folders of posed images and KITTI's: values, conventions and clear errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.datasets import posed_folder


@pytest.fixture
def folder_with_K(wall, tmp_path: Path) -> Path:
    """Write images/, depth/ of all but the last, K.txt and poses.txt."""
    for i, pose in enumerate(wall.poses):
        wall.write(tmp_path / f'images/{i:05d}.jpg', wall.camera, pose)
        if i < 3:
            wall.write_depth(tmp_path / f'depth/{i:05d}.png', wall.camera, pose)
    np.savetxt(tmp_path / 'K.txt', wall.camera.K)
    np.savetxt(tmp_path / 'poses.txt', [pose.ravel() for pose in wall.poses])
    return tmp_path


def test_images_with_K(folder_with_K: Path, wall) -> None:
    images = posed_folder.read_images(folder_with_K)
    assert [image.name for image in images] == [f'images/{i:05d}.jpg' for i in range(4)]
    for i, image in enumerate(images):
        assert image.camera == wall.camera and image.stamp_ns == round(i / 30 * 1e9)
        wall.assert_shown(image, depth=i < 3)


def test_images_with_K_errors(folder_with_K: Path, wall, caplog) -> None:
    path = folder_with_K / 'poses.txt'
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines[:3], 'nan ' + lines[3].split(' ', 1)[1]]))
    assert len(posed_folder.read_images(folder_with_K)) == 3
    assert f'{folder_with_K}: left out 1 frames without a valid pose' in caplog.text
    wall.write(folder_with_K / 'images/00001.jpg', wall.camera.resized(80, 60), wall.poses[1])
    with pytest.raises(ValueError, match='00001.jpg: image is 80x60, its camera 160x120'):
        posed_folder.read_images(folder_with_K)[1]
    path.write_text('\n'.join(lines[:3]))
    with pytest.raises(ValueError, match='poses.txt: 3 poses for 4 images'):
        posed_folder.read_images(folder_with_K)
    path.unlink()
    with pytest.raises(ValueError, match='poses.txt: no such file'):
        posed_folder.read_images(folder_with_K)
    (folder_with_K / 'images').rename(folder_with_K / 'pictures')
    with pytest.raises(ValueError, match='images: no png or jpg image in it'):
        posed_folder.read_images(folder_with_K)


@pytest.fixture
def folder_with_lens(wall, tmp_path: Path) -> Path:
    """Write rgb/, depth/ and poses with the lens in the header; poses in another order."""
    lens = replace(wall.camera, distortion=(-0.2, 0.05, 0.002, -0.001))
    lines = []
    for i, pose in enumerate(wall.poses):
        wall.write(tmp_path / f'rgb/{i:010d}.jpg', lens, pose)
        wall.write_depth(tmp_path / f'depth/{i:010d}.png', lens, pose)
        lines.append(' '.join([f'{i:010d}.png', *map(str, pose.ravel())]))
    numbers = (lens.fx, lens.fy, lens.cx, lens.cy, *lens.distortion)
    header = f'# name then 4x4. OPENCV fx fy cx cy k1 k2 p1 p2 = {" ".join(map(str, numbers))}'
    (tmp_path / 'pseudo_c2w.txt').write_text('\n'.join([header, *reversed(lines)]))
    return tmp_path


def test_images_with_a_lens(folder_with_lens: Path, wall) -> None:
    images = posed_folder.read_lens_images(folder_with_lens)
    assert len(images) == 4
    for image in images:
        assert image.camera == wall.camera
        wall.assert_shown(image, depth=True)


def test_images_with_a_lens_errors(folder_with_lens: Path, caplog) -> None:
    path = folder_with_lens / 'pseudo_c2w.txt'
    header, first, second, *_ = path.read_text().splitlines()
    path.write_text('\n'.join([header, first, second + ' 0']))
    assert len(posed_folder.read_lens_images(folder_with_lens)) == 1
    assert f'{folder_with_lens}: left out 3 frames without a valid pose' in caplog.text
    for bad_header in (header.replace('OPENCV', 'PINHOLE'), header + ' 1', header + 'x'):
        path.write_text('\n'.join([bad_header, first]))
        with pytest.raises(ValueError, match="pseudo_c2w.txt: no valid line '# OPENCV"):
            posed_folder.read_lens_images(folder_with_lens)
    path.unlink()
    with pytest.raises(ValueError, match='expected one file .*_c2w.txt., got 0'):
        posed_folder.read_lens_images(folder_with_lens)


KITTI_CAMERA = Camera(200, 80, 150.0, 150.0, 98.0, 41.0)
BASELINE_M = 0.06


@pytest.mark.parametrize(
    ('name', 'label', 'offset_m'),
    [('image_l', '', 0.0), ('image_0', 'P{}: ', 0.0), ('image_2', 'P{}: ', BASELINE_M)],
)
def test_kitti(wall, tmp_path: Path, name: str, label: str, offset_m: float) -> None:
    """The poses are the first camera's; the colour camera sits beside it."""
    camera0_from_camera = transform(np.eye(3), np.array([offset_m, 0, 0]))
    for i, pose in enumerate(wall.poses):
        wall.write(tmp_path / f'{name}/{i:06d}.png', KITTI_CAMERA, pose @ camera0_from_camera)
    np.savetxt(tmp_path / 'poses.txt', [pose[:3].ravel() for pose in wall.poses])
    lines = []
    for i, centre_m in enumerate((0.0, 0.54, BASELINE_M, 0.6)):
        P = KITTI_CAMERA.K @ np.eye(3, 4)
        P[0, 3] = -KITTI_CAMERA.fx * centre_m
        lines.append(label.format(i) + ' '.join(map(str, P.ravel())))
    (tmp_path / 'calib.txt').write_text('\n'.join(lines))
    images = posed_folder.read_kitti_images(tmp_path)
    assert images[1].camera == KITTI_CAMERA and images[1].stamp_ns == 100_000_000
    for image in images:
        wall.assert_shown(image)
    for content in ('1 2 3', 'P0: a b c', 'P0:' + ' 0' * 12):
        (tmp_path / 'calib.txt').write_text('\n'.join([content] * 3))
        with pytest.raises(ValueError, match='calib.txt: no 3x4 projection of camera'):
            posed_folder.read_kitti_images(tmp_path)
