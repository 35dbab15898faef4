"""Turned images are recognised as such, and others are not."""

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometric_pose import GeometricEstimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.relocalizer import Relocalizer
from relpose_ros.core.turn import _quarter_turn, turn_deg


@pytest.fixture(scope='module')
def relocalizer(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        yield Relocalizer(keyframe_map, GeometricEstimator())


@pytest.mark.parametrize('quarters', [1, 2, 3])
def test_a_turned_image_has_to_be_turned_back(relocalizer, photograph, quarters):
    view = photograph(0.25, 0.1)
    image, camera = view.rgb, view.camera
    for _ in range(quarters):
        image, camera = _quarter_turn(image, camera)
    assert turn_deg(relocalizer, image, camera) == 360 - 90 * quarters


def test_other_images_are_not_turned(relocalizer, photograph):
    view = photograph(0.25)
    assert turn_deg(relocalizer, view.rgb, view.camera) is None
    foreign = photograph(0.25, seed=1)
    assert turn_deg(relocalizer, foreign.rgb, foreign.camera) is None
    assert turn_deg(relocalizer, np.full_like(view.rgb, 90), view.camera) is None


def test_a_quarter_turn_takes_the_camera_along():
    camera = Camera(40, 30, 50.0, 60.0, 22.0, 11.0)
    image = np.zeros((30, 40, 3), np.uint8)
    point = np.array([0.2, -0.1, 1.0])  # right and up
    u, v = camera.project(point).round().astype(int)
    cv2.circle(image, (int(u), int(v)), 0, (255, 255, 255))
    turned_image, turned = _quarter_turn(image, camera)
    assert (turned.width, turned.height) == (30, 40)
    # Right becomes up, up becomes left.
    u, v = turned.project(np.array([-0.1, -0.2, 1.0])).round().astype(int)
    assert turned_image[v, u].tolist() == [255, 255, 255]
