"""Maps whose keyframes get depth from each other."""

from contextlib import closing
import shutil
import sqlite3

import numpy as np
import pytest
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.geometry import inverse, position_error_m, transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_depth import NEAREST, neighbours, triangulate_map
from relpose_ros.core.map_file import MapError
from scipy.spatial.transform import Rotation


@pytest.fixture
def colour_map(tmp_path, wall_map):
    """Return a map of the wall without depth."""
    path = tmp_path / 'colour.relmap'
    shutil.copy(wall_map, path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('UPDATE keyframe SET depth = NULL')
    return path


def test_keyframes_without_depth_get_it(colour_map, wall_map):
    counts = []
    assert triangulate_map(colour_map, progress=lambda *count: counts.append(count)) == 5
    assert counts == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    with KeyframeMap.open(colour_map) as found, KeyframeMap.open(wall_map) as true:
        for each in found.ids:
            depth_m, true_m = found.keyframe(each).depth_m, true.keyframe(each).depth_m
            known = depth_m > 0
            assert known.mean() > 0.03
            assert np.median(np.abs(depth_m[known] / true_m[known] - 1)) < 0.03
    assert triangulate_map(colour_map) == 0


def test_what_a_depth_camera_saw_stays(tmp_path, wall_map):
    path = tmp_path / 'half.relmap'
    shutil.copy(wall_map, path)
    with KeyframeMap.edit(path) as keyframe_map:
        seen_m = keyframe_map.keyframe(3).depth_m
        seen_m[:, 160:] = 0
        keyframe_map.set_depth(3, seen_m)
    assert triangulate_map(path) == 1  # the others have all depth there is
    with KeyframeMap.open(path) as found, KeyframeMap.open(wall_map) as true:
        depth_m, true_m = found.keyframe(3).depth_m, true.keyframe(3).depth_m
    np.testing.assert_array_equal(depth_m[:, :160], true_m[:, :160])
    filled = depth_m[:, 160:] > 0
    assert filled.mean() > 0.1
    assert np.median(np.abs(depth_m[:, 160:] / true_m[:, 160:] - 1)[filled]) < 0.03


def test_what_is_done_is_kept(colour_map):
    def interrupted(done, todo):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        triangulate_map(colour_map, progress=interrupted)
    with KeyframeMap.open(colour_map) as keyframe_map:
        assert keyframe_map.depth_count == 2
    assert triangulate_map(colour_map) == 3


def test_one_keyframe_with_such_depth_gives_a_position(colour_map, photograph):
    triangulate_map(colour_map)
    estimator = load_estimator('geometric')
    query = photograph(0.2, 0.05, 3.0)
    with KeyframeMap.open(colour_map) as keyframe_map:
        keyframe = keyframe_map.keyframe(3)
    (found,) = estimator.estimate(
        estimator.features(query.rgb, query.camera, None),
        [estimator.features(keyframe.rgb, keyframe.camera, keyframe.depth_m)],
    )
    assert found.metric
    true = inverse(keyframe.map_from_camera) @ query.map_from_camera
    assert position_error_m(found.keyframe_from_query, true) < 0.03


def test_neighbours_are_the_nearest_that_look_the_same_way():
    def looking(x_m, yaw_deg=0.0):
        rotation = Rotation.from_euler('y', yaw_deg, degrees=True).as_matrix()
        return transform(rotation, [x_m, 0, 0])

    poses = {1: looking(0), 2: looking(0.2, 90), 3: looking(0.4, 20), 4: looking(-0.3)}
    assert neighbours(1, poses) == [4, 3]
    many = {i: looking(0.1 * i) for i in range(20)}
    assert neighbours(0, many) == list(range(1, NEAREST + 1))
    assert neighbours(1, {1: looking(0)}) == []
    turned = {i: looking(0, i) for i in range(1, 10)}
    assert neighbours(1, turned | {20: looking(0.1), 21: looking(-0.2)}) == [20, 21]


def test_a_map_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(MapError, match='no such map file'):
        triangulate_map(tmp_path / 'absent.relmap')
