"""What every reader of this package yields: an image, its camera and where it was taken."""

from dataclasses import dataclass

import numpy as np
from relpose_ros.core.camera import Camera, checked_rgb
from relpose_ros.core.geometry import checked_transform


@dataclass(frozen=True, slots=True, eq=False)
class PosedImage:
    """
    An image with its camera, its pose and, where known, its depth.

    :param name: unique within its recording.
    :param stamp_ns: time of exposure [ns].
    :param rgb: (H, W, 3) uint8.
    :param camera: the camera of ``rgb``.
    :param map_from_camera: (4, 4), camera optical frame.
    :param depth_m: (H, W) float32 registered to ``rgb``, 0 where unknown [m]; None without depth.
    :raises ValueError: if a shape or type is wrong, or the pose no rigid transform.
    """

    name: str
    stamp_ns: int
    rgb: np.ndarray
    camera: Camera
    map_from_camera: np.ndarray
    depth_m: np.ndarray | None = None

    def __post_init__(self) -> None:
        checked_rgb(self.rgb, self.camera)
        checked_transform('map_from_camera', self.map_from_camera)
        if self.depth_m is None:
            return
        if self.depth_m.shape != self.rgb.shape[:2] or self.depth_m.dtype != np.float32:
            raise ValueError(
                f'depth_m: expected {self.rgb.shape[:2]} float32, '
                f'got {self.depth_m.shape} {self.depth_m.dtype}'
            )
