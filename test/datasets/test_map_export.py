"""Maps written for other programs: read back, and checked number by number."""

import os
import shutil
import sqlite3

import cv2
import numpy as np
import pytest
from relpose_ros.core.geometry import transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_editing import edit_map
from relpose_ros.datasets import colmap, map_export, tum
from relpose_ros.datasets.map_export import export_map
from scipy.spatial.transform import Rotation

TURN = transform(Rotation.from_euler('zyx', (1.9, 0.4, -0.8)).as_matrix(), np.array([3.0, -5, 2]))
OTHER_CAMERA = "UPDATE keyframe SET camera = replace(camera, '280.0', '281.0') WHERE id = 2"
STAMPS_NS = (1341836537855421001, 999999999, 1341836538000000002, 7000000000, 1700000000123456789)


@pytest.fixture(scope='module')
def turned(tmp_path_factory, wall_map):
    """Make a map with poses of all kinds and stamps out of order; one keyframe has no depth."""
    path = tmp_path_factory.mktemp('turned') / 'a.relmap'
    edit_map(path, wall_map, new_from_map=TURN)
    with sqlite3.connect(path) as connection:
        for i, stamp_ns in enumerate(STAMPS_NS, start=1):
            connection.execute('UPDATE keyframe SET stamp_ns = ? WHERE id = ?', (stamp_ns, i))
        connection.execute('UPDATE keyframe SET depth = NULL WHERE id = 4')
    return path


def exported(folder, path, layout):
    with KeyframeMap.open(path) as keyframe_map:
        export_map(folder, keyframe_map, layout)
        return [keyframe_map.keyframe(i) for i in keyframe_map.ids]


def test_a_colmap_model_is_read_back(tmp_path, turned):
    keyframes = exported(tmp_path / 'a', turned, 'colmap')
    images = colmap.read_images(tmp_path / 'a')
    assert [image.name for image in images] == [f'00000{i}.jpg' for i in range(1, 6)]
    for image, keyframe in zip(images, keyframes, strict=True):
        assert image.camera == keyframe.camera
        np.testing.assert_allclose(image.map_from_camera, keyframe.map_from_camera, atol=1e-12)
        np.testing.assert_array_equal(image.rgb, keyframe.rgb)


def test_a_colmap_model_projects_as_colmap_does(tmp_path, turned):
    """World to camera, w first, the first pixel's centre at (0.5, 0.5): with no reader's help."""
    keyframes = exported(tmp_path / 'a', turned, 'colmap')
    model = tmp_path / 'a' / 'sparse' / '0'
    lines = [line for line in (model / 'images.txt').read_text().split('\n') if line[:1] != '#']
    camera_line = (model / 'cameras.txt').read_text().splitlines()[1].split()
    assert camera_line[:4] == ['1', 'PINHOLE', '320', '240']
    fx, fy, cx, cy = map(float, camera_line[4:])
    assert len(lines) == 11 and not any(lines[1::2])  # a line of no points after each image
    for keyframe, line in zip(keyframes, lines[::2], strict=False):
        keyframe_id, w, x, y, z, *t, camera_id, name = line.split()
        assert (int(keyframe_id), camera_id) == (keyframe.id, '1')
        assert (tmp_path / 'a' / 'images' / name).is_file()
        rotation = Rotation.from_quat([float(each) for each in (x, y, z, w)]).as_matrix()
        point_camera = np.array([0.1, -0.2, 1.5])
        point_map = keyframe.map_from_camera[:3, :3] @ point_camera
        point_map += keyframe.map_from_camera[:3, 3]
        p = rotation @ point_map + np.array(t, float)
        u, v = fx * p[0] / p[2] + cx, fy * p[1] / p[2] + cy
        expected = keyframe.camera.project(point_camera) + 0.5
        np.testing.assert_allclose((u, v), expected, atol=1e-9)
    points = (model / 'points3D.txt').read_text().splitlines()
    assert all(line.startswith('#') for line in points)


def test_a_tum_recording_is_read_back(tmp_path, turned, monkeypatch):
    keyframes = exported(tmp_path / 'a', turned, 'tum')
    camera = keyframes[0].camera
    # The layout has no intrinsics: its reader knows the owner's cameras only.
    monkeypatch.setattr(tum, '_camera', lambda *_: camera)
    images = tum.read_images(tmp_path / 'a')
    by_time = sorted(keyframes, key=lambda keyframe: keyframe.stamp_ns)
    assert [image.stamp_ns for image in images] == sorted(STAMPS_NS)
    for image, keyframe in zip(images, by_time, strict=True):
        np.testing.assert_allclose(image.map_from_camera, keyframe.map_from_camera, atol=1e-12)
        np.testing.assert_array_equal(image.rgb, keyframe.rgb)
        assert (image.depth_m is None) == (keyframe.depth_m is None)
        if keyframe.depth_m is not None:
            np.testing.assert_allclose(image.depth_m, keyframe.depth_m, atol=1e-4)
    calibration = (tmp_path / 'a' / 'calibration.txt').read_text().splitlines()[1]
    assert calibration == '280.0 280.0 160.0 120.0 320 240'


def test_lines_of_a_tum_trajectory(tmp_path, turned):
    keyframes = exported(tmp_path / 'a', turned, 'tum')
    rows = (tmp_path / 'a' / 'groundtruth.txt').read_text().splitlines()[1:]
    assert [row.split()[0] for row in rows] == [
        '0.999999999',
        '7.000000000',
        '1341836537.855421001',
        '1341836538.000000002',
        '1700000000.123456789',
    ]
    tx, ty, tz, *quat_xyzw = map(float, rows[0].split()[1:])
    np.testing.assert_allclose((tx, ty, tz), keyframes[1].map_from_camera[:3, 3])
    np.testing.assert_allclose(
        Rotation.from_quat(quat_xyzw).as_matrix(), keyframes[1].map_from_camera[:3, :3]
    )


def test_depth_beyond_tums_counts_is_unknown():
    png = map_export._depth_png(np.array([[0.0, 1.0, 13.1, 13.2]], np.float32))
    counts = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert counts.tolist() == [[0, 5000, 65500, 0]]


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ('UPDATE keyframe SET stamp_ns = 5', 'share a stamp'),
        (
            "UPDATE keyframe SET camera = replace(camera, '280.0', '281.0') WHERE id = 2",
            '2 cameras',
        ),
        ('DELETE FROM keyframe', 'has no keyframes'),
    ],
)
def test_what_tum_has_no_room_for(tmp_path, wall_map, change, words):
    path = shutil.copy(wall_map, tmp_path / 'a.relmap')
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    with pytest.raises(ValueError, match=words):
        exported(tmp_path / 'a', path, 'tum')
    assert os.listdir(tmp_path) == ['a.relmap']


def test_cameras_of_a_colmap_model(tmp_path, wall_map):
    path = shutil.copy(wall_map, tmp_path / 'a.relmap')
    with sqlite3.connect(path) as connection:
        connection.execute(OTHER_CAMERA)
    keyframes = exported(tmp_path / 'a', path, 'colmap')
    cameras = [image.camera for image in colmap.read_images(tmp_path / 'a')]
    assert cameras == [keyframe.camera for keyframe in keyframes]
    assert len(set(cameras)) == 2


def test_a_folder_is_never_written_over_and_never_left_half(tmp_path, wall_map):
    (tmp_path / 'there').mkdir()
    with pytest.raises(ValueError, match='exists already'):
        exported(tmp_path / 'there', wall_map, 'colmap')
    with pytest.raises(ValueError, match='there is no folder to put it in'):
        exported(tmp_path / 'absent' / 'a', wall_map, 'colmap')
    path = shutil.copy(wall_map, tmp_path / 'a.relmap')
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE keyframe SET map_from_camera = x'00' WHERE id = 4")
    with pytest.raises(ValueError, match='pose of a keyframe cannot be read'):
        exported(tmp_path / 'a', path, 'colmap')
    assert sorted(os.listdir(tmp_path)) == ['a.relmap', 'there']
