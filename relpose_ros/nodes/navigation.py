"""What navigation wants of a fix: the base, the consent of odometry, map -> odom, initialpose."""

from dataclasses import dataclass, field

from geometry_msgs.msg import PoseWithCovarianceStamped
import numpy as np
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from relpose_ros.core.estimator import Reason
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.map_to_odom import MapToOdom, MapToOdomConfig, Verdict
from relpose_ros.core.uncertain_pose import UncertainPose
from relpose_ros.nodes.conversions import pose_with_covariance
from relpose_ros.nodes.map_to_odom_broadcaster import MapToOdomBroadcaster
from relpose_ros.nodes.parameters import check_choices, read
from relpose_ros.nodes.transforms import MissingTransform, TransformListener

# TF comes after the image as often as before it; by the time an image is localized it is there.
TF_WAIT_S = 0.5
JUMP_BACK = JumpThreshold(
    min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
)
HELD_BACK = {
    Verdict.UNCONFIRMED: (
        Reason.UNCONFIRMED,
        'too few poses agree with each other by odometry yet',
    ),
    Verdict.OUTLIER: (
        Reason.OUTLIER,
        'contradicts the poses before it, moved on by odometry',
    ),
}
SAID = {
    Verdict.CONFIRMED: 'odometry confirms where the robot is in the map',
    Verdict.RECOVERED: 'odometry confirms that the robot is elsewhere in the map',
}


@dataclass(frozen=True, slots=True)
class NavigationConfig:
    """
    What the node does for navigation.

    :param base_frame: the robot's frame on TF.
    :param odom_frame: the frame of its odometry on TF.
    :param pose_frame: whose pose ~/pose is: camera, or base for base_frame.
    :param confirm: publish only fixes that odometry confirms; always so with tf_mode odom and
        publish_initialpose.
    :param publish_initialpose: publish base_frame's pose on initialpose, for AMCL and Nav2, when
        the first fix is confirmed, when it is confirmed that the robot is elsewhere, and on
        request.
    :param transform_tolerance_s: map -> odom is published so far into the future [s].
    :raises ValueError: if a value is not one of its choices.
    """

    base_frame: str = 'base_link'
    odom_frame: str = 'odom'
    pose_frame: str = field(default='camera', metadata={'choices': ('camera', 'base')})
    confirm: bool = False
    publish_initialpose: bool = False
    transform_tolerance_s: float = field(default=0.2, metadata={'range': (0.0, 10.0)})

    def __post_init__(self) -> None:
        check_choices(self)


class _NotReliableError(Exception):
    """A fix that must not be published; has the reason and a sentence."""


class Navigation:
    """Judges fixes and tells navigation of them; exists while the node is active."""

    def __init__(self, node: Node, map_frame: str, tf_mode: str) -> None:
        """
        Subscribe to TF, if it is needed.

        :param tf_mode: 'odom' for map -> odom on TF.
        """
        self._node, self._map_frame = node, map_frame
        config = self._config = read(node, NavigationConfig)
        self._map_to_odom = self._broadcaster = self._initialpose = self._transforms = None
        if config.confirm or config.publish_initialpose or tf_mode == 'odom':
            self._map_to_odom = MapToOdom(read(node, MapToOdomConfig))
        self._clock_jumps = node.get_clock().create_jump_callback(
            JUMP_BACK, post_callback=self._on_clock_jump
        )
        if self._map_to_odom is not None or config.pose_frame == 'base':
            self._transforms = TransformListener(node)
        if tf_mode == 'odom':
            self._broadcaster = MapToOdomBroadcaster(
                node, map_frame, config.odom_frame, config.transform_tolerance_s
            )
        if config.publish_initialpose:
            self._initialpose = node.create_publisher(PoseWithCovarianceStamped, 'initialpose', 1)

    def destroy(self) -> None:
        """Take the topics down."""
        self._clock_jumps.unregister()
        for each in (self._transforms, self._broadcaster):
            if each is not None:
                each.destroy()
        if self._initialpose is not None:
            self._node.destroy_publisher(self._initialpose)

    def go_back_to(self, stamp_ns: int) -> None:
        """
        Begin anew: images are older than those before, as when a bag loops.

        :param stamp_ns: the image's stamp [ns].
        """
        if self._transforms is not None:
            self._transforms.forget_future(stamp_ns)
        if self._map_to_odom is not None:
            self._map_to_odom.forget()
        if self._broadcaster is not None:
            self._broadcaster.set(None)

    def judged(
        self, result: Localization | Rejection, camera_frame: str, stamp_ns: int, asked: bool
    ) -> UncertainPose | Rejection:
        """
        Judge a fix, and publish map -> odom and initialpose.

        :param camera_frame: the image's frame.
        :param stamp_ns: the image's stamp [ns].
        :param asked: whether somebody waits for this fix; it is an initialpose then, too.
        :return: what ~/pose is to say, or why nothing.
        """
        if isinstance(result, Rejection):
            return result
        try:
            return self._pose(result, camera_frame, stamp_ns, asked)
        except _NotReliableError as error:
            return Rejection(*error.args, result.candidates, result.latency_s)

    def _on_clock_jump(self, jump: TimeJump) -> None:
        self.go_back_to(0)

    def _pose(
        self, result: Localization, camera_frame: str, stamp_ns: int, asked: bool
    ) -> UncertainPose:
        pose = UncertainPose(result.map_from_query, result.covariance)
        if self._transforms is None:
            return pose
        camera_from_base = self._transform(camera_frame, self._config.base_frame, stamp_ns)
        map_from_base = pose.of(camera_from_base)
        if self._config.pose_frame == 'base':
            pose = map_from_base
        if self._map_to_odom is None:
            return pose
        verdict = self._judged(map_from_base, stamp_ns)
        if self._initialpose is not None and (asked or verdict != Verdict.UPDATED):
            self._publish_initialpose(stamp_ns)
        return pose

    def _judged(self, map_from_base: UncertainPose, stamp_ns: int) -> Verdict:
        """Ask odometry, and broadcast what comes of it."""
        self._check_parent()
        odom_from_base = self._transform(
            self._config.odom_frame, self._config.base_frame, stamp_ns
        )
        verdict = self._map_to_odom.add(stamp_ns, map_from_base, odom_from_base)
        if self._broadcaster is not None:
            self._broadcaster.set(self._map_to_odom.map_from_odom)
        if verdict in SAID:
            self._node.get_logger().info(SAID[verdict])
        if verdict in HELD_BACK:
            raise _NotReliableError(*HELD_BACK[verdict])
        return verdict

    def _transform(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        found = self._transforms.wait_for(target, source, stamp_ns, TF_WAIT_S)
        if isinstance(found, MissingTransform):
            raise _NotReliableError(Reason.NO_TRANSFORM, found.detail)
        return found

    def _check_parent(self) -> None:
        """Refuse to hang odom on the map where it hangs already: tf2 would take both by turns."""
        if self._broadcaster is None:
            return
        parent = self._transforms.parent(self._config.odom_frame)
        if parent is None or (parent == self._map_frame and self._broadcaster.begun):
            return
        self._broadcaster.set(None)
        raise _NotReliableError(
            Reason.SECOND_PARENT,
            f"TF has '{self._config.odom_frame}' in '{parent}' already: end what publishes it, "
            'or set tf_mode to none',
        )

    def _publish_initialpose(self, stamp_ns: int) -> None:
        estimate = self._map_to_odom.map_from_base
        self._initialpose.publish(
            pose_with_covariance(
                self._map_frame, stamp_ns, estimate.target_from_source, estimate.covariance
            )
        )
