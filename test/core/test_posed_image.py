"""A posed image is consistent; keyframes are chosen by how far the camera moved or turned."""

from math import radians

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.core.posed_image import PosedImage, select_by_motion
from scipy.spatial.transform import Rotation

CAMERA = Camera(4, 3, 5.0, 5.0, 1.5, 1.0)
RGB = np.zeros((3, 4, 3), np.uint8)


def posed(x_m: float, yaw_deg: float) -> PosedImage:
    rotation = Rotation.from_euler('y', yaw_deg, degrees=True).as_matrix()
    return PosedImage(f'{x_m} {yaw_deg}', 0, RGB, CAMERA, transform(rotation, (x_m, 0, 0)))


def test_moving_or_turning_makes_a_keyframe() -> None:
    path = [(0, 0), (0.15, 0), (0.25, 0), (0.25, 4), (0.25, 6), (0.4, 9), (0.5, 6)]
    kept = select_by_motion([posed(*step) for step in path], 0.2, radians(5))
    assert [image.name for image in kept] == ['0 0', '0.25 0', '0.25 6', '0.5 6']


def test_a_camera_at_rest_makes_one_keyframe() -> None:
    assert len(list(select_by_motion([posed(0, 0)] * 5))) == 1


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'rgb': RGB[:2]}, 'rgb: image is 4x2, its camera 4x3'),
        ({'map_from_camera': np.eye(3)}, r'map_from_camera: expected \(4, 4\)'),
        ({'depth_m': np.zeros((3, 5), np.float32)}, r'depth_m: expected \(3, 4\) float32'),
        ({'depth_m': np.zeros((3, 4))}, r'depth_m: expected \(3, 4\) float32'),
    ],
)
def test_inconsistent(changes: dict, sentence: str) -> None:
    fields = {'rgb': RGB, 'camera': CAMERA, 'map_from_camera': np.eye(4)}
    with pytest.raises(ValueError, match=sentence):
        PosedImage('a', 0, **(fields | changes))
