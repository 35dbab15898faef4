"""RelPoseNet's 7-Scenes pairs: their translation lies in the map and has to be turned."""

from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, quaternion_xyzw
from relpose_ros.datasets import relposenet

CAMERA = Camera(640, 480, 525.0, 525.0, 320.0, 240.0)
DEPTH_CAMERA = Camera(640, 480, 585.0, 585.0, 320.0, 240.0)


def pair_line(scene: int, numbers: tuple[int, int], poses: list[np.ndarray]) -> str:
    """Write a pair as the lists have it: R_A_from_B, but c_B - c_A in the map."""
    names = [f'/seq-0{1 + i}/frame-{number:06d}.color.png' for i, number in enumerate(numbers)]
    x, y, z, w = quaternion_xyzw((inverse(poses[0]) @ poses[1])[:3, :3])
    translation = poses[1][:3, 3] - poses[0][:3, 3]
    return ' '.join(map(str, (*names, scene, *translation, w, x, y, z)))


@pytest.fixture
def scenes(wall, tmp_path: Path) -> Path:
    """Write a pair of each of two scenes; only the keyframes have depth and pose files."""
    lines = []
    for scene, a, b in ((1, 1, 2), (6, 3, 0)):
        for i, pose in enumerate((a, b)):
            stem = tmp_path / relposenet.SCENES[scene] / f'seq-0{1 + i}' / f'frame-{30 + i:06d}'
            wall.write(stem.with_suffix('.color.png'), CAMERA, wall.poses[pose])
            if i == 0:
                wall.write_depth(stem.with_suffix('.depth.png'), DEPTH_CAMERA, wall.poses[pose])
                np.savetxt(stem.with_suffix('.pose.txt'), wall.poses[pose])
        lines.append(pair_line(scene, (30, 31), [wall.poses[a], wall.poses[b]]))
    (tmp_path / 'db_all_valid.txt').write_text('\n'.join(lines))
    return tmp_path


def test_pairs(scenes: Path, wall) -> None:
    pairs = relposenet.read_pairs(scenes)
    assert [pair.keyframe.name for pair in pairs] == [
        f'{scene}/seq-01/frame-000030.color.png' for scene in ('fire', 'stairs')
    ]
    for pair, (a, b) in zip(pairs, ((1, 2), (3, 0)), strict=True):
        wall.assert_shown(pair.keyframe, depth=True)
        wall.assert_shown(pair.query)
        expected = inverse(wall.poses[a]) @ wall.poses[b]
        np.testing.assert_allclose(pair.keyframe_from_query, expected, atol=1e-9)


def test_the_correction_matters(wall) -> None:
    expected = inverse(wall.poses[3]) @ wall.poses[1]
    listed = expected.copy()
    listed[:3, 3] = (wall.poses[1] - wall.poses[3])[:3, 3]
    assert np.abs(listed - expected).max() > 0.1
    corrected = relposenet.corrected(listed, wall.poses[3][:3, :3])
    np.testing.assert_allclose(corrected, expected, atol=1e-12)


def test_pairs_without_a_pose_are_left_out(scenes: Path, caplog) -> None:
    (scenes / 'fire/seq-01/frame-000030.pose.txt').unlink()
    assert len(relposenet.read_pairs(scenes)) == 1
    path = scenes / 'db_all_valid.txt'
    assert f'{path}: left out 1 pairs without a valid pose' in caplog.text
    path.write_text(path.read_text().rsplit(' ', 1)[0] + ' nan')
    with pytest.raises(ValueError, match='none of its 2 pairs has a valid pose'):
        relposenet.read_pairs(scenes)


def test_clear_errors(scenes: Path) -> None:
    path = scenes / 'db_all_valid.txt'
    good = path.read_text()
    for content, message in (
        ('', 'expected lines'),
        (good.replace('.png 6', '.png 7'), 'expected lines'),
        (good.replace('frame-000030', '../secret'), 'expected lines'),
        (good + ' 1', 'expected lines'),
        (good.replace('000031', '000032'), '2 of its images are missing'),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=f'db_all_valid.txt: {message}'):
            relposenet.read_pairs(scenes)
