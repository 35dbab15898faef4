"""Where somebody says the robot is: `initialpose`, as rviz's "2D Pose Estimate" publishes it."""

from collections.abc import Callable

from geometry_msgs.msg import PoseWithCovarianceStamped
import numpy as np
from rclpy.node import Node
from relpose_ros.core.prior import Prior
from relpose_ros.nodes.conversions import stamp_ns

SIGMAS = 3.0
# The estimate is of the robot and the fix of its camera; and nobody clicks better than that.
MIN_RADIUS_M = 1.0


class PriorInput:
    """
    Holds the newest estimate until an image is found in it; exists while the node is active.

    Only x, y and their covariance count: rviz sets height, roll and pitch to zero.
    """

    def __init__(self, node: Node, map_frame: str, on_prior: Callable[[], None]) -> None:
        """
        Subscribe.

        :param map_frame: the frame that estimates have to be in.
        :param on_prior: called when there is a new one.
        """
        self.prior: Prior | None = None
        self._node, self._map_frame, self._on_prior = node, map_frame, on_prior
        self._fix_stamp_ns: int | None = None
        self._subscription = node.create_subscription(
            PoseWithCovarianceStamped, 'initialpose', self._on_estimate, 1
        )

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def forget(self, map_frame: str) -> None:
        """Drop the estimate, which says nothing of another map."""
        self.prior, self._map_frame = None, map_frame

    def found(self, stamp_ns: int) -> None:
        """
        Drop the estimate, as an image has been found.

        :param stamp_ns: its stamp [ns].
        """
        self.prior, self._fix_stamp_ns = None, stamp_ns

    def _on_estimate(self, msg: PoseWithCovarianceStamped) -> None:
        if stamp_ns(msg.header.stamp) == self._fix_stamp_ns:
            return  # this node's own estimate, made of that fix for others
        if msg.header.frame_id != self._map_frame:
            self._node.get_logger().warning(
                f"initialpose is in the frame '{msg.header.frame_id}' and is ignored: it has to "
                f"be in the map's, '{self._map_frame}' (rviz: Fixed Frame)"
            )
            return
        try:
            self.prior = _prior_of(msg)
        except ValueError as error:
            self._node.get_logger().warning(f'initialpose is ignored: {error}')
            return
        self._node.get_logger().info(f'looking within {self.prior}')
        self._on_prior()


def _prior_of(msg: PoseWithCovarianceStamped) -> Prior:
    """
    Return the circle that an estimate stands for.

    :raises ValueError: if a number is not finite.
    """
    position = msg.pose.pose.position
    covariance = np.reshape(msg.pose.covariance, (6, 6))[:2, :2]
    if not np.isfinite(covariance).all():
        raise ValueError('its covariance is not finite')
    sigma_m = np.sqrt(max(0.0, np.linalg.eigvalsh(covariance)[-1]))
    return Prior(position.x, position.y, max(MIN_RADIUS_M, SIGMAS * float(sigma_m)))
