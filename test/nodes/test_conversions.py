"""Core types to real messages and back."""

from geometry_msgs.msg import Point
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import rotation_from_quaternion, transform
from relpose_ros.datasets.image_messages import camera_from_info, rgb_from_image
from relpose_ros.nodes.conversions import (
    camera_info_message,
    header,
    image_message,
    pose_message,
    pose_with_covariance,
    stamp_ns,
    transform_stamped,
)

# A turn of 90 degrees about z: x of the source is y of the target.
TARGET_FROM_SOURCE = transform(
    np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([1.0, 2.0, 3.0])
)


@pytest.mark.parametrize('time_ns', [0, 1, 999_999_999, 1_000_000_000, 1795372944520068641])
def test_stamps_are_exact(time_ns: int):
    """No nanosecond is lost, which a float would do."""
    assert stamp_ns(header('map', time_ns).stamp) == time_ns


def test_pose():
    """Position and quaternion in the order of their names, w last and not negative."""
    msg = pose_message(TARGET_FROM_SOURCE)
    assert msg.position == Point(x=1.0, y=2.0, z=3.0)
    quaternion = (msg.orientation.x, msg.orientation.y, msg.orientation.z, msg.orientation.w)
    assert np.allclose(quaternion, (0, 0, np.sqrt(0.5), np.sqrt(0.5)))
    assert np.allclose(rotation_from_quaternion(quaternion), TARGET_FROM_SOURCE[:3, :3])


def test_transform_stamped():
    """The parent is the frame that the numbers are in."""
    msg = transform_stamped('map', 'camera', 7, TARGET_FROM_SOURCE)
    assert (msg.header.frame_id, msg.child_frame_id, stamp_ns(msg.header.stamp)) == (
        'map',
        'camera',
        7,
    )
    assert (msg.transform.translation.x, msg.transform.translation.z) == (1.0, 3.0)


def test_covariance_is_row_major():
    """Row by row, as ROS has it."""
    covariance = np.arange(36.0).reshape(6, 6)
    msg = pose_with_covariance('map', 7, TARGET_FROM_SOURCE, covariance)
    assert list(msg.pose.covariance) == list(range(36))


def test_image_and_camera_come_back():
    """What the player sends is what the node reads."""
    rgb = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    camera = Camera(8, 6, 7.0, 7.5, 3.5, 2.5, (0.1, 0.0, 0.0, 0.0, 0.0))
    msg = image_message(rgb, 'lens', 12)
    assert np.array_equal(rgb_from_image(msg), rgb)
    assert msg.header.frame_id == 'lens'
    assert camera_from_info(camera_info_message(camera, 'lens', 12)) == camera
