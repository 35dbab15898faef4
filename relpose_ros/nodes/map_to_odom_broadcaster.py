"""map -> odom on TF, at a steady rate, whatever the images take."""

from threading import Event, Thread

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from relpose_ros.nodes.conversions import stamp_ns, transform_stamped
from tf2_msgs.msg import TFMessage

PERIOD_S = 0.05


class MapToOdomBroadcaster:
    """
    Publishes the transform that it was given last, as AMCL does (REP-105).

    Stamps lie ahead of the node's clock, so that who looks up the present finds it. The thread is
    its own: the executor is busy with images, and the robot must not stand meanwhile.
    """

    def __init__(
        self, node: Node, map_frame: str, odom_frame: str, transform_tolerance_s: float
    ) -> None:
        """Start; nothing is published before `set`."""
        self._node = node
        self._frames = (map_frame, odom_frame)
        self._tolerance = Duration(nanoseconds=round(transform_tolerance_s * 1e9))
        self._map_from_odom: np.ndarray | None = None
        self.begun = False
        self._publisher = node.create_publisher(TFMessage, '/tf', 100)
        self._end = Event()
        self._thread = Thread(target=self._run, name='map_to_odom', daemon=True)
        self._thread.start()

    def set(self, map_from_odom: np.ndarray | None) -> None:
        """
        Publish this from now on.

        :param map_from_odom: (4, 4) [m]; None for nothing.
        """
        self._map_from_odom = map_from_odom
        self.begun = self.begun or map_from_odom is not None

    def destroy(self) -> None:
        """Stop."""
        self._end.set()
        self._thread.join()
        self._node.destroy_publisher(self._publisher)

    def _run(self) -> None:
        while not self._end.wait(PERIOD_S):
            map_from_odom = self._map_from_odom
            if map_from_odom is None:
                continue
            stamp = (self._node.get_clock().now() + self._tolerance).to_msg()
            message = transform_stamped(*self._frames, stamp_ns(stamp), map_from_odom)
            try:
                self._publisher.publish(TFMessage(transforms=[message]))
            except RuntimeError:  # on Ctrl-C the context ends at any moment
                if self._node.context.ok():
                    raise
                return
