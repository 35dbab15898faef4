"""Are images without a pose perhaps turned: by a camera on its side, or by a driver."""

from dataclasses import replace
import math
import time

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.engine import Engine
from relpose_ros.core.localization import Rejection

PERIOD_S = 10.0
TURNS = {90: '90 degrees counter-clockwise', 180: '180 degrees', 270: '90 degrees clockwise'}


class TurnCheck:
    """Looks at a rejected image from all sides now and then; costs nothing while poses come."""

    def __init__(self) -> None:
        """Know nothing."""
        self._checked_s, self._hint = -math.inf, ''

    def explained(
        self, rejection: Rejection, rgb: np.ndarray, camera: Camera, engine: Engine
    ) -> Rejection:
        """
        Say in the detail of a rejection if images like this one are turned.

        :param rgb: (H, W, 3) uint8.
        :raises ValueError: as Engine.turn_deg.
        """
        now_s = time.monotonic()
        if now_s - self._checked_s >= PERIOD_S:
            turn_deg = engine.turn_deg(rgb, camera)
            self._checked_s, self._hint = now_s, ''
            if turn_deg is not None:
                self._hint = (
                    f'; turned by {TURNS[turn_deg]} the image has a pose: mount the camera as it '
                    'was when the map was made, or turn its images'
                )
        return replace(rejection, detail=rejection.detail + self._hint)

    def forget(self) -> None:
        """Forget what was seen: an image has a pose, or the map is another."""
        self._checked_s, self._hint = -math.inf, ''
