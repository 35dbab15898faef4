"""Corners that are looked for around where they should be."""

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.fine_matching import FineImage, found_near
from relpose_ros.core.matcher import CELL_PX

COARSE = Camera(192, 144, 168.0, 168.0, 95.5, 71.5)


def fine(view, shift=(0.0, 0.0), depth_m=None):
    """Return a view of the wall, moved by some pixels, at working size."""
    grey = cv2.cvtColor(view.rgb, cv2.COLOR_RGB2GRAY)
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    grey = cv2.warpAffine(grey, move, grey.shape[::-1], borderMode=cv2.BORDER_REFLECT)
    return FineImage(grey, view.camera, COARSE, depth_m, 'cpu')


@pytest.mark.parametrize('shift', [(0.0, 0.0), (8.0, -4.0), (5.0, 3.0), (-6.5, 2.5)])
def test_corners_are_found_to_a_fraction_of_the_stride(photograph, shift):
    keyframe, query = fine(photograph(0.0)), fine(photograph(0.0), shift)
    corners = keyframe.corners
    inner = (np.abs(corners.pixels - (160, 120)) < (110, 70)).all(1)
    pixels = corners.pixels[inner]
    off = np.random.default_rng(0).uniform(-10, 10, pixels.shape)
    found, is_maximum = found_near(query.grid, pixels + shift + off, corners.descriptors[inner])
    errors = np.linalg.norm(found - pixels - shift, axis=1)
    assert is_maximum.mean() > 0.9
    assert np.median(errors[is_maximum]) < 1  # a quarter of the grid's stride
    assert (errors[is_maximum] < 4).mean() > 0.9


def test_what_is_further_away_than_the_reach_is_no_maximum_or_elsewhere(photograph):
    keyframe, query = fine(photograph(0.0)), fine(photograph(0.0))
    corners = keyframe.corners
    inner = (np.abs(corners.pixels - (160, 120)) < (60, 40)).all(1)
    pixels = corners.pixels[inner]
    found, is_maximum = found_near(query.grid, pixels + (60, 0), corners.descriptors[inner])
    assert (np.linalg.norm(found - pixels, axis=1)[is_maximum] > 20).all()


def test_nothing_is_found_where_nothing_is_seen(photograph):
    view = photograph(0.0)
    blank = FineImage(np.full((240, 320), 90, np.uint8), view.camera, COARSE, None, 'cpu')
    corners = fine(view).corners
    _, is_maximum = found_near(blank.grid, corners.pixels, corners.descriptors)
    assert not is_maximum.any()


def test_every_inner_cell_has_four_corners_one_of_them_its_strongest(photograph):
    image = fine(photograph(0.0))
    corners = image.corners
    column, row = corners.cells % 24, corners.cells // 24
    count = np.bincount(corners.cells, minlength=18 * 24).reshape(18, 24)
    assert (count[2:-2, 2:-2] == 4).all()
    assert count.max() == 4
    assert np.bincount(corners.cells, corners.strongest).max() == 1
    places = image.places(np.stack((column, row), axis=1))
    cell = CELL_PX * 320 / 192
    assert np.abs(corners.pixels - places).max() <= cell / 2 + 1
    strength = cv2.cornerMinEigenVal(image._grey, 7)
    for row, column in ((5, 5), (9, 12), (14, 20)):
        own = np.flatnonzero((corners.cells == 24 * row + column) & corners.strongest)
        u, v = corners.pixels[own[0]].astype(int)
        place = image.places(np.array([[column, row]]))[0]
        around = strength[v - 8 : v + 9 : 4, u - 8 : u + 9 : 4]
        inside = np.abs(np.arange(-8, 9, 4)[:, None] + v - place[1]) < cell / 2 - 1
        inside = inside & (np.abs(np.arange(-8, 9, 4) + u - place[0]) < cell / 2 - 1)
        assert strength[v, u] >= around[inside].max()


def test_large_images_are_worked_on_small_and_told_of_as_they_came():
    camera = Camera(1280, 960, 1100.0, 1100.0, 640.0, 480.0)
    depth_m = np.tile(np.linspace(1, 3, 1280, dtype=np.float32), (960, 1))
    image = FineImage(np.zeros((960, 1280), np.uint8), camera, COARSE, depth_m, 'cpu')
    assert (image.camera.width, image.camera.height) == (480, 360)
    pixels = np.array([[0.0, 0.0], [239.5, 179.5], [479.0, 100.0]])
    np.testing.assert_allclose(image.in_original(pixels)[1], [639.5, 479.5])
    np.testing.assert_allclose(image.depths(pixels), depth_m[0, [0, 640, 1278]], atol=3e-3)
    no_depth = FineImage(np.zeros((960, 1280), np.uint8), camera, COARSE, None, 'cpu')
    assert no_depth.depths(pixels) is None


def test_rays_are_the_same_in_every_size(photograph):
    image = fine(photograph(0.0))
    cells = np.array([[0.0, 0.0], [11.0, 7.0], [23.0, 17.0]])
    coarse = photograph(0.0).camera.resized(192, 144).rays(cells * CELL_PX)
    np.testing.assert_allclose(image.camera.rays(image.places(cells)), coarse, atol=1e-9)
