"""Core types to messages and back; images and camera infos are read by datasets.image_messages."""

from array import array

from builtin_interfaces.msg import Time
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    PoseWithCovarianceStamped,
    Quaternion,
    TransformStamped,
    Vector3,
)
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import quaternion_xyzw
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

NS_PER_S = 1_000_000_000


def stamp_ns(stamp: Time) -> int:
    """Return a message's time [ns]."""
    return stamp.sec * NS_PER_S + stamp.nanosec


def header(frame_id: str, stamp_ns: int) -> Header:
    """
    Return a header.

    :param stamp_ns: time since the epoch [ns].
    """
    sec, nanosec = divmod(int(stamp_ns), NS_PER_S)
    return Header(frame_id=frame_id, stamp=Time(sec=sec, nanosec=nanosec))


def pose_message(target_from_source: np.ndarray) -> Pose:
    """
    Return the pose of the source frame in the target frame.

    :param target_from_source: (4, 4) [m].
    """
    return Pose(
        position=_components(Point, target_from_source[:3, 3]),
        orientation=_components(Quaternion, quaternion_xyzw(target_from_source[:3, :3])),
    )


def pose_stamped(frame_id: str, stamp_ns: int, frame_from_source: np.ndarray) -> PoseStamped:
    """
    Return the pose of the source frame in a named frame.

    :param stamp_ns: [ns].
    :param frame_from_source: (4, 4) [m].
    """
    return PoseStamped(header=header(frame_id, stamp_ns), pose=pose_message(frame_from_source))


def pose_with_covariance(
    frame_id: str, stamp_ns: int, frame_from_source: np.ndarray, covariance: np.ndarray
) -> PoseWithCovarianceStamped:
    """
    Return the pose of the source frame in a named frame, and how far it can be trusted.

    :param stamp_ns: [ns].
    :param frame_from_source: (4, 4) [m].
    :param covariance: (6, 6), x y z and rotations about the named frame's axes [m, rad].
    """
    msg = PoseWithCovarianceStamped(header=header(frame_id, stamp_ns))
    msg.pose.pose = pose_message(frame_from_source)
    msg.pose.covariance = np.asarray(covariance, np.float64).ravel()
    return msg


def transform_stamped(
    parent: str, child: str, stamp_ns: int, parent_from_child: np.ndarray
) -> TransformStamped:
    """
    Return a transform for /tf or /tf_static.

    :param stamp_ns: [ns].
    :param parent_from_child: (4, 4) [m].
    """
    msg = TransformStamped(header=header(parent, stamp_ns), child_frame_id=child)
    msg.transform.translation = _components(Vector3, parent_from_child[:3, 3])
    msg.transform.rotation = _components(Quaternion, quaternion_xyzw(parent_from_child[:3, :3]))
    return msg


def image_message(rgb: np.ndarray, frame_id: str, stamp_ns: int) -> Image:
    """
    Return an rgb8 image.

    :param rgb: (H, W, 3) uint8.
    :param stamp_ns: [ns].
    """
    height, width = rgb.shape[:2]
    msg = Image(header=header(frame_id, stamp_ns), height=height, width=width)
    msg.encoding, msg.step = 'rgb8', 3 * width
    # rclpy checks every element of anything but an array: 0.5 ms instead of 20 to 96.
    data = array('B')
    data.frombytes(rgb.tobytes())
    msg.data = data
    return msg


def camera_info_message(camera: Camera, frame_id: str, stamp_ns: int) -> CameraInfo:
    """
    Return the camera info that belongs to an image.

    :param stamp_ns: [ns].
    """
    msg = CameraInfo(header=header(frame_id, stamp_ns), width=camera.width, height=camera.height)
    msg.distortion_model = camera.distortion_model
    msg.d = [float(value) for value in camera.distortion or (0.0,) * 5]
    msg.k = camera.K.ravel()
    msg.r = np.eye(3).ravel()
    msg.p = np.hstack((camera.K, np.zeros((3, 1)))).ravel()
    return msg


def _components(message_class: type, values: np.ndarray) -> Point | Vector3 | Quaternion:
    names = ('x', 'y', 'z', 'w')[: len(values)]
    return message_class(**{name: float(value) for name, value in zip(names, values, strict=True)})
