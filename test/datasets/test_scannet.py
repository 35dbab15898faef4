"""ScanNet's scenes and pair lists: the direction of their poses, intrinsics and clear errors."""

import logging
from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse
from relpose_ros.datasets import scannet

NUMBERS = (0, 15, 100, 1005)
DEPTH_CAMERA = Camera(640, 480, 577.0, 578.0, 319.0, 241.0)


def write_K(path: Path, camera: Camera) -> None:
    path.parent.mkdir(exist_ok=True)
    matrix = np.eye(4)
    matrix[:3, :3] = camera.K
    np.savetxt(path, matrix)


@pytest.fixture
def scene(wall, tmp_path: Path) -> Path:
    """Write an exported scene."""
    write_K(tmp_path / 'intrinsic/intrinsic_color.txt', wall.camera)
    write_K(tmp_path / 'intrinsic/intrinsic_depth.txt', DEPTH_CAMERA)
    (tmp_path / 'pose').mkdir()
    for number, pose in zip(NUMBERS, wall.poses, strict=True):
        wall.write(tmp_path / f'color/{number}.jpg', wall.camera, pose)
        wall.write_depth(tmp_path / f'depth/{number}.png', DEPTH_CAMERA, pose)
        np.savetxt(tmp_path / f'pose/{number}.txt', pose)
    return tmp_path


def test_scene(scene: Path, wall) -> None:
    images = scannet.read_images(scene)
    assert [image.name for image in images] == [f'color/{number}' for number in NUMBERS]
    assert images[3].stamp_ns == 33_500_000_000
    for image in images:
        assert image.camera == wall.camera
        wall.assert_shown(image, depth=True)


def test_lost_poses_are_left_out(scene: Path, caplog) -> None:
    np.savetxt(scene / 'pose/15.txt', np.full((4, 4), -np.inf))
    (scene / 'pose/100.txt').unlink()
    with caplog.at_level(logging.WARNING):
        assert len(scannet.read_images(scene)) == 2
    assert f'{scene}: left out 2 frames without a valid pose' in caplog.text
    for path in (scene / 'pose').iterdir():
        path.write_text('none')
    with pytest.raises(ValueError, match='none of its 4 frames has a valid pose'):
        scannet.read_images(scene)


def test_scene_without_depth(scene: Path, wall) -> None:
    (scene / 'depth').rename(scene / 'elsewhere')
    wall.assert_shown(scannet.read_images(scene)[1])


@pytest.mark.parametrize('name', ['intrinsic_color.txt', 'intrinsic_depth.txt'])
def test_missing_intrinsics(scene: Path, name: str) -> None:
    (scene / 'intrinsic' / name).unlink()
    with pytest.raises(ValueError, match=f'{name}: no such file'):
        scannet.read_images(scene)


def test_scene_without_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='color: no NUMBER.jpg in it'):
        scannet.read_images(tmp_path)


@pytest.fixture
def superglue(wall, tmp_path: Path) -> Path:
    """Write a list of two pairs of images of different cameras, and its images."""
    cameras = (wall.camera, Camera(160, 120, 120.0, 121.0, 80.0, 59.0))
    lines = []
    for i, (a, b) in enumerate(((0, 1), (2, 3))):
        names = [f'scene0711_00_frame-{i:04d}{j:02d}.jpg' for j in range(2)]
        for name, camera, pose in zip(names, cameras, (a, b), strict=True):
            wall.write(tmp_path / 'images' / name, camera, wall.poses[pose])
        b_from_a = inverse(wall.poses[b]) @ wall.poses[a]
        numbers = (*cameras[0].K.ravel(), *cameras[1].K.ravel(), *b_from_a.ravel())
        lines.append(' '.join([*names, '0 0', *(f'{number:.5f}' for number in numbers)]))
    (tmp_path / 'sample_pairs_with_gt.txt').write_text('\n'.join(lines))
    return tmp_path


def test_superglue_pairs(superglue: Path, wall) -> None:
    pairs = scannet.read_superglue_pairs(superglue)
    assert len(pairs) == 2
    for pair, keyframe_pose in zip(pairs, wall.poses[::2], strict=True):
        wall.assert_shown(pair.keyframe, keyframe_pose)
        wall.assert_shown(pair.query, keyframe_pose)
    assert pairs[1].query.stamp_ns == round(101 / 30 * 1e9)
    expected = inverse(wall.poses[2]) @ wall.poses[3]
    np.testing.assert_allclose(pairs[1].keyframe_from_query, expected, atol=1e-4)


def test_superglue_images_beside_the_list(superglue: Path) -> None:
    for path in (superglue / 'images').iterdir():
        path.rename(superglue / path.name)
    assert scannet.read_superglue_pairs(superglue)[0].keyframe.name.endswith('000000.jpg')


def test_superglue_errors(superglue: Path, caplog) -> None:
    path = superglue / 'sample_pairs_with_gt.txt'
    good, other = path.read_text().splitlines()
    words = other.split()
    path.write_text('\n'.join([good, ' '.join([*words[:22], 'nan', *words[23:]])]))
    assert len(scannet.read_superglue_pairs(superglue)) == 1
    assert f'{path}: left out 1 pairs without a valid pose' in caplog.text
    for line, message in (
        (good.rsplit(' ', 1)[0], 'expected lines'),
        (' '.join([*words[:4], 'x', *words[5:]]), 'expected rows of numbers'),
        (good.replace('frame-000000', 'frame-000009'), '1 of its images are missing'),
    ):
        path.write_text(f'{other}\n{line}')
        with pytest.raises(ValueError, match=f'with_gt.txt: {message}'):
            scannet.read_superglue_pairs(superglue)


@pytest.fixture
def scannet_1500(wall, tmp_path: Path) -> Path:
    """Write two pairs in LoFTR's form; colour images of a quarter of the depth images' size."""
    K = DEPTH_CAMERA.K / 4
    camera = Camera(160, 120, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    for number, pose in zip(NUMBERS, wall.poses, strict=True):
        wall.write(tmp_path / f'scene0707_02/color/{number}.jpg', camera, pose)
    pairs = ((0, 1), (2, 3))
    np.savez(
        tmp_path / 'test.npz',
        name=np.array([(707, 2, NUMBERS[a], NUMBERS[b]) for a, b in pairs], np.uint16),
        rel_pose=np.array(
            [(inverse(wall.poses[b]) @ wall.poses[a])[:3].ravel() for a, b in pairs], np.float32
        ),
    )
    np.savez(tmp_path / 'intrinsics.npz', scene0707_02=DEPTH_CAMERA.K)
    return tmp_path


def test_1500_pairs(scannet_1500: Path, wall) -> None:
    pairs = scannet.read_1500_pairs(scannet_1500)
    assert [pair.query.name for pair in pairs] == [
        f'scene0707_02/color/{number}' for number in NUMBERS[1::2]
    ]
    for pair, keyframe_pose in zip(pairs, wall.poses[::2], strict=True):
        wall.assert_shown(pair.keyframe, keyframe_pose)
        wall.assert_shown(pair.query, keyframe_pose)
    # Plainly scaled, as the list's intrinsics were: no half pixel is added.
    assert pairs[0].query.camera.cx == DEPTH_CAMERA.cx / 4


def test_1500_errors(scannet_1500: Path) -> None:
    (scannet_1500 / 'scene0707_02/color/15.jpg').unlink()
    with pytest.raises(ValueError, match=r'test.npz: 1 of its images are missing: .*15.jpg'):
        scannet.read_1500_pairs(scannet_1500)
    np.savez(scannet_1500 / 'intrinsics.npz', scene0707_02=np.eye(2))
    with pytest.raises(ValueError, match=r'intrinsics.npz: expected \(3, 3\) calibration'):
        scannet.read_1500_pairs(scannet_1500)
    np.savez(scannet_1500 / 'intrinsics.npz', scene0001_00=DEPTH_CAMERA.K)
    with pytest.raises(ValueError, match='intrinsics.npz: scene0707_02 is missing'):
        scannet.read_1500_pairs(scannet_1500)
    for name in (np.zeros((2, 3)), np.zeros((0, 4)), np.zeros(2)):
        np.savez(scannet_1500 / 'test.npz', name=name, rel_pose=np.zeros((len(name), 12)))
        with pytest.raises(ValueError, match='test.npz: expected rows of scene, scan'):
            scannet.read_1500_pairs(scannet_1500)
    np.savez(scannet_1500 / 'test.npz', name=np.zeros((2, 4)))
    with pytest.raises(ValueError, match='test.npz: expected the arrays name, rel_pose'):
        scannet.read_1500_pairs(scannet_1500)
