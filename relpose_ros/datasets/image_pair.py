"""What every list of image pairs yields."""

from dataclasses import dataclass

import numpy as np
from relpose_ros.core.geometry import inverse
from relpose_ros.core.posed_image import PosedImage


@dataclass(frozen=True, slots=True, eq=False)
class ImagePair:
    """
    Two images posed in the same map.

    Where only the relative pose is known, the map is the keyframe's camera frame.

    :param keyframe: the image whose pose is known.
    :param query: the image whose pose is asked for.
    """

    keyframe: PosedImage
    query: PosedImage

    @property
    def keyframe_from_query(self) -> np.ndarray:
        """Return the true relative pose, (4, 4)."""
        return inverse(self.keyframe.map_from_camera) @ self.query.map_from_camera
