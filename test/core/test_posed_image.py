"""A posed image is consistent in itself."""

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.posed_image import PosedImage

CAMERA = Camera(4, 3, 5.0, 5.0, 1.5, 1.0)
RGB = np.zeros((3, 4, 3), np.uint8)


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
