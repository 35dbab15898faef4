"""Cameras: the pixel convention, undistortion, depth of another camera."""

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera, checked_rgb, rectified, register_depth
from relpose_ros.core.geometry import transform

CAMERA = Camera(width=64, height=48, fx=50.0, fy=55.0, cx=31.0, cy=22.5)
BARREL = (-0.3, 0.1, 0.001, -0.002, 0.0)


def test_projection_undoes_rays():
    pixels = np.random.default_rng(0).uniform(0, 48, (20, 2))
    np.testing.assert_allclose(CAMERA.project(CAMERA.rays(pixels) * 3.0), pixels)


def test_points_behind_the_camera_have_no_pixel():
    assert np.isnan(CAMERA.project(np.array([[0.1, 0.1, -1.0], [0, 0, 0]]))).all()


@pytest.mark.parametrize(('width', 'height'), [(128, 96), (32, 24), (80, 24)])
def test_resized_camera_sees_the_same_point_at_the_resized_pixel(width, height):
    point = np.array([0.1, -0.2, 1.5])
    pixel = CAMERA.project(point)
    expected = (pixel + 0.5) * (width / 64, height / 48) - 0.5
    np.testing.assert_allclose(CAMERA.resized(width, height).project(point), expected)


def test_resizing_an_image_follows_the_same_convention():
    """A blob drawn at a pixel is found by OpenCV's resize where the camera says it goes."""
    image = np.zeros((48, 64), np.float32)
    image[10:14, 20:24] = 1  # centred on (21.5, 11.5)
    camera = CAMERA.resized(32, 24)
    small = cv2.resize(image, (32, 24), interpolation=cv2.INTER_AREA)
    v, u = np.mgrid[:24, :32]
    centre = np.array([(small * u).sum(), (small * v).sum()]) / small.sum()
    np.testing.assert_allclose(camera.project(CAMERA.rays(np.array([21.5, 11.5]))), centre)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'fx': np.nan}, 'not finite'),
        ({'cx': np.inf}, 'not finite'),
        ({'fy': 0.0}, 'not positive'),
        ({'width': 0}, 'empty'),
        ({'distortion_model': 'magic'}, "'magic' is unknown"),
        ({'distortion': (0.1,) * 6}, 'plumb_bob has 4 or 5 coefficients, not 6'),
    ],
)
def test_impossible_cameras_are_refused(changes, words):
    values = {'width': 64, 'height': 48, 'fx': 50.0, 'fy': 50.0, 'cx': 32.0, 'cy': 24.0}
    with pytest.raises(ValueError, match=words):
        Camera(**{**values, **changes})


def test_images_that_do_not_fit_their_camera_are_refused():
    with pytest.raises(ValueError, match='64x32, its camera 64x48'):
        checked_rgb(np.zeros((32, 64, 3), np.uint8), CAMERA)
    with pytest.raises(ValueError, match='expected .* uint8'):
        checked_rgb(np.zeros((48, 64), np.uint8), CAMERA)


@pytest.mark.parametrize(
    ('model', 'coefficients'),
    [
        ('plumb_bob', BARREL),
        ('rational_polynomial', (*BARREL, 0.01, 0.02, 0.001)),
        ('equidistant', (-0.05, 0.01, 0.0, 0.0)),
        ('fisheye', (-0.05, 0.01, 0.0, 0.0)),
    ],
)
def test_rectified_image_shows_a_point_where_the_pinhole_puts_it(model, coefficients):
    camera = Camera(320, 240, 200.0, 200.0, 160.0, 120.0, coefficients, model)
    point = np.array([[0.4, -0.25, 1.0]])
    zero = np.zeros(3)
    fisheye = model in ('equidistant', 'fisheye')
    distort = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    distorted = distort(point[None], zero, zero, camera.K, np.array(coefficients))[0].ravel()
    image = np.zeros((240, 320, 3), np.uint8)
    cv2.circle(image, np.rint(distorted * 16).astype(int).tolist(), 3 * 16, (255,) * 3, -1, 8, 4)
    straight, straight_camera = rectified(image, camera)
    v, u = np.nonzero(straight[..., 0] > 128)
    found = np.array([u.mean(), v.mean()])
    assert straight_camera.distortion == ()
    np.testing.assert_allclose(found, straight_camera.project(point)[0], atol=0.5)
    assert np.linalg.norm(found - distorted) > 1  # the lens really bent it


def test_depth_moves_with_the_camera_and_the_nearest_surface_wins():
    depth_m = np.full((48, 64), 2.0, np.float32)
    depth_m[20:28, 28:36] = 1.0
    depth_m[0, 0] = 0
    colour_from_depth = transform(np.eye(3), np.array([0.05, 0.0, 0.0]))
    registered = register_depth(depth_m, CAMERA, colour_from_depth, CAMERA)
    near = np.nonzero(registered == 1.0)
    np.testing.assert_allclose(near[1].mean(), 31.5 + 0.05 * 50, atol=0.5)
    np.testing.assert_allclose(near[0].mean(), 23.5, atol=0.5)
    assert set(np.unique(registered)) == {0, 1, 2}


def test_registering_into_the_same_camera_changes_nothing():
    depth_m = np.random.default_rng(0).uniform(1, 3, (48, 64)).astype(np.float32)
    np.testing.assert_allclose(register_depth(depth_m, CAMERA, np.eye(4), CAMERA), depth_m)
