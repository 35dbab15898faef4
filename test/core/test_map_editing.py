"""Maps made of maps: what is copied, what changes, and that a file is replaced whole or not."""

import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from relpose_ros.core.geometry import transform
from relpose_ros.core.keyframe_map import KeyframeMap, MapError
from relpose_ros.core.map_editing import edit_map, merge_maps
from relpose_ros.core.vlad import DenseVladConfig, Vocabulary
from scipy.spatial.transform import Rotation

NEW_FROM_MAP = transform(Rotation.from_euler('z', 0.7).as_matrix(), np.array([1.0, -2.0, 0.5]))


def rows(path, columns: str) -> list[tuple]:
    with sqlite3.connect(path) as connection:
        return connection.execute(f'SELECT {columns} FROM keyframe ORDER BY id').fetchall()


def poses(path) -> np.ndarray:
    with KeyframeMap.open(path) as keyframe_map:
        return np.array([keyframe_map.pose(i) for i in keyframe_map.ids])


@pytest.fixture
def second(tmp_path, wall_map, photograph):
    """Make a map with the wall map's vocabulary: ids 1 and 3, the second without depth."""
    path = tmp_path / 'second.relmap'
    with KeyframeMap.open(wall_map) as first:
        vocabulary = first.vocabulary
    vector = np.full(vocabulary.dimensions, vocabulary.dimensions**-0.5)
    with KeyframeMap.create(path, vocabulary, 'hall') as keyframe_map:
        for x_m in (-0.3, 0.0, 0.3):
            view = photograph(x_m)
            keyframe_map.add(7, view.map_from_camera, view.camera, view.rgb, vector)
        keyframe_map.remove(2)
    return path


def test_dropped_keyframes_are_gone_and_all_else_is_the_same(tmp_path, wall_map):
    path = tmp_path / 'new.relmap'
    edit_map(path, wall_map, frozenset({2, 5}))
    kept = [row for row in rows(wall_map, '*') if row[0] not in (2, 5)]
    assert rows(path, '*') == kept
    with KeyframeMap.open(path) as keyframe_map, KeyframeMap.open(wall_map) as old:
        assert keyframe_map.map_frame == old.map_frame
        assert keyframe_map.vocabulary.identity == old.vocabulary.identity
        nearest, _ = keyframe_map.nearest(np.ones(keyframe_map.vocabulary.dimensions), 9)
        assert sorted(nearest) == [1, 3, 4]


def test_ids_of_dropped_keyframes_are_not_used_again(tmp_path, wall_map, photograph):
    path = tmp_path / 'new.relmap'
    edit_map(path, wall_map, frozenset({5}))
    view = photograph(0)
    with KeyframeMap.edit(path) as keyframe_map:
        size = keyframe_map.vocabulary.dimensions
        vector = np.full(size, size**-0.5)
        assert keyframe_map.add(0, view.map_from_camera, view.camera, view.rgb, vector) == 6


def test_a_new_frame_moves_every_pose(tmp_path, wall_map):
    path = tmp_path / 'new.relmap'
    edit_map(path, wall_map, map_frame='floor_2', new_from_map=NEW_FROM_MAP)
    np.testing.assert_allclose(poses(path), NEW_FROM_MAP @ poses(wall_map), atol=1e-12)
    others = 'id, stamp_ns, camera, image, depth, descriptor'
    assert rows(path, others) == rows(wall_map, others)
    assert KeyframeMap.open(path).map_frame == 'floor_2'


def test_two_maps_in_the_frame_of_the_first(tmp_path, wall_map, second):
    path = tmp_path / 'both.relmap'
    assert merge_maps(path, wall_map, second, NEW_FROM_MAP) == 5
    with KeyframeMap.open(path) as both:
        assert both.ids == [1, 2, 3, 4, 5, 6, 8]
        assert both.map_frame == 'map'
        assert both.depth_count == 5
    expected = np.concatenate((poses(wall_map), NEW_FROM_MAP @ poses(second)))
    np.testing.assert_allclose(poses(path), expected, atol=1e-12)
    others = 'stamp_ns, camera, image, depth, descriptor'
    assert rows(path, others) == rows(wall_map, others) + rows(second, others)


def test_ids_of_the_second_follow_the_last_that_the_first_ever_gave(tmp_path, wall_map, second):
    assert merge_maps(tmp_path / 'both.relmap', second, wall_map, NEW_FROM_MAP) == 3
    with KeyframeMap.edit(second) as keyframe_map:
        keyframe_map.remove(3)
    assert merge_maps(tmp_path / 'again.relmap', second, wall_map, NEW_FROM_MAP) == 3
    assert KeyframeMap.open(tmp_path / 'again.relmap').ids == [1, 4, 5, 6, 7, 8]


def test_maps_in_different_frames_need_a_transform(tmp_path, wall_map, second):
    with pytest.raises(MapError, match="'hall', .* in 'map'; say how"):
        merge_maps(tmp_path / 'both.relmap', wall_map, second)
    assert not (tmp_path / 'both.relmap').exists()


def test_other_descriptors_are_refused_or_described_anew(tmp_path, wall_map, photograph):
    centres = np.random.default_rng(0).uniform(0, 1, (2, 128))
    other = Vocabulary(DenseVladConfig(words=2, max_dimensions=0), centres)
    second, path = tmp_path / 'second.relmap', tmp_path / 'both.relmap'
    view = photograph(0.2)
    with KeyframeMap.create(second, other) as keyframe_map:
        keyframe_map.add(0, view.map_from_camera, view.camera, view.rgb, np.full(256, 1 / 16))
    with pytest.raises(MapError, match='described by .*--describe-anew'):
        merge_maps(path, wall_map, second)
    assert not path.exists()

    def describe(unfinished):
        with KeyframeMap.edit(unfinished) as both:
            both.replace_vocabulary(other, lambda rgb: np.full(256, 1 / 16))

    merge_maps(path, wall_map, second, describe=describe)
    with KeyframeMap.open(path) as both:
        assert both.vocabulary.identity == other.identity
        assert len(both.nearest(np.ones(256), 9)[0]) == 6


@pytest.mark.parametrize(
    ('drop', 'words'),
    [({4, 9}, 'has no keyframe 9'), ({1, 2, 3, 4, 5}, 'nothing would be left')],
)
def test_what_cannot_be_dropped(tmp_path, wall_map, drop, words):
    with pytest.raises(MapError, match=words):
        edit_map(tmp_path / 'new.relmap', wall_map, frozenset(drop))
    assert os.listdir(tmp_path) == []


def test_an_unfinished_map_is_finished_first(tmp_path, wall_map):
    path, new = tmp_path / 'a.relmap', tmp_path / 'b.relmap'
    path.write_bytes(wall_map.read_bytes())
    with KeyframeMap.edit(path) as keyframe_map:
        keyframe_map.note('unfinished', 'build-map a.relmap bag')
    for write in (
        lambda: edit_map(new, path, frozenset({1})),
        lambda: merge_maps(new, wall_map, path),
        lambda: merge_maps(new, path, wall_map),
    ):
        with pytest.raises(MapError, match='is not finished; go on with build-map'):
            write()
    assert os.listdir(tmp_path) == ['a.relmap']


def test_a_file_is_only_replaced_if_that_is_said(tmp_path, wall_map):
    path = tmp_path / 'a.relmap'
    path.write_bytes(wall_map.read_bytes())
    with pytest.raises(MapError, match='exists already'):
        edit_map(path, path, frozenset({1}))
    assert path.read_bytes() == wall_map.read_bytes()
    edit_map(path, path, frozenset({1}), overwrite=True)
    assert KeyframeMap.open(path).ids == [2, 3, 4, 5]
    assert os.listdir(tmp_path) == ['a.relmap']


def test_what_is_no_map_is_not_replaced(tmp_path, wall_map):
    path = tmp_path / 'letter.txt'
    path.write_text('dear reader')
    with pytest.raises(MapError, match='is no map file'):
        edit_map(path, wall_map, frozenset({1}), overwrite=True)
    assert path.read_text() == 'dear reader'
    with pytest.raises(MapError, match='there is no such folder'):
        edit_map(tmp_path / 'absent' / 'a.relmap', wall_map, frozenset({1}))


def test_a_failure_on_the_way_leaves_the_old_file(tmp_path, wall_map):
    path, damaged = tmp_path / 'a.relmap', tmp_path / 'damaged.relmap'
    for each in (path, damaged):
        each.write_bytes(wall_map.read_bytes())
    with sqlite3.connect(damaged) as connection:
        connection.execute("UPDATE keyframe SET map_from_camera = x'00' WHERE id = 4")
    with pytest.raises(MapError, match='pose of a keyframe cannot be read'):
        edit_map(path, damaged, new_from_map=NEW_FROM_MAP, overwrite=True)
    assert path.read_bytes() == wall_map.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ['a.relmap', 'damaged.relmap']


KILLED = """
import os, signal, sys
from pathlib import Path
from relpose_ros.core.map_editing import merge_maps
path = Path(sys.argv[1])
merge_maps(path, path, Path(sys.argv[2]), overwrite=True,
           describe=lambda unfinished: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_merge_leaves_the_old_file(tmp_path, wall_map):
    path = tmp_path / 'a.relmap'
    path.write_bytes(wall_map.read_bytes())
    killed = subprocess.run([sys.executable, '-c', KILLED, path, wall_map])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == wall_map.read_bytes()
    merge_maps(path, path, wall_map, overwrite=True)  # what the killed one left is in nobody's way
    assert len(KeyframeMap.open(path)) == 10


def test_a_journal_of_the_replaced_file_does_not_reach_the_new_one(tmp_path, wall_map):
    path = tmp_path / 'a.relmap'
    path.write_bytes(wall_map.read_bytes())
    code = f"""
import os, signal, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute('PRAGMA cache_size = 1')  # pages go to the file before the commit
connection.execute('BEGIN')
connection.execute('UPDATE keyframe SET stamp_ns = -1, image = zeroblob(100000)')
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, '-c', code])
    assert path.with_name('a.relmap-journal').exists()
    edit_map(path, wall_map, frozenset({1}), overwrite=True)
    assert os.listdir(tmp_path) == ['a.relmap']
    assert rows(path, '*') == rows(wall_map, '*')[1:]
