"""Poses in messages to transforms; rclpy and rosbags messages alike."""

from typing import Any

import numpy as np
from relpose_ros.core.geometry import rotation_from_quaternion, transform


def rigid_from_message(translation: Any, rotation: Any) -> np.ndarray | None:
    """
    Convert a position and a quaternion message.

    :param translation: Vector3 or Point [m].
    :param rotation: Quaternion, of any non-zero norm.
    :return: (4, 4); None if they are no rigid transform.
    """
    t = np.array([translation.x, translation.y, translation.z])
    quat_xyzw = np.array([rotation.x, rotation.y, rotation.z, rotation.w])
    if not (np.isfinite(t).all() and np.isfinite(quat_xyzw).all() and np.any(quat_xyzw)):
        return None
    return transform(rotation_from_quaternion(quat_xyzw), t)


def frame_of(message: Any) -> str:
    """Return the frame of a message with a header; old drivers write '/map' for 'map'."""
    return message.header.frame_id.lstrip('/')


def stamp_of(message: Any) -> int:
    """Return the time of a message with a header [ns]."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
