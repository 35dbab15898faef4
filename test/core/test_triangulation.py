"""Depth from posed images: of a wall whose depth is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from relpose_ros.core.fine_matching import FineImage
from relpose_ros.core.geometry import transform
from relpose_ros.core.triangulation import PosedView, triangulated_depth

COARSE = (192, 144)


def posed(view, moved_m=0.0):
    """Return a view of the wall, as if it had been taken so far to the right of where it was."""
    grey = cv2.cvtColor(view.rgb, cv2.COLOR_RGB2GRAY)
    image = FineImage(grey, view.camera, view.camera.resized(*COARSE), None, 'cpu')
    return PosedView(image, transform(np.eye(3), [moved_m, 0, 0]) @ view.map_from_camera)


@pytest.fixture
def around(photograph):
    """Return four views from around the first one."""
    places = ((-0.3, 0.0, 0.0), (0.2, 0.1, -5.0), (0.35, -0.1, -8.0), (0.0, 0.25, 4.0))
    return [photograph(*place) for place in places]


def test_corners_get_their_depth(photograph, around):
    view = photograph(0.0, 0.0, 3.0)
    depth_m = triangulated_depth(posed(view), [posed(each) for each in around])
    assert depth_m.shape == view.depth_m.shape
    assert depth_m.dtype == np.float32
    known = depth_m > 0
    assert known.mean() > 0.3
    off = np.abs(depth_m[known] / view.depth_m[known] - 1)
    assert np.median(off) < 0.02
    assert (off < 0.1).mean() > 0.97


def test_large_images_get_depth_of_their_own_size(photograph, around):
    def enlarged(view):
        large = cv2.resize(view.rgb, (1280, 960), interpolation=cv2.INTER_CUBIC)
        camera = view.camera.resized(1280, 960)
        depth_m = cv2.resize(view.depth_m, (1280, 960))
        return replace(view, rgb=large, camera=camera, depth_m=depth_m)

    view = enlarged(photograph(0.0))
    depth_m = triangulated_depth(posed(view), [posed(enlarged(each)) for each in around])
    assert depth_m.shape == (960, 1280)
    known = depth_m > 0
    assert known.mean() > 0.05
    assert np.median(np.abs(depth_m[known] / view.depth_m[known] - 1)) < 0.02


def test_nothing_is_made_up(photograph, around):
    view = posed(photograph(0.0))
    elsewhere = [posed(photograph(x, seed=1)) for x in (-0.3, -0.1, 0.2, 0.4)]
    assert triangulated_depth(view, elsewhere) is None
    away = [posed(photograph(x, yaw_deg=180.0)) for x in (-0.3, 0.3)]
    assert triangulated_depth(view, away) is None
    assert triangulated_depth(view, [posed(around[0])]) is None
    assert triangulated_depth(view, []) is None


def test_poses_that_contradict_the_images_give_no_depth(photograph, around):
    """Moved up and down by turns, the neighbours see no corner on any of its lines."""
    moved = [
        PosedView(each.image, transform(np.eye(3), [0, shift, 0]) @ each.map_from_camera)
        for each, shift in zip(map(posed, around), (0.4, -0.4, 0.4, -0.4), strict=True)
    ]
    depth_m = triangulated_depth(posed(photograph(0.0)), moved)
    assert depth_m is None or (depth_m > 0).mean() < 0.05


def test_a_blank_image_has_no_depth(photograph, around):
    view = photograph(0.0)
    blank = replace(view, rgb=np.full_like(view.rgb, 128))
    assert triangulated_depth(posed(blank), [posed(each) for each in around]) is None
