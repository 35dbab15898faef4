"""Depth images that belong to a camera's images."""

from collections import deque

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from relpose_ros.datasets.image_messages import depth_from_image, DEPTH_TOLERANCE_NS
from relpose_ros.datasets.pose_messages import stamp_of
from relpose_ros.nodes.waiting import hear, wait_until
from sensor_msgs.msg import Image

# As many as a camera takes while one image waits for its transform.
KEPT = 10


class DepthInput:
    """Subscribes to `depth`, registered to the images, and keeps the newest."""

    def __init__(self, node: Node, reliability: str) -> None:
        """
        Subscribe.

        :param reliability: 'best_effort' or 'reliable'.
        """
        self._messages: deque[Image] = deque(maxlen=KEPT)
        qos = QoSProfile(depth=KEPT, reliability=ReliabilityPolicy[reliability.upper()])
        self._subscription = node.create_subscription(Image, 'depth', self._on_depth, qos)

    @property
    def topic(self) -> str:
        """Name of the topic, remapped."""
        return self._subscription.topic_name

    def wait_for(self, stamp_ns: int, limit_s: float) -> np.ndarray | None:
        """
        Return the depth taken with an image, as soon as it is there.

        :param stamp_ns: the image's [ns].
        :param limit_s: how long to wait [s].
        :return: (H, W) float32 [m], 0 where unknown; None if none was taken with it.
        :raises ValueError: if it cannot be decoded.
        """

        def passed() -> bool:
            hear(self._subscription)
            return any(stamp_of(msg) >= stamp_ns for msg in self._messages)

        wait_until(passed, limit_s)
        nearest = min(self._messages, key=lambda m: abs(stamp_of(m) - stamp_ns), default=None)
        if nearest is None or abs(stamp_of(nearest) - stamp_ns) > DEPTH_TOLERANCE_NS:
            return None
        return depth_from_image(nearest)

    def _on_depth(self, msg: Image) -> None:
        self._messages.append(msg)
