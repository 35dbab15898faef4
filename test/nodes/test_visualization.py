"""What rviz shows: frusta of the right shape, pictures of matches."""

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Matches, Reason
from relpose_ros.core.geometry import transform
from relpose_ros.core.keyframe_map import Keyframe
from relpose_ros.core.relocalizer import Localization, Rejection
from relpose_ros.nodes.visualization import (
    DEBUG_HEIGHT_PX,
    debug_image,
    FRUSTUM_DEPTH_M,
    frustum_marker,
    KEYFRAME_COLOUR,
)

CAMERA = Camera(100, 60, 50.0, 50.0, 49.5, 29.5)
BLACK = np.zeros((60, 100, 3), np.uint8)
KEYFRAME = Keyframe(7, 0, np.eye(4), CAMERA, BLACK, None)


def test_frustum():
    """The lines span the field of view in front of the camera, in the map."""
    map_from_camera = transform(np.eye(3), np.array([1.0, 2.0, 3.0]))
    marker = frustum_marker('map', 'keyframes', [(map_from_camera, CAMERA)] * 2, KEYFRAME_COLOUR)
    points = np.array([(p.x, p.y, p.z) for p in marker.points])
    assert len(points) == 2 * 16
    assert np.allclose(points.min(0), (1 - FRUSTUM_DEPTH_M, 2 - 0.6 * FRUSTUM_DEPTH_M, 3))
    assert np.allclose(points.max(0), (1 + FRUSTUM_DEPTH_M, 2 + 0.6 * FRUSTUM_DEPTH_M, 3.1))
    assert marker.header.frame_id == 'map'


def test_empty_selection():
    """No keyframe is no line."""
    assert not frustum_marker('map', 'keyframes', [], KEYFRAME_COLOUR).points


def test_matches_are_drawn_where_they_are():
    """A line from a pixel of the query to its match in the keyframe beside it."""
    matches = Matches(np.array([[10.0, 30.0]]), np.array([[90.0, 30.0]]))
    result = Localization(np.eye(4), np.eye(6), 7, np.eye(4), matches, (7,), 1.0, (), {})
    picture = debug_image(BLACK, result, KEYFRAME)
    scale = DEBUG_HEIGHT_PX / 60
    assert picture.shape == (DEBUG_HEIGHT_PX, 2 * 600, 3)
    green = np.argwhere(picture[40:, :, 1] > 100)  # below the text
    assert abs(green[:, 1].min() - 10 * scale) <= 2
    assert abs(green[:, 1].max() - (600 + 90 * scale)) <= 2


def test_rejection_is_written():
    """The reason stands in the picture, with and without a keyframe."""
    result = Rejection(Reason.FEW_MATCHES, '3 of 15', (), {})
    assert debug_image(BLACK, result, None).shape == (DEBUG_HEIGHT_PX, 600, 3)
    picture = debug_image(BLACK, result, KEYFRAME)
    assert picture.shape == (DEBUG_HEIGHT_PX, 1200, 3)
    assert picture[:24, :, 0].max() > 200
    assert picture[24:].max() == 0
