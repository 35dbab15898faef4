"""Map-free scenes: world-to-camera poses, intrinsics per frame, the benchmark's pairs."""

from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, quaternion_xyzw
from relpose_ros.datasets import map_free

QUERIES = [f'seq1/frame_{number:05d}.jpg' for number in range(7)]
KEYFRAME = 'seq0/frame_00000.jpg'


def pose_line(name: str, map_from_camera: np.ndarray) -> str:
    camera_from_map = inverse(map_from_camera)
    x, y, z, w = quaternion_xyzw(camera_from_map[:3, :3])
    return ' '.join(map(str, (name, w, x, y, z, *camera_from_map[:3, 3])))


def camera_of(number: int) -> Camera:
    return Camera(120, 160, 130.0 + number, 131.0, 61.0, 78.0)


def pose_of(wall, number: int) -> np.ndarray:
    return wall.poses[number % 4]


@pytest.fixture
def scene(wall, tmp_path: Path) -> Path:
    """Write a scene of a keyframe and seven queries; the last has no pose."""
    folder = tmp_path / 's00460'
    poses, intrinsics = ['# name qw qx qy qz tx ty tz'], []
    for number, name in enumerate((KEYFRAME, *QUERIES)):
        camera = camera_of(number)
        wall.write(folder / name, camera, pose_of(wall, number))
        poses.append(pose_line(name, pose_of(wall, number)))
        numbers = (camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height)
        intrinsics.append(' '.join(map(str, (name, *numbers))))
    poses[-1] = f'{QUERIES[-1]} 0 0 0 0 0 0 0'
    (folder / 'poses.txt').write_text('\n'.join(poses))
    (folder / 'intrinsics.txt').write_text('\n'.join(intrinsics))
    return folder


def test_images(scene: Path, wall, caplog) -> None:
    images = map_free.read_images(scene)
    assert [image.name for image in images] == [f's00460/{n}' for n in (KEYFRAME, *QUERIES[:-1])]
    assert f'{scene}: left out 1 frames without a valid pose' in caplog.text
    for number, image in enumerate(images):
        assert image.camera == camera_of(number)
        wall.assert_shown(image)
    assert images[3].stamp_ns == 100_000_000


def test_pairs_of_the_benchmark(scene: Path, wall) -> None:
    for folder in (scene, scene.parent):
        pairs = map_free.read_pairs(folder)
        assert [pair.query.name for pair in pairs] == [f's00460/{QUERIES[i]}' for i in (0, 5)]
        expected = inverse(pose_of(wall, 0)) @ pose_of(wall, 6)
        np.testing.assert_allclose(pairs[1].keyframe_from_query, expected, atol=1e-9)


def test_pairs_that_overlap(scene: Path, caplog) -> None:
    overlaps = {(0, 0, 1, 1): 0.5, (1, 2, 1, 3): 0.3, (1, 4, 0, 0): 0.7, (1, 4, 1, 6): 0.6}
    np.savez(
        scene / 'overlaps.npz',
        idxs=np.array(list(overlaps), np.uint16),
        overlaps=np.array(list(overlaps.values())),
    )
    pairs = map_free.read_pairs(scene)
    names = [(pair.keyframe.name[7:], pair.query.name[7:]) for pair in pairs]
    assert names == [(KEYFRAME, QUERIES[1]), (QUERIES[4], KEYFRAME)]
    assert f'{scene}: left out 1 pairs without a valid pose' in caplog.text


def test_only_so_many_pairs_of_a_scene(scene: Path) -> None:
    rows = [(0, 0, 1, i % 6) for i in range(2 * map_free.PAIRS_PER_SCENE)]
    np.savez(scene / 'overlaps.npz', idxs=np.array(rows), overlaps=np.full(len(rows), 0.5))
    pairs = map_free.read_pairs(scene)
    assert len(pairs) == map_free.PAIRS_PER_SCENE
    assert [pair.query.name[7:] for pair in pairs[:3]] == [QUERIES[i] for i in (0, 2, 4)]


def test_clear_errors(scene: Path) -> None:
    poses, intrinsics = scene / 'poses.txt', scene / 'intrinsics.txt'
    good_poses, good_intrinsics = poses.read_text(), intrinsics.read_text()
    for path, content, message in (
        (intrinsics, f'{KEYFRAME} 1 1 1 1', "intrinsics.txt: expected lines 'name fx"),
        (intrinsics, f'{KEYFRAME} 1 1 1 1 x 2', 'intrinsics.txt: expected rows of numbers'),
        (intrinsics, f'{KEYFRAME} 0 1 1 1 2 2', 'intrinsics.txt: camera: focal length'),
        (poses, f'{KEYFRAME} nan 0 0 0 0 0 0', 'none of its 1 frames has a valid pose'),
        (poses, good_poses.replace('00003', '00033'), 'intrinsics.txt: seq1/frame_00033.jpg is'),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=message):
            map_free.read_images(scene)
        poses.write_text(good_poses)
        intrinsics.write_text(good_intrinsics)
    np.savez(scene / 'overlaps.npz', idxs=np.zeros((2, 2)), overlaps=np.ones(2))
    with pytest.raises(ValueError, match='overlaps.npz: expected idxs'):
        map_free.read_pairs(scene)
    (scene / QUERIES[2]).unlink()
    with pytest.raises(ValueError, match=r'poses.txt: 1 of its images are missing: .*00002.jpg'):
        map_free.read_images(scene)
    poses.unlink()
    with pytest.raises(ValueError, match='poses.txt: no such file'):
        map_free.read_pairs(scene.parent)
    with pytest.raises(ValueError, match='no scene with an intrinsics.txt'):
        map_free.read_pairs(scene / 'seq0')
