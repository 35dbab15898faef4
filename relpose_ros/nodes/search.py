"""Which images are localized, where in the map, and what is said of those that are not found."""

import math
import time

import numpy as np
from rclpy.node import Node
from relpose_ros.core.camera import Camera
from relpose_ros.core.engine import Engine
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.nodes.parameters import NodeConfig
from relpose_ros.nodes.prior_input import PriorInput
from relpose_ros.nodes.turn_check import TurnCheck


class Search:
    """What the node knows from image to image; exists while it is active."""

    def __init__(self, node: Node, map_frame: str) -> None:
        """Begin, and listen for estimates of where the robot is."""
        self._started_s = -math.inf
        self._priors = PriorInput(node, map_frame, on_prior=self.begin_again)
        self._turns = TurnCheck()
        self.begin_again()

    def destroy(self) -> None:
        """Unsubscribe."""
        self._priors.destroy()

    def begin_again(self) -> None:
        """In the mode until_fix, look for a pose again."""
        self._fixed = False

    def change_map(self, map_frame: str) -> None:
        """Forget what was known in another map."""
        self._priors.forget(map_frame)
        self._turns.forget()
        self.begin_again()

    def goes_on(self, config: NodeConfig) -> bool:
        """Return whether images are localized that nobody asks for."""
        return config.mode == 'continuous' or (config.mode == 'until_fix' and not self._fixed)

    def takes(self, config: NodeConfig, asked: bool) -> bool:
        """
        Return whether the image is localized that has come now.

        :param asked: whether somebody waits for it.
        """
        now_s = time.monotonic()
        in_time = not config.max_rate_hz or now_s - self._started_s >= 1 / config.max_rate_hz
        if not asked and not (self.goes_on(config) and in_time):
            return False
        self._started_s = now_s
        return True

    def localize(
        self, engine: Engine, rgb: np.ndarray, camera: Camera
    ) -> Localization | Rejection:
        """
        Find where an image was taken, or why that is not to be found.

        :param rgb: (H, W, 3) uint8.
        :raises ValueError: as Engine.localize.
        """
        result = engine.localize(rgb, camera, self._priors.prior)
        if isinstance(result, Rejection):
            return self._turns.explained(result, rgb, camera, engine)
        return result

    def found(self, stamp_ns: int) -> None:
        """
        Note that an image has a pose.

        :param stamp_ns: its stamp [ns].
        """
        self._fixed = True
        self._priors.found(stamp_ns)
        self._turns.forget()
