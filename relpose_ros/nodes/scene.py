"""What people see: markers of the map and of the last result, the path, the debug image."""

from collections import deque

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.core.camera import Camera, rectified
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.nodes.conversions import header, image_message, pose_stamped, stamp_ns
from relpose_ros.nodes.debug_image import debug_image
from relpose_ros.nodes.visualization import MapFrusta
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PATH_POSES = 500  # each is sent again with every new one


class Scene:
    """
    Shows a map and results in it.

    The whole map is one latched message, sent when the map changes. What the last image adds is
    another, small one, that takes the place of the one before: nothing stale stays.
    """

    def __init__(self, node: Node, keyframe_map: KeyframeMap) -> None:
        """
        Create the publishers and show the map.

        :raises MapError: if the map cannot be read; then there are no publishers.
        """
        frusta = MapFrusta(keyframe_map)
        self._node = node
        self._path: deque[PoseStamped] = deque(maxlen=PATH_POSES)
        self._markers = node.create_publisher(MarkerArray, '~/markers', LATCHED)
        self._result_markers = node.create_publisher(MarkerArray, '~/result_markers', LATCHED)
        self._paths = node.create_publisher(Path, '~/path', 1)
        self._debug_image = node.create_publisher(Image, '~/debug_image', 1)
        self._show(keyframe_map, frusta)

    def destroy(self) -> None:
        """Take the topics down; what looks at them keeps no last result."""
        self.clear_result()
        for publisher in (self._markers, self._result_markers, self._paths, self._debug_image):
            self._node.destroy_publisher(publisher)

    def show_map(self, keyframe_map: KeyframeMap) -> None:
        """
        Show another map, and nothing of the one before.

        :raises MapError: if the map cannot be read; then the one before is still shown.
        """
        self._show(keyframe_map, MapFrusta(keyframe_map))

    def show_result(
        self,
        result: Localization | Rejection,
        rgb: np.ndarray,
        camera: Camera,
        image_header: Header,
    ) -> None:
        """
        Show what became of an image.

        :param rgb: (H, W, 3) uint8, the query as it came.
        :param camera: its camera, with distortion.
        :param image_header: the image's.
        :raises MapError: if the map cannot be read; then nothing is shown.
        """
        image_stamp_ns = stamp_ns(image_header.stamp)
        # First: of all this only the picture reads the map.
        if self._debug_image.get_subscription_count():
            picture = self._picture(result, rgb, camera)
            self._debug_image.publish(
                image_message(picture, image_header.frame_id, image_stamp_ns)
            )
        self._result_markers.publish(self._frusta.result_markers(result, camera))
        self._result_shown = True
        if isinstance(result, Localization):
            self._go_on(result.map_from_query, image_stamp_ns)

    def clear_result(self) -> None:
        """Show the map alone: the last result is no longer how things are."""
        if self._result_shown:
            self._result_markers.publish(self._frusta.result_markers(None))
            self._result_shown = False

    def _show(self, keyframe_map: KeyframeMap, frusta: MapFrusta) -> None:
        self._map, self._frusta = keyframe_map, frusta
        self._markers.publish(frusta.map_markers())
        self._result_markers.publish(frusta.result_markers(None))
        self._result_shown = False
        self._path.clear()
        self._publish_path(self._node.get_clock().now().nanoseconds)

    def _picture(
        self, result: Localization | Rejection, rgb: np.ndarray, camera: Camera
    ) -> np.ndarray:
        keyframe = None
        if isinstance(result, Localization):
            keyframe = self._map.keyframe(result.keyframe_id)
        elif result.candidates:
            keyframe = self._map.keyframe(result.candidates[0].keyframe_id)
        return debug_image(rectified(rgb, camera)[0], result, keyframe)

    def _go_on(self, map_from_query: np.ndarray, image_stamp_ns: int) -> None:
        """Lengthen the path, or begin another where time jumps back."""
        if self._path and image_stamp_ns < stamp_ns(self._path[-1].header.stamp):
            self._path.clear()
        self._path.append(pose_stamped(self._map.map_frame, image_stamp_ns, map_from_query))
        if self._paths.get_subscription_count():
            self._publish_path(image_stamp_ns)

    def _publish_path(self, path_stamp_ns: int) -> None:
        head = header(self._map.map_frame, path_stamp_ns)
        self._paths.publish(Path(header=head, poses=list(self._path)))
