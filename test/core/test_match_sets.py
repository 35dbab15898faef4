"""Which places coarse matches become, and which of them a pose is solved from."""

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import NoRelativePose, Reason
from relpose_ros.core.fine_matching import FineImage
from relpose_ros.core.match_sets import at_cells, at_corners, CoarseMatches
from relpose_ros.core.refine import MIN_PROMISING, refined_poses, RefinementConfig
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
        return query, CoarseMatches(keyframe, cells, torch.stack(grid[::-1]) + off)

    return made


def off_px(matches):
    return np.linalg.norm(matches.pixels_query - matches.pixels_keyframe - SHIFT_PX, axis=1)


def test_a_cell_has_one_strongest_corner_and_four_in_all(moved):
    depth_m = np.full((240, 320), 2.0, np.float32)
    query, coarse = moved(depth_m)
    strongest, every = (at_corners(query, [coarse], every)[0] for every in (False, True))
    assert 0.8 * 12 * 18 < len(strongest) <= 12 * 18
    assert 3.5 * len(strongest) < len(every) <= 4 * 12 * 18
    for matches in (strongest, every):
        assert (matches.depth_m == 2).all()
        assert np.median(off_px(matches)) < 1


def test_without_the_search_cells_are_where_the_network_sees_them(moved):
    query, coarse = moved()
    only = at_cells(query, [coarse])[0]
    assert len(only) == 12 * 18
    assert only.depth_m is None
    np.testing.assert_allclose(off_px(only), 0, atol=1e-4)


def test_no_match_is_an_empty_set(moved):
    query, coarse = moved(np.full((240, 320), 2.0, np.float32))
    coarse.cells[:] = False
    for every in (False, True):
        assert len(at_corners(query, [coarse], every)[0]) == 0


UNBELIEVED = NoRelativePose(Reason.NO_CONSISTENT_POSE, 'of the head')


def solved(query, coarse):
    return refined_poses(query, [coarse], [UNBELIEVED], RefinementConfig(pose='geometry'))[0]


def test_each_pair_of_a_batch_keeps_its_own_corners(moved):
    query, with_depth = moved(np.full((240, 320), 2.0, np.float32))
    _, without = moved()
    without.cells[:9] = False
    together = at_corners(query, [with_depth, without], every=False)
    assert len(together[1]) < 0.6 * len(together[0])
    for pair, found in zip((with_depth, without), together, strict=True):
        alone = at_corners(query, [pair], every=False)[0]
        np.testing.assert_allclose(found.pixels_query, alone.pixels_query, atol=1e-4)
        np.testing.assert_array_equal(found.pixels_keyframe, alone.pixels_keyframe)
    assert together[1].depth_m is None


def test_the_strongest_corners_are_enough_where_they_agree(moved):
    depth_m = np.full((240, 320), 2.0, np.float32)
    found = solved(*moved(depth_m))
    assert found.metric
    assert len(found.matches.pixels_query) <= 12 * 18
    np.testing.assert_allclose(found.keyframe_from_query[:3, :3], np.eye(3), atol=0.02)


def test_all_corners_are_taken_where_the_strongest_are_too_few(moved):
    query, coarse = moved(np.full((240, 320), 2.0, np.float32))
    coarse.cells[:] = False
    coarse.cells[4:14:3, 5:20:4] = True  # 16 cells, and 20 matches are needed
    found = solved(query, coarse)
    assert found.metric
    assert found.support > 40


def test_matches_that_promise_nothing_are_given_up(moved):
    query, coarse = moved(np.full((240, 320), 2.0, np.float32))
    torch.manual_seed(0)
    coarse.centres.copy_(torch.rand_like(coarse.centres) * torch.tensor([22.0, 16])[:, None, None])
    found = solved(query, coarse)
    assert found.reason is Reason.NO_CONSISTENT_POSE
    assert found.support < MIN_PROMISING


def test_rays_are_left_where_most_depth_is_missing(moved):
    depth_m = np.zeros((240, 320), np.float32)
    depth_m[:60, :60] = 2.0
    query, coarse = moved(depth_m)
    assert 0 < len(at_corners(query, [coarse], every=True)[0].solvable()) < 20
    found = solved(query, coarse)
    assert not found.metric
    assert found.support > 100
