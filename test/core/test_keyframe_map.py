"""The map file: what goes in comes out, and damage is refused in one sentence."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.core.keyframe_map import KeyframeMap, MapError
from relpose_ros.core.vlad import DenseVladConfig, Vocabulary
from scipy.spatial.transform import Rotation

CAMERA = Camera(32, 24, 30.0, 30.0, 16.0, 12.0)
WORDS = 2
SIZE = WORDS * 128


def vocabulary(seed: int = 0) -> Vocabulary:
    centres = np.random.default_rng(seed).uniform(0, 1, (WORDS, 128)).astype(np.float32)
    return Vocabulary(DenseVladConfig(words=WORDS, max_dimensions=0), centres)


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)
    return vector / np.linalg.norm(vector)


def smooth_image(seed: int) -> np.ndarray:
    corners = np.random.default_rng(seed).uniform(0, 255, (2, 2, 3))
    rows, columns = np.linspace(0, 1, 24), np.linspace(0, 1, 32)
    weights_v, weights_u = np.stack([1 - rows, rows]), np.stack([1 - columns, columns])
    return np.einsum('av,bu,abc->vuc', weights_v, weights_u, corners).astype(np.uint8)


def pose(seed: int) -> np.ndarray:
    rotation = Rotation.random(random_state=seed).as_matrix()
    return transform(rotation, np.random.default_rng(seed).normal(size=3))


def add(keyframe_map: KeyframeMap, seed: int, depth_m=None) -> int:
    image = smooth_image(seed)
    return keyframe_map.add(seed * 100, pose(seed), CAMERA, image, unit(seed), depth_m)


@pytest.fixture
def path(tmp_path):
    """Make a map of five keyframes, the third with depth."""
    path = tmp_path / 'room.relmap'
    with KeyframeMap.create(path, vocabulary(), map_frame='floor_2') as keyframe_map:
        for seed in range(5):
            depth_m = np.full((24, 32), 1.234, np.float32) if seed == 2 else None
            add(keyframe_map, seed, depth_m)
    return path


def test_what_goes_in_comes_out(path):
    with KeyframeMap.open(path) as keyframe_map:
        assert len(keyframe_map) == 5
        assert keyframe_map.map_frame == 'floor_2'
        for seed, keyframe_id in enumerate(keyframe_map.ids):
            keyframe = keyframe_map.keyframe(keyframe_id)
            assert keyframe.stamp_ns == seed * 100
            assert keyframe.camera == CAMERA == keyframe_map.camera(keyframe_id)
            np.testing.assert_allclose(keyframe.map_from_camera, pose(seed), atol=1e-12)
            np.testing.assert_array_equal(keyframe_map.pose(keyframe_id), keyframe.map_from_camera)
            difference = keyframe.rgb.astype(int) - smooth_image(seed)
            assert np.abs(difference).mean() < 4  # JPEG, channels in order
            assert (keyframe.depth_m is not None) == (seed == 2)
        np.testing.assert_allclose(keyframe_map.keyframe(3).depth_m, 1.234, atol=5e-4)


def test_nearest_equals_sorting_all_dot_products(path):
    with KeyframeMap.open(path) as keyframe_map:
        query = unit(99)
        expected = np.array(
            [unit(seed).astype(np.float16).astype(np.float32) for seed in range(5)]
        )
        ids, similarity = keyframe_map.nearest(query, 3)
        order = np.argsort(-expected @ query)[:3]
        np.testing.assert_array_equal(ids, order + 1)
        np.testing.assert_allclose(similarity, (expected @ query)[order], rtol=1e-5)
        assert len(keyframe_map.nearest(query, 50)[0]) == 5


def test_removed_keyframes_are_gone_and_their_ids_are_not_used_again(path):
    with KeyframeMap.edit(path) as keyframe_map:
        keyframe_map.nearest(unit(4), 1)
        keyframe_map.remove(5)
        assert 5 not in keyframe_map.nearest(unit(4), 10)[0]
        assert add(keyframe_map, 7) == 6
        assert keyframe_map.nearest(unit(7), 1)[0][0] == 6
        with pytest.raises(MapError, match='has no keyframe 5'):
            keyframe_map.keyframe(5)
        with pytest.raises(MapError, match='has no keyframe 5'):
            keyframe_map.remove(5)
    assert KeyframeMap.open(path).ids == [1, 2, 3, 4, 6]


def test_described_anew_all_keyframes_change_together(path):
    new = vocabulary(1)
    with KeyframeMap.edit(path) as keyframe_map:
        keyframe_map.replace_vocabulary(new, lambda rgb: unit(int(rgb[0, 0, 0])))
    with KeyframeMap.open(path) as keyframe_map:
        assert keyframe_map.vocabulary.identity == new.identity
        first = keyframe_map.keyframe(1).rgb
        assert keyframe_map.nearest(unit(int(first[0, 0, 0])), 1)[1][0] == pytest.approx(
            1, abs=1e-3
        )


def test_describing_anew_that_fails_leaves_the_map_as_it_was(path):
    def fail(rgb):
        raise ValueError('no texture')

    with KeyframeMap.edit(path) as keyframe_map, pytest.raises(ValueError, match='no texture'):
        keyframe_map.replace_vocabulary(vocabulary(1), fail)
    assert KeyframeMap.open(path).vocabulary.identity == vocabulary().identity


def test_an_opened_map_cannot_be_written(path):
    with KeyframeMap.open(path) as keyframe_map, pytest.raises(MapError, match='cannot write'):
        add(keyframe_map, 9)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'map_from_camera': np.zeros((4, 4))}, 'not a rigid transform'),
        ({'rgb': np.zeros((5, 5, 3), np.uint8)}, '5x5'),
        ({'descriptor': np.ones(3)}, r'expected \(256,\)'),
        ({'descriptor': np.zeros(SIZE)}, 'unit norm'),
        ({'depth_m': np.zeros((5, 5))}, r'depth_m: expected \(24, 32\)'),
        ({'camera': Camera(32, 24, 30.0, 30.0, 16.0, 12.0, (0.1,) * 5)}, 'no distortion'),
    ],
)
def test_wrong_keyframes_are_refused_and_nothing_is_written(path, change, words):
    values = {
        'stamp_ns': 1,
        'map_from_camera': np.eye(4),
        'camera': CAMERA,
        'rgb': smooth_image(1),
        'descriptor': unit(1),
    }
    with KeyframeMap.edit(path) as keyframe_map:
        with pytest.raises(ValueError, match=words):
            keyframe_map.add(**{**values, **change})
        assert len(keyframe_map) == 5


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def overwrite_middle(path):
    with path.open('r+b') as file:
        file.seek(4096)
        file.write(b'\xff' * (path.stat().st_size - 4096))


def other_database(path):
    path.unlink()
    sqlite3.connect(path).execute('CREATE TABLE a (b)')


def sql(statement):
    def change(path):
        with sqlite3.connect(path) as connection:
            connection.execute(statement)

    return change


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (lambda path: path.unlink(), 'no such map file'),
        (lambda path: path.write_bytes(b''), 'is no map file'),
        (lambda path: path.write_text('x' * 200), 'is no map file'),
        (cut, 'is truncated'),
        (overwrite_middle, 'is damaged or no map'),
        (other_database, 'but no map'),
        (
            sql("UPDATE manifest SET value = '99' WHERE key = 'schema_version'"),
            'schema version 99, this program reads up to 2; update relpose_ros',
        ),
        (sql("UPDATE manifest SET value = 'sift/1:0' WHERE key = 'descriptor'"), 'build the map'),
        (sql("UPDATE vocabulary SET data = x'00'"), 'vocabulary cannot be read'),
        (sql('DELETE FROM vocabulary'), 'vocabulary cannot be read'),
        (sql('DROP TABLE manifest'), 'is damaged or no map'),
    ],
)
def test_unusable_files_are_refused_in_one_sentence(path, damage, words):
    damage(path)
    for opening in (KeyframeMap.open, KeyframeMap.edit):
        with pytest.raises(MapError, match=words) as caught:
            opening(path)
        assert str(path) in str(caught.value)
        assert '\n' not in str(caught.value)


@pytest.mark.parametrize('value', ["x'00'", "x''"])
@pytest.mark.parametrize('column', ['map_from_camera', 'camera', 'image', 'depth'])
def test_a_damaged_keyframe_is_refused_in_one_sentence(path, column, value):
    sql(f'UPDATE keyframe SET {column} = {value} WHERE id = 3')(path)
    with KeyframeMap.open(path) as keyframe_map:
        keyframe_map.keyframe(2)
        with pytest.raises(MapError, match='of a keyframe cannot be read: the map is damaged'):
            keyframe_map.keyframe(3)


def test_an_existing_file_is_never_overwritten(path):
    before = path.read_bytes()
    with pytest.raises(MapError, match='exists already'):
        KeyframeMap.create(path, vocabulary())
    assert path.read_bytes() == before
    with pytest.raises(MapError, match='cannot create'):
        KeyframeMap.create(path.parent / 'absent' / 'a.relmap', vocabulary())


def test_an_empty_map_says_so(tmp_path):
    with KeyframeMap.create(tmp_path / 'a.relmap', vocabulary()) as keyframe_map:
        assert len(keyframe_map) == 0
        with pytest.raises(MapError, match='has no keyframes'):
            keyframe_map.nearest(unit(0), 3)


WRITER = """
import sys
sys.path.insert(0, {folder!r})
from test_keyframe_map import add, vocabulary
from relpose_ros.core.keyframe_map import KeyframeMap
with KeyframeMap.create({path!r}, vocabulary()) as keyframe_map:
    for seed in range(100000):
        add(keyframe_map, seed)
        print(seed + 1, flush=True)
"""


def test_a_killed_writer_loses_at_most_the_keyframe_in_hand(tmp_path):
    path = tmp_path / 'killed.relmap'
    code = textwrap.dedent(WRITER).format(folder=os.path.dirname(__file__), path=str(path))
    with subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True
    ) as writer:
        for line in writer.stdout:
            if int(line) == 20:
                break
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
        reported = 20 + len(writer.stdout.readlines())
    with KeyframeMap.open(path) as keyframe_map:
        assert len(keyframe_map) >= reported - 1
        assert keyframe_map.ids == list(range(1, len(keyframe_map) + 1))
        for keyframe_id in keyframe_map.ids:
            keyframe_map.keyframe(keyframe_id)
    with KeyframeMap.edit(path) as keyframe_map:
        add(keyframe_map, 1)


def test_a_transaction_cut_short_is_rolled_back_on_opening(path):
    """What kill -9 leaves in the middle of a write: half-written pages and a journal."""
    code = f"""
import os, signal, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute('PRAGMA cache_size = 1')  # pages go to the file before the commit
connection.execute('BEGIN')
connection.execute('UPDATE keyframe SET stamp_ns = -1, image = zeroblob(100000)')
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, '-c', code])
    assert path.with_name(path.name + '-journal').exists()
    with KeyframeMap.open(path) as keyframe_map:
        assert [keyframe_map.keyframe(i).stamp_ns for i in keyframe_map.ids] == [
            0,
            100,
            200,
            300,
            400,
        ]
