"""A live map takes what it should, keeps it, and is gone on with."""

from dataclasses import replace

import numpy as np
import pytest
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.keyframe_selection import LeftOut, SelectionConfig
from relpose_ros.core.live_map import LiveMap
from relpose_ros.core.map_file import MapError
from relpose_ros.core.posed_image import PosedImage


@pytest.fixture
def vocabulary(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        return keyframe_map.vocabulary


@pytest.fixture
def live(tmp_path, vocabulary):
    live = LiveMap(tmp_path / 'a.relmap', vocabulary, 'map', SelectionConfig())
    yield live
    live.close()


def posed(view, stamp_ns: int, rgb: np.ndarray | None = None) -> PosedImage:
    rgb = view.rgb if rgb is None else rgb
    return PosedImage('a', stamp_ns, rgb, view.camera, view.map_from_camera, view.depth_m)


def test_takes_images_that_stand_apart(live, photograph):
    assert live.offer(posed(photograph(0.0), 1)) == 1
    assert live.offer(posed(photograph(0.1), 2)) == LeftOut.NOT_MOVED
    assert live.offer(posed(photograph(0.1), 3), any_motion=True) == 2
    assert live.offer(posed(photograph(0.1), 3), any_motion=True) == 2
    assert live.offer(posed(photograph(0.25), 4)) == LeftOut.NOT_MOVED
    assert len(live) == 2
    with KeyframeMap.open(live.path) as keyframe_map:
        assert [keyframe_map.stamp_ns(i) for i in keyframe_map.ids] == [1, 3]


def test_an_image_without_texture_does_not_hold_back_the_next(live, photograph):
    grey = np.full_like(photograph(0.0).rgb, 90)
    assert live.offer(posed(photograph(0.0), 1, grey)) == LeftOut.NO_TEXTURE
    assert live.offer(posed(photograph(0.1), 2)) == 1


def test_goes_on_with_a_map_that_is_there(live, vocabulary, photograph):
    live.offer(posed(photograph(0.0), 1))
    live.close()
    again = LiveMap(live.path, vocabulary, 'map', SelectionConfig())
    assert again.offer(posed(photograph(0.1), 2)) == LeftOut.NOT_MOVED
    assert again.offer(posed(photograph(0.3), 3)) == 2
    assert len(again) == 2
    again.close()
    with pytest.raises(MapError, match="a.relmap: is in frame 'map', not 'hall'"):
        LiveMap(live.path, vocabulary, 'hall', SelectionConfig())


def test_learning_and_going_on(live, vocabulary, photograph):
    with pytest.raises(MapError, match='has no keyframes'):
        live.learn()
    for i in range(3):
        live.offer(replace(posed(photograph(0.4 * i), i), depth_m=None))
    live.learn()
    assert live.offer(replace(posed(photograph(1.2), 9), depth_m=None)) == 4
    with KeyframeMap.open(live.path) as keyframe_map:
        assert keyframe_map.vocabulary.projection is not None
        assert keyframe_map.depth_count == 3
        assert len(keyframe_map) == len(live) == 4
