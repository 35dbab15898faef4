"""Cambridge Landmarks: centres and world-to-camera rotations, focal lengths, clear errors."""

from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import quaternion_xyzw
from relpose_ros.datasets import cambridge

HEADER = 'Visual Landmark Dataset V1\nImageFile, Camera Position [X Y Z W P Q R]\n\n'
FOCAL_PX = 1500.0


def camera_of(focal_px: float) -> Camera:
    return Camera(1920, 1080, focal_px, focal_px, 959.5, 539.5).resized(192, 108)


def pose_line(name: str, map_from_camera: np.ndarray) -> str:
    x, y, z, w = quaternion_xyzw(map_from_camera[:3, :3].T)
    return ' '.join(map(str, (name, *map_from_camera[:3, 3], w, x, y, z)))


@pytest.fixture
def landmark(wall, tmp_path: Path) -> Path:
    """Write two images of the map and two queries; the first has a focal length of its own."""
    names = [f'seq{1 + i // 2}/frame{i:05d}.png' for i in range(4)]
    for i, (name, pose) in enumerate(zip(names, wall.poses, strict=True)):
        wall.write(tmp_path / name, camera_of(cambridge.USUAL_FOCAL_PX if i else FOCAL_PX), pose)
    lines = [pose_line(*each) for each in zip(names, wall.poses, strict=True)]
    (tmp_path / 'dataset_train.txt').write_text(HEADER + '\n'.join(lines[:2]))
    (tmp_path / 'dataset_test.txt').write_text(HEADER + '\n'.join(lines[2:]))
    (tmp_path / 'reconstruction.nvm').write_text(
        f'NVM_V3 \n\n1\n{names[0][:-3]}jpg\t{FOCAL_PX} 1 0 0 0 0 0 0 -0.05 0\n\n0\n'
    )
    return tmp_path


def test_images(landmark: Path, wall) -> None:
    images = cambridge.read_images(landmark)
    assert [image.camera.fx for image in images] == pytest.approx([150, 167, 167, 167])
    for image, pose in zip(images, wall.poses, strict=True):
        wall.assert_shown(image)
        np.testing.assert_allclose(image.map_from_camera, pose, atol=1e-12)
    queries = cambridge.read_images(landmark, ('test',))
    assert [image.name for image in queries] == ['seq2/frame00002.png', 'seq2/frame00003.png']
    assert [image.stamp_ns for image in queries] == [0, 500_000_000]


def test_without_the_reconstruction(landmark: Path) -> None:
    (landmark / 'reconstruction.nvm').unlink()
    assert cambridge.read_images(landmark)[0].camera.fx == pytest.approx(167)


@pytest.mark.parametrize('broken', ['nan 0 0 1 0 0 0', '0 0 0 0 0 0 0', '0 2e4 0 1 0 0 0', '0 0'])
def test_invalid_poses_are_left_out(landmark: Path, caplog, broken: str) -> None:
    path = landmark / 'dataset_test.txt'
    path.write_text(f'{HEADER}seq2/frame00002.png {broken}\n' + path.read_text().splitlines()[-1])
    assert len(cambridge.read_images(landmark)) == 3
    assert f'{landmark}: left out 1 frames without a valid pose' in caplog.text


def test_clear_errors(landmark: Path) -> None:
    (landmark / 'reconstruction.nvm').write_text('NVM_V3\n\n2\nonly one\n')
    with pytest.raises(ValueError, match='reconstruction.nvm: expected an NVM_V3 file'):
        cambridge.read_images(landmark)
    (landmark / 'seq1/frame00000.png').unlink()
    with pytest.raises(ValueError, match='1 of its images are missing'):
        cambridge.read_images(landmark)
    (landmark / 'dataset_test.txt').write_text(HEADER)
    with pytest.raises(ValueError, match='dataset_test.txt: expected two lines of header'):
        cambridge.read_images(landmark)
    (landmark / 'dataset_train.txt').unlink()
    with pytest.raises(ValueError, match='dataset_train.txt: no such file'):
        cambridge.read_images(landmark)


def test_images_of_unequal_size(landmark: Path, wall) -> None:
    wall.write(landmark / 'seq2/frame00003.png', wall.camera, wall.poses[3])
    with pytest.raises(ValueError, match='frame00003.png: image is 160x120, its camera 192x108'):
        cambridge.read_images(landmark)[3]
