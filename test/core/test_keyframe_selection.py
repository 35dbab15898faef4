"""Keyframes are images that stand apart and show something: not blurred, dark or overexposed."""

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.core.keyframe_selection import (
    KeyframeSelector,
    LeftOut,
    select_keyframes,
    SelectionConfig,
)
from relpose_ros.core.posed_image import PosedImage
from scipy.spatial.transform import Rotation

CAMERA = Camera(4, 3, 5.0, 5.0, 1.5, 1.0)
RGB = np.zeros((3, 4, 3), np.uint8)
ANY_LIGHT = SelectionConfig(max_clipped=1.0)


def posed(x_m: float, yaw_deg: float) -> PosedImage:
    return PosedImage(f'{x_m} {yaw_deg}', 0, RGB, CAMERA, at(x_m, yaw_deg))


def at(x_m: float, yaw_deg: float = 0.0) -> np.ndarray:
    return transform(Rotation.from_euler('y', yaw_deg, degrees=True).as_matrix(), (x_m, 0, 0))


def test_moving_or_turning_makes_a_keyframe() -> None:
    path = [(0, 0), (0.15, 0), (0.25, 0), (0.25, 4), (0.25, 6), (0.4, 9), (0.5, 6)]
    left_out = {}
    kept = select_keyframes([posed(*step) for step in path], ANY_LIGHT, left_out)
    assert [image.name for image in kept] == ['0 0', '0.25 0', '0.25 6', '0.5 6']
    assert left_out == {'not moved': ['0.15 0', '0.25 4', '0.4 9']}


def test_motion_counts_from_a_keyframe_that_is_there_already() -> None:
    selector = KeyframeSelector(ANY_LIGHT, last=at(1.0))
    assert selector.objection(RGB, at(1.1)) == LeftOut.NOT_MOVED
    assert selector.objection(RGB, at(1.3)) is None


def test_a_blurred_image_is_left_out_and_the_next_sharp_one_taken(photograph) -> None:
    """A camera that is turned fast takes lines for points; dim light alone does no harm."""
    selector = KeyframeSelector(SelectionConfig())
    streak = np.full((1, 15), 1 / 15, np.float32)
    judged = []
    for i in range(6):
        rgb = photograph(0.3 * i - 0.9).rgb
        if i in (3, 4):
            rgb = cv2.filter2D(rgb, -1, streak)
        if i == 2:
            rgb = rgb // 4
        judged.append(selector.objection(rgb, at(float(i))))
    assert judged == [None, None, None, LeftOut.BLURRED, LeftOut.BLURRED, None]


@pytest.mark.parametrize(('value', 'reason'), [(0, LeftOut.TOO_DARK), (255, LeftOut.TOO_BRIGHT)])
def test_exposure(photograph, value: int, reason: LeftOut) -> None:
    """A window or a shadow may take a part of the image, but not most of it."""
    rgb = photograph(0.0).rgb.copy()
    rgb[: rgb.shape[0] // 3] = value
    assert KeyframeSelector(SelectionConfig()).objection(rgb, at(0)) is None
    rgb[: rgb.shape[0] * 2 // 3] = value
    assert KeyframeSelector(SelectionConfig()).objection(rgb, at(0)) == reason
    assert KeyframeSelector(ANY_LIGHT).objection(rgb, at(0)) is None
