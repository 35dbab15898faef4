"""The node's outputs: what it publishes of a result, and where."""

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TransformStamped
from rclpy.node import Node
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Localization
from relpose_ros.core.uncertain_pose import UncertainPose
from relpose_ros.nodes.conversions import (
    pose_stamped,
    pose_with_covariance,
    transform_stamped,
)
from relpose_ros.nodes.diagnostics import NO_INPUT, Report, statuses
from relpose_ros.nodes.health import Health
from relpose_ros.nodes.scene import LATCHED, Scene
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

DEPTH = 10


class Publishers:
    """Publishes results; exists while the node is active."""

    def __init__(
        self, node: Node, keyframe_map: KeyframeMap, tf_mode: str, identity: dict[str, str]
    ) -> None:
        """
        Create the publishers and show the map.

        :param tf_mode: 'keyframe' for the camera and its keyframe on TF.
        :param identity: what every diagnostic status says: map, estimator, device; replaceable.
        :raises MapError: if the map cannot be read; then there are no publishers.
        """
        self._node, self._map, self.identity = node, keyframe_map, identity
        self._tf_mode = tf_mode
        self.scene = Scene(node, keyframe_map)
        self._health = Health()
        self._keyframe_transforms: dict[int, TransformStamped] = {}
        self._relative_pose = node.create_publisher(PoseStamped, '~/relative_pose', DEPTH)
        self._pose = node.create_publisher(PoseWithCovarianceStamped, '~/pose', DEPTH)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', DEPTH)
        # tf2_ros' broadcasters do no more than this, and are not everywhere rclpy is.
        self._tf = node.create_publisher(TFMessage, '/tf', 100)
        self._tf_static = node.create_publisher(TFMessage, '/tf_static', LATCHED)

    def show(self, keyframe_map: KeyframeMap) -> None:
        """
        Show another map, and nothing of the one before.

        TF knows no deletion: keyframe frames that listeners have heard of move to where the new
        map has them; those it has not stay with them, but reach no new listener.

        :raises MapError: if the map cannot be read; then the one before is still shown.
        """
        now_ns = self._node.get_clock().now().nanoseconds
        transforms = {
            each: _keyframe_transform(keyframe_map, each, now_ns)
            for each in self._keyframe_transforms.keys() & set(keyframe_map.ids)
        }
        self.scene.show_map(keyframe_map)
        self._health = Health()
        self._map = keyframe_map
        if self._keyframe_transforms:
            self._keyframe_transforms = transforms
            self._publish_keyframe_transforms()

    def destroy(self) -> None:
        """Take the topics down."""
        for publisher in (
            self._relative_pose,
            self._pose,
            self._diagnostics,
            self._tf,
            self._tf_static,
        ):
            self._node.destroy_publisher(publisher)
        self.scene.destroy()

    def publish_localization(
        self, result: Localization, pose: UncertainPose, header: Header, stamp_ns: int
    ) -> None:
        """
        Publish a pose, under the frame and the stamp of its image.

        :param pose: what ~/pose says: that of the camera, or of the robot's base.
        :param header: the image's.
        :param stamp_ns: the image's stamp [ns].
        :raises MapError: if the map cannot be read; then nothing is published.
        """
        keyframe_frame = f'keyframe_{result.keyframe_id}'
        map_frame = self._map.map_frame
        keyframe_transform = _keyframe_transform(self._map, result.keyframe_id, stamp_ns)
        self._relative_pose.publish(
            pose_stamped(keyframe_frame, stamp_ns, result.keyframe_from_query)
        )
        self._pose.publish(
            pose_with_covariance(map_frame, stamp_ns, pose.target_from_source, pose.covariance)
        )
        if self._tf_mode != 'keyframe':
            return
        if result.keyframe_id not in self._keyframe_transforms:
            self._keyframe_transforms[result.keyframe_id] = keyframe_transform
            self._publish_keyframe_transforms()
        # Its parent changes with the winning keyframe; tf2 keeps the parent with every stamp.
        child = f'{header.frame_id or "camera"}_relocalized'
        moving = transform_stamped(keyframe_frame, child, stamp_ns, result.keyframe_from_query)
        self._tf.publish(TFMessage(transforms=[moving]))

    def publish_report(self, report: Report) -> None:
        """Publish what became of an image, or of the input, and how it has been going."""
        now_s = time.monotonic()
        if report.of_image:
            self._health.add(report, now_s)
        msg = DiagnosticArray()
        msg.header.stamp = self._node.get_clock().now().to_msg()
        name = self._node.get_fully_qualified_name().lstrip('/')
        msg.status = statuses(name, report, self._health.report(now_s), self.identity)
        self._diagnostics.publish(msg)
        if report.result == NO_INPUT or report.level == DiagnosticStatus.ERROR:
            self.scene.clear_result()

    def _publish_keyframe_transforms(self) -> None:
        # The topic is latched with depth 1: each message has to carry all of them.
        everything = list(self._keyframe_transforms.values())
        self._tf_static.publish(TFMessage(transforms=everything))


def _keyframe_transform(
    keyframe_map: KeyframeMap, keyframe_id: int, stamp_ns: int
) -> TransformStamped:
    map_from_keyframe = keyframe_map.pose(keyframe_id)
    child = f'keyframe_{keyframe_id}'
    return transform_stamped(keyframe_map.map_frame, child, stamp_ns, map_from_keyframe)
