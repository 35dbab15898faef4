"""Folders in 7-Scenes layout, written here: conventions, invalid frames and clear errors."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, quaternion_xyzw, transform
from relpose_ros.datasets.seven_scenes import read_split
from scipy.spatial.transform import Rotation
import yaml

WIDTH, HEIGHT = 64, 48
BASIC = {
    'layout': '7scenes',
    'camera': {'focal_px': 52.5, 'principal_point_px': [31.5, 23.5]},
    'keyframes': {'sequence': 'seq-01', 'start': 0, 'stop': 6, 'step': 2},
    'queries': {'sequence': 'seq-01', 'start': 6, 'stop': 10, 'step': 2},
}


def pose(number: int) -> np.ndarray:
    rotation = Rotation.from_euler('xyz', (0.1, 0.02 * number, -0.2)).as_matrix()
    return transform(rotation, (0.1 * number, -0.5, 1.0))


def write_sequence(folder: Path, frames: int = 10, suffix: str = 'png') -> None:
    """Write frames whose red is 20 times their number, with a wall at 1.5 m."""
    folder.mkdir(parents=True)
    for number in range(frames):
        stem = str(folder / f'frame-{number:06d}')
        bgr = np.full((HEIGHT, WIDTH, 3), (10, 40, 20 * number), np.uint8)
        cv2.imwrite(f'{stem}.color.{suffix}', bgr)
        depth_mm = np.full((HEIGHT, WIDTH), 1500, np.uint16)
        depth_mm[0, :2] = (0, 65535)
        cv2.imwrite(f'{stem}.depth.png', depth_mm)
        np.savetxt(f'{stem}.pose.txt', pose(number))


def write_split(folder: Path, **changes) -> Path:
    (folder / 'split.yaml').write_text(yaml.safe_dump(BASIC | changes))
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    write_sequence(tmp_path / 'seq-01')
    return write_split(tmp_path)


def test_registered_depth_and_camera_poses(recording: Path) -> None:
    split = read_split(recording)
    assert [image.name for image in split.keyframes] == [
        f'seq-01/frame-{number:06d}' for number in (0, 2, 4)
    ]
    assert (len(split.queries), len(split.replay), split.rate_hz) == (2, 2, 30)
    query = split.queries[0]
    assert query.stamp_ns == 200_000_000
    assert query.camera == Camera(WIDTH, HEIGHT, 52.5, 52.5, 31.5, 23.5)
    np.testing.assert_array_equal(query.rgb[0, 0], (120, 40, 10))
    np.testing.assert_allclose(query.map_from_camera, pose(6), atol=1e-12)
    assert not query.depth_m[0, :2].any()
    np.testing.assert_array_equal(query.depth_m[1:], np.float32(1.5))


def test_replay_has_its_own_range_and_rate(recording: Path) -> None:
    replay = {'sequence': 'seq-01', 'start': 5, 'stop': 9, 'rate_hz': 10}
    split = read_split(write_split(recording, replay=replay))
    assert split.rate_hz == 10
    stamps = [image.stamp_ns for image in split.replay]
    assert stamps == [500_000_000, 600_000_000, 700_000_000, 800_000_000]
    assert split.queries[0].stamp_ns in stamps


def test_frames_are_read_when_indexed(recording: Path) -> None:
    split = read_split(recording)
    (recording / 'seq-01/frame-000002.color.png').write_bytes(b'no image')
    assert split.keyframes[-1].name.endswith('4')
    assert [image.name[-1] for image in split.keyframes[::2]] == ['0', '4']
    with pytest.raises(ValueError, match='frame-000002.color.png: broken image'):
        split.keyframes[1]
    with pytest.raises(IndexError):
        split.keyframes[3]


def test_without_depth(recording: Path) -> None:
    (recording / 'seq-01/frame-000006.depth.png').unlink()
    queries = read_split(recording).queries
    assert queries[0].depth_m is None and queries[1].depth_m is not None


def test_colour_poses_and_a_depth_camera_of_its_own(recording: Path) -> None:
    depth_from_colour = transform(Rotation.from_euler('y', 0.05).as_matrix(), (0.03, 0.01, 0.02))
    lines = []
    for number in range(10):
        camera_from_map = inverse(pose(number) @ depth_from_colour)
        x, y, z, w = quaternion_xyzw(camera_from_map[:3, :3])
        tx, ty, tz = camera_from_map[:3, 3]
        name = f'seq-01/frame-{number:06d}.color.png'
        lines.append(f'{name} {w} {x} {y} {z} {tx} {ty} {tz} {50 + number}')
    (recording / 'poses.txt').write_text('\n'.join(lines))
    depth_camera = {'focal_px': 60.0, 'principal_point_px': [32, 24], 'poses': 'pose.txt'}
    write_split(recording, colour_poses='poses.txt', depth_camera=depth_camera)
    query = read_split(recording).queries[0]
    np.testing.assert_allclose(query.map_from_camera, pose(6) @ depth_from_colour, atol=1e-9)
    assert query.camera.fx == 56

    # The wall z = 1.5 m of the depth camera, seen by rays of the colour camera.
    v, u = np.nonzero(query.depth_m)
    assert len(v) > WIDTH * HEIGHT / 2
    rays = query.camera.rays(np.stack((u, v), axis=-1)) @ depth_from_colour[:3, :3].T
    expected = (1.5 - depth_from_colour[2, 3]) / rays[:, 2]
    np.testing.assert_allclose(query.depth_m[v, u], expected, atol=1.5e-3)


def test_official_lists(tmp_path: Path) -> None:
    for number, suffix in ((1, 'png'), (2, 'jpg'), (11, 'png')):
        write_sequence(tmp_path / f'seq-{number:02d}', 12, suffix)
    (tmp_path / 'TrainSplit.txt').write_text('sequence1\nsequence11 \n')
    (tmp_path / 'TestSplit.txt').write_text('sequence2\n')
    split = read_split(tmp_path)
    names = [image.name for image in split.keyframes]
    assert names == [f'seq-{s}/frame-0000{n}' for s in ('01', '11') for n in ('00', '10')]
    assert (len(split.queries), len(split.replay)) == (2, 12)
    assert (split.queries[0].camera.fx, split.queries[0].camera.cx) == (525, 32)
    stamps = [image.stamp_ns for image in (*split.keyframes, *split.replay)]
    assert stamps == sorted(set(stamps))


def test_frames_without_valid_pose_are_counted(recording: Path, caplog) -> None:
    sequence = recording / 'seq-01'
    (sequence / 'frame-000000.pose.txt').unlink()
    np.savetxt(sequence / 'frame-000004.pose.txt', np.full((4, 4), np.nan))
    (sequence / 'frame-000006.pose.txt').write_text('-1.#IND ' * 16)
    np.savetxt(sequence / 'frame-000008.pose.txt', 2 * pose(8))
    with pytest.raises(ValueError, match='none of the queries is an image with a valid pose'):
        read_split(recording)
    np.savetxt(sequence / 'frame-000008.pose.txt', pose(8))
    with caplog.at_level(logging.WARNING):
        split = read_split(recording)
    assert (len(split.keyframes), len(split.queries)) == (1, 1)
    (record,) = caplog.records
    assert 'left out 3 frames without a valid pose' in record.getMessage()


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'layout': 'tum'}, "split.yaml: layout: expected '7scenes', got 'tum'"),
        ({'colours': 1}, "split.yaml: unknown key 'colours'"),
        ({'keyframes': {'sequence': 'seq-01', 'start': 0}}, "keyframes: 'stop' is missing"),
        ({'queries': BASIC['queries'] | {'stride': 2}}, "queries: unknown key 'stride'"),
        ({'queries': BASIC['queries'] | {'step': 0}}, 'queries: expected whole numbers'),
        ({'queries': BASIC['queries'] | {'sequence': 'seq-07'}}, 'seq-07: no such sequence'),
        ({'queries': BASIC['queries'] | {'start': 50, 'stop': 90}}, 'none of the queries'),
        ({'camera': {'focal_px': -1}}, 'focal_px: expected a positive number, got -1'),
        ({'camera': {'focal_px': 5, 'principal_point_px': 3}}, r'expected \[u, v\], got 3'),
        ({'colour_poses': 'none.txt'}, 'none.txt: no such file'),
        ({'depth_camera': 585}, 'depth_camera: expected a mapping, got 585'),
    ],
)
def test_wrong_split_file(recording: Path, changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_split(write_split(recording, **changes))


def test_no_yaml(recording: Path) -> None:
    (recording / 'split.yaml').write_text('keyframes: [')
    with pytest.raises(ValueError, match='split.yaml: not YAML: .*') as error:
        read_split(recording)
    assert '\n' not in str(error.value)


def test_wrong_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='nowhere: no such folder'):
        read_split(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='no split.yaml, nor TrainSplit.txt and TestSplit.txt'):
        read_split(tmp_path)
    (tmp_path / 'seq-01').mkdir()
    with pytest.raises(ValueError, match='seq-01: no frame-XXXXXX.color.png'):
        read_split(write_split(tmp_path))
    (tmp_path / 'split.yaml').unlink()
    (tmp_path / 'TestSplit.txt').write_text('sequence1')
    (tmp_path / 'TrainSplit.txt').write_text('first one')
    with pytest.raises(ValueError, match="TrainSplit.txt: expected lines like 'sequence1'"):
        read_split(tmp_path)
