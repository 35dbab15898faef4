"""Maps are built of photographs of the wall; what can go wrong leaves a usable file."""

from dataclasses import replace
from pathlib import Path
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from relpose_ros.core.keyframe_map import KeyframeMap, MapError
from relpose_ros.core.map_builder import build_map, finish_map, learn_from_keyframes
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vlad import DenseVlad

POSITIONS_M = (-1.2, -0.6, 0.0, 0.6, 1.2)  # of the map's five keyframes, see conftest


@pytest.fixture(scope='module')
def vocabulary(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        return keyframe_map.vocabulary


def posed(view, name: str = 'a', stamp_ns: int = 0, **changes) -> PosedImage:
    fields = {
        'rgb': view.rgb,
        'camera': view.camera,
        'map_from_camera': view.map_from_camera,
        'depth_m': view.depth_m,
    }
    return PosedImage(name, stamp_ns, **fields | changes)


def test_one_keyframe_per_image_in_order(tmp_path, vocabulary, photograph):
    views = [photograph(0.4), photograph(-0.4, 0.2, 10)]
    images = [posed(views[0], 'a', 7), posed(views[1], 'b', 5, depth_m=None)]
    built = build_map(tmp_path / 'a.relmap', iter(images), vocabulary, map_frame='hall')
    assert (built.keyframes, built.without_texture) == (2, ())
    describer = DenseVlad(vocabulary)
    with KeyframeMap.open(tmp_path / 'a.relmap') as keyframe_map:
        assert keyframe_map.map_frame == 'hall'
        assert keyframe_map.vocabulary.identity == vocabulary.identity
        for keyframe_id, image, view in zip(keyframe_map.ids, images, views, strict=True):
            keyframe = keyframe_map.keyframe(keyframe_id)
            assert keyframe.stamp_ns == image.stamp_ns
            assert keyframe.camera == view.camera
            np.testing.assert_allclose(keyframe.map_from_camera, view.map_from_camera, atol=1e-12)
            assert np.abs(keyframe.rgb.astype(int) - view.rgb).mean() < 4  # JPEG
            ids, similarity = keyframe_map.nearest(describer.describe(view.rgb), 1)
            assert ids[0] == keyframe_id
            assert similarity[0] == pytest.approx(1, abs=2e-3)
        np.testing.assert_allclose(keyframe_map.keyframe(1).depth_m, views[0].depth_m, atol=1e-3)
        assert keyframe_map.keyframe(2).depth_m is None


def test_lens_distortion_is_taken_out_of_image_and_depth(tmp_path, vocabulary, photograph):
    """A pinhole picture is given the distortion of a lens by the inverse of its model."""
    view = photograph(0.2, yaw_deg=25)  # depth differs from column to column
    camera = replace(view.camera, distortion=(-0.25, 0.05, 0.0, 0.0, 0.0))
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float32)
    pixels = np.stack((u, v), axis=-1).reshape(-1, 1, 2)
    straight = cv2.undistortPoints(pixels, camera.K, np.array(camera.distortion), P=camera.K)
    straight = straight.reshape(camera.height, camera.width, 2)
    bent = cv2.remap(view.rgb, straight, None, cv2.INTER_LINEAR)
    bent_depth_m = cv2.remap(view.depth_m, straight, None, cv2.INTER_LINEAR)
    image = posed(view, rgb=bent, camera=camera, depth_m=bent_depth_m)
    build_map(tmp_path / 'a.relmap', [image], vocabulary)
    with KeyframeMap.open(tmp_path / 'a.relmap') as keyframe_map:
        keyframe = keyframe_map.keyframe(1)
    assert keyframe.camera == view.camera
    inside = np.s_[30:-30, 30:-30]
    assert np.abs(bent[inside].astype(int) - view.rgb[inside]).mean() > 15
    assert np.abs(keyframe.rgb[inside].astype(int) - view.rgb[inside]).mean() < 6
    assert np.abs(bent_depth_m[inside] - view.depth_m[inside]).max() > 0.015
    np.testing.assert_allclose(keyframe.depth_m[inside], view.depth_m[inside], atol=0.008)


def test_an_image_without_texture_is_left_out_and_named(tmp_path, vocabulary, photograph):
    view = photograph(0.0)
    grey = np.full_like(view.rgb, 90)
    images = [posed(view, 'a', 1), posed(view, 'lens cap', 2, rgb=grey), posed(view, 'c', 3)]
    built = build_map(tmp_path / 'a.relmap', images, vocabulary)
    assert (built.keyframes, built.without_texture) == (2, ('lens cap',))
    with KeyframeMap.open(tmp_path / 'a.relmap') as keyframe_map:
        assert [keyframe_map.stamp_ns(i) for i in keyframe_map.ids] == [1, 3]


def test_images_of_no_use_make_no_map(tmp_path, vocabulary, photograph):
    view = photograph(0.0)
    grey = posed(view, rgb=np.full_like(view.rgb, 90))
    for name, images in (('grey', [grey, grey]), ('none', [])):
        path = tmp_path / f'{name}.relmap'
        with pytest.raises(MapError, match=f'{name}.relmap: has no keyframes'):
            build_map(path, images, vocabulary)


def test_an_existing_file_is_refused_and_kept(tmp_path, vocabulary, photograph):
    path = tmp_path / 'precious.relmap'
    path.write_text('precious')
    with pytest.raises(MapError, match='precious.relmap: exists already'):
        build_map(path, [posed(photograph(0.0))], vocabulary)
    assert path.read_text() == 'precious'


def test_an_unfinished_map_is_gone_on_with(tmp_path, vocabulary, photograph):
    path = tmp_path / 'a.relmap'
    images = [posed(photograph(0.1 * i), str(i), stamp_ns=i) for i in range(4)]
    read = []

    def interrupted():
        yield from images[:2]
        raise KeyboardInterrupt

    def recorded():
        for image in images:
            read.append(image.name)
            yield image

    with pytest.raises(KeyboardInterrupt):
        build_map(path, interrupted(), vocabulary, recipe='bag a')
    with pytest.raises(MapError, match='was begun with other arguments.*bag a'):
        build_map(path, images, vocabulary, recipe='bag b')
    with pytest.raises(MapError, match='exists already'):
        build_map(path, images, vocabulary)
    assert build_map(path, recorded(), vocabulary, recipe='bag a').keyframes == 4
    with KeyframeMap.open(path) as keyframe_map:
        assert [keyframe_map.stamp_ns(i) for i in keyframe_map.ids] == [0, 1, 2, 3]
    finish_map(path)
    with pytest.raises(MapError, match='exists already'):
        build_map(path, images, vocabulary, recipe='bag a')


@pytest.mark.parametrize('words', [False, True])
def test_learning_changes_descriptors_and_nothing_else(
    tmp_path, wall_map, vocabulary, photograph, words
):
    path = shutil.copy(wall_map, tmp_path / 'wall.relmap')
    counts = []
    learn_from_keyframes(path, words, progress=lambda done, todo: counts.append((done, todo)))
    assert counts[-1][0] == counts[-1][1] > 0
    assert [done for done, _ in counts] == list(range(1, len(counts) + 1))
    with KeyframeMap.open(wall_map) as before, KeyframeMap.open(path) as after:
        learned = after.vocabulary
        assert learned.identity != vocabulary.identity
        assert after.manifest['descriptor'] == learned.identity
        assert vocabulary.projection is None and learned.projection is not None
        assert np.array_equal(learned.centres, vocabulary.centres) == (not words)
        assert after.ids == before.ids
        for keyframe_id in after.ids:
            old, new = before.keyframe(keyframe_id), after.keyframe(keyframe_id)
            np.testing.assert_array_equal(new.map_from_camera, old.map_from_camera)
            np.testing.assert_array_equal(new.depth_m, old.depth_m)
            np.testing.assert_array_equal(new.rgb, old.rgb)
        describer = DenseVlad(learned)
        for keyframe_id, x_m in zip(after.ids, POSITIONS_M, strict=True):
            view = photograph(x_m + 0.07, 0.03, 2)
            assert after.nearest(describer.describe(view.rgb), 1)[0][0] == keyframe_id


def test_nothing_can_be_learned_from_an_empty_map(tmp_path, vocabulary):
    path = tmp_path / 'empty.relmap'
    KeyframeMap.create(path, vocabulary).close()
    with pytest.raises(MapError, match='has no keyframes'):
        learn_from_keyframes(path)
    with pytest.raises(MapError, match='no such map file'):
        learn_from_keyframes(tmp_path / 'absent.relmap')


BUILDER = """
import sys
from itertools import count
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import look_at_wall, view_of_wall
from relpose_ros.core.map_builder import build_map
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vocabulary import Vocabulary

def images():
    view = view_of_wall(look_at_wall(0.3))
    for i in count():
        print(i, flush=True)  # asked for the image i: those before it are in the map
        yield PosedImage(str(i), i, view.rgb, view.camera, view.map_from_camera, view.depth_m)

build_map(Path(sys.argv[2]), images(), Vocabulary.from_bytes(Path(sys.argv[3]).read_bytes()))
"""


FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import look_at_wall, view_of_wall
from relpose_ros.core.keyframe_map import MapError
from relpose_ros.core.map_builder import build_map
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vocabulary import Vocabulary

def images():
    for i in range(100):
        view = view_of_wall(look_at_wall(0.01 * i))
        yield PosedImage(str(i), i, view.rgb, view.camera, view.map_from_camera, view.depth_m)

vocabulary = Vocabulary.from_bytes(Path(sys.argv[3]).read_bytes())
limit = len(vocabulary.to_bytes()) + 400_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    build_map(Path(sys.argv[2]), images(), vocabulary, recipe='all')
except MapError as error:
    print(error)
"""


def test_a_full_disk_leaves_a_readable_map_that_can_be_gone_on_with(
    tmp_path, vocabulary, photograph
):
    path, saved = tmp_path / 'full.relmap', tmp_path / 'vocabulary'
    saved.write_bytes(vocabulary.to_bytes())
    command = [sys.executable, '-c', FULL_DISK, str(Path(__file__).parents[1]), path, saved]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.startswith(f'{path}: cannot write: ') and output.count('\n') == 1
    with KeyframeMap.open(path) as keyframe_map:
        added = len(keyframe_map)
        assert 0 < added < 100
        for keyframe_id in keyframe_map.ids:
            assert keyframe_map.keyframe(keyframe_id).rgb.shape == (240, 320, 3)
    more = [posed(photograph(0.5), stamp_ns=1000)]
    assert build_map(path, more, vocabulary, recipe='all').keyframes == added + 1


def test_kill_9_in_the_middle_leaves_what_was_added(tmp_path, vocabulary, photograph):
    path, saved = tmp_path / 'killed.relmap', tmp_path / 'vocabulary'
    saved.write_bytes(vocabulary.to_bytes())
    command = [sys.executable, '-c', BUILDER, str(Path(__file__).parents[1]), path, saved]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as builder:
        for line in builder.stdout:
            if int(line) == 8:
                break
        builder.send_signal(signal.SIGKILL)
        added = 8 + len(builder.stdout.readlines())
    assert builder.returncode == -signal.SIGKILL
    expected = photograph(0.3)
    with KeyframeMap.open(path) as keyframe_map:
        # The keyframe in hand may be in, too, if its transaction had just ended.
        assert added <= len(keyframe_map) <= added + 1
        for stamp_ns, keyframe_id in enumerate(keyframe_map.ids):
            keyframe = keyframe_map.keyframe(keyframe_id)
            assert keyframe.stamp_ns == stamp_ns
            np.testing.assert_array_equal(keyframe.map_from_camera, expected.map_from_camera)
            np.testing.assert_allclose(keyframe.depth_m, expected.depth_m, atol=1e-3)
        descriptor = DenseVlad(keyframe_map.vocabulary).describe(expected.rgb)
        assert keyframe_map.nearest(descriptor, 1)[1][0] == pytest.approx(1, abs=2e-3)
    learn_from_keyframes(path)
