"""Which places coarse matches become, and in which order they are tried."""

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.fine_matching import FineImage
from relpose_ros.core.match_sets import CoarseMatches, match_sets
import torch

COARSE = Camera(192, 144, 168.0, 168.0, 95.5, 71.5)
SHIFT_PX = (8.0, -4.0)


@pytest.fixture
def moved(photograph):
    """Return coarse matches of the inner cells of an image that is shifted in the query."""

    def made(depth_m=None):
        view = photograph(0.0)
        grey = cv2.cvtColor(view.rgb, cv2.COLOR_RGB2GRAY)
        move = np.array([[1, 0, SHIFT_PX[0]], [0, 1, SHIFT_PX[1]]], np.float64)
        shifted = cv2.warpAffine(grey, move, grey.shape[::-1], borderMode=cv2.BORDER_REFLECT)
        keyframe = FineImage(grey, view.camera, COARSE, depth_m, 'cpu')
        query = FineImage(shifted, view.camera, COARSE, None, 'cpu')
        cells = torch.zeros(18, 24, dtype=torch.bool)
        cells[3:-3, 3:-3] = True
        grid = torch.meshgrid(torch.arange(18.0), torch.arange(24.0), indexing='ij')
        scale = 192 / 320 / 8  # pixels of the working image in cells
        off = torch.tensor(SHIFT_PX)[:, None, None] * scale
        return CoarseMatches(query, keyframe, cells, torch.stack(grid[::-1]) + off)

    return made


def off_px(matches):
    return np.linalg.norm(matches.pixels_query - matches.pixels_keyframe - SHIFT_PX, axis=1)


def test_without_depth_the_strongest_corners_are_all(moved):
    (only,) = match_sets(moved(), fine=True)
    assert only.depth_m is None
    assert 0.8 * 12 * 18 < len(only) <= 12 * 18
    assert np.median(off_px(only)) < 1


def test_with_depth_all_corners_come_second(moved):
    strongest, every = match_sets(moved(np.full((240, 320), 2.0, np.float32)), fine=True)
    assert 3.5 * len(strongest) < len(every) <= 4 * 12 * 18
    for matches in (strongest, every):
        assert (matches.depth_m == 2).all()
        assert np.median(off_px(matches)) < 1


def test_rays_are_left_where_most_depth_is_missing(moved):
    depth_m = np.zeros((240, 320), np.float32)
    depth_m[:, :100] = 2.0
    strongest, every, rays = match_sets(moved(depth_m), fine=True)
    assert 0 < len(strongest.solvable()) < len(strongest) / 2
    assert (every.solvable().depth_m == 2).all()
    assert rays.depth_m is None
    np.testing.assert_array_equal(rays.pixels_query, strongest.pixels_query)


def test_without_the_search_cells_are_where_the_network_sees_them(moved):
    (only,) = match_sets(moved(), fine=False)
    assert len(only) == 12 * 18
    np.testing.assert_allclose(off_px(only), 0, atol=1e-4)


def test_no_match_is_an_empty_set(moved):
    coarse = moved(np.full((240, 320), 2.0, np.float32))
    coarse.cells[:] = False
    assert [len(matches) for matches in match_sets(coarse, fine=True)] == [0, 0]
