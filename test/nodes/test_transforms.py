"""TF at the time of an image: interpolated, never guessed; where it is missing, with a reason."""

from collections.abc import Callable
import time

import numpy as np
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.core.geometry import inverse, transform
from relpose_ros.nodes.conversions import transform_stamped
from relpose_ros.nodes.transforms import (
    MissingTransform,
    NoTransform,
    TransformHistory,
    TransformListener,
)
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

START_NS = 1_700_000_000_123_456_789
S_NS = 1_000_000_000
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BASE_FROM_CAMERA = transform(Rotation.from_euler('yx', (0.3, -1.5)).as_matrix(), (0.2, 0, 0.5))


def moved(x_m: float, yaw_rad: float = 0.0) -> np.ndarray:
    return transform(Rotation.from_euler('z', yaw_rad).as_matrix(), (x_m, 0, 0))


def at(time_s: float) -> int:
    return START_NS + round(time_s * S_NS)


def history(**settings: float) -> TransformHistory:
    """Drive for a second at 1 m/s and 0.2 rad/s; poses come at 10 Hz."""
    result = TransformHistory(**settings)
    result.add_fixed('base', 'camera', BASE_FROM_CAMERA)
    for i in range(11):
        result.add('odom', 'base', at(i / 10), moved(i / 10, i / 50))
    return result


def reason(tf: TransformHistory, target: str, source: str, time_s: float) -> NoTransform:
    assert tf.at(target, source, at(time_s)) is None
    return tf.missing(target, source, at(time_s)).reason


def test_interpolated_along_the_chain():
    tf = history()
    expected = moved(0.25, 0.05) @ BASE_FROM_CAMERA
    np.testing.assert_allclose(tf.at('odom', 'camera', at(0.25)), expected, atol=1e-9)
    np.testing.assert_allclose(tf.at('camera', 'odom', at(0.25)), inverse(expected), atol=1e-9)
    assert tf.missing('odom', 'camera', at(0.25)) is None


def test_reasons():
    tf = history(max_gap_s=0.5)
    tf.add_fixed('shelf', 'tag', np.eye(4))
    tf.add('odom', 'base', at(2), moved(2))
    assert reason(tf, 'moon', 'camera', 0.5) == NoTransform.UNKNOWN_FRAME
    assert reason(tf, 'shelf', 'camera', 0.5) == NoTransform.NOT_CONNECTED
    assert reason(tf, 'odom', 'camera', -0.01) == NoTransform.TOO_OLD
    assert reason(tf, 'odom', 'camera', 1.5) == NoTransform.GAP
    assert reason(tf, 'odom', 'camera', 2.25) == NoTransform.NOT_YET
    assert "'moon' is not on TF; known frames are base, camera, odom, shelf, tag" in (
        tf.missing('moon', 'camera', at(0)).detail
    )
    late = tf.missing('odom', 'camera', at(2.25)).detail
    assert late == "the newest TF of 'base' in 'odom' is 0.250 s older than the image"


def test_motion_continues_only_as_far_as_allowed():
    tf = history(max_extrapolation_s=0.25)
    expected = moved(1.2, 0.24) @ BASE_FROM_CAMERA
    np.testing.assert_allclose(tf.at('odom', 'camera', at(1.2)), expected, atol=1e-9)
    assert reason(tf, 'odom', 'camera', 1.26) == NoTransform.NOT_YET
    assert reason(tf, 'odom', 'camera', -0.01) == NoTransform.TOO_OLD
    single = TransformHistory(max_extrapolation_s=0.25)
    single.add('odom', 'base', at(0), moved(0))
    assert reason(single, 'odom', 'base', 0.1) == NoTransform.NOT_YET


def test_history_is_bounded():
    tf = history(history_s=0.5)
    assert reason(tf, 'odom', 'base', 0.49) == NoTransform.TOO_OLD
    assert tf.at('odom', 'base', at(0.5)) is not None


def test_out_of_order_poses_are_sorted_in():
    tf = history()
    tf.add('odom', 'base', at(0.25), moved(0.25, 1.0))
    np.testing.assert_allclose(tf.at('odom', 'base', at(0.25)), moved(0.25, 1.0), atol=1e-9)
    assert tf.at('odom', 'base', at(0.95)) is not None


def test_a_jump_back_in_time_forgets_moving_frames_only():
    tf = history()
    tf.add('map', 'odom', at(0.5), moved(7))
    tf.add('odom', 'base', at(-60), moved(3))
    assert tf.jumps == 1
    np.testing.assert_allclose(tf.at('odom', 'camera', at(-60)), moved(3) @ BASE_FROM_CAMERA)
    assert reason(tf, 'odom', 'camera', 0.5) == NoTransform.NOT_YET
    assert reason(tf, 'map', 'camera', -60) == NoTransform.NOT_YET
    tf.add('map', 'odom', at(-60), moved(1))
    assert tf.at('map', 'camera', at(-60)) is not None


def test_a_new_parent_counts_instead_of_the_old():
    tf = history()
    tf.add('dock', 'base', at(2), moved(5))
    assert reason(tf, 'odom', 'camera', 0.5) == NoTransform.UNKNOWN_FRAME
    np.testing.assert_allclose(tf.at('dock', 'base', at(2)), moved(5))


class Robot:
    """Publishes TF from another node; the listener is never spun."""

    def __init__(self) -> None:
        self.node = rclpy.create_node('robot')
        self.moving = self.node.create_publisher(TFMessage, '/tf', 100)
        self.static = self.node.create_publisher(TFMessage, '/tf_static', LATCHED)
        self.listening = rclpy.create_node('listening')
        self.listener = TransformListener(self.listening)

    def publish(self, time_s: float, odom_from_base: np.ndarray) -> None:
        msg = transform_stamped('odom', 'base', at(time_s), odom_from_base)
        self.moving.publish(TFMessage(transforms=[msg]))


@pytest.fixture
def robot(ros):
    """Return a robot whose camera is on /tf_static."""
    robot = Robot()
    mounting = transform_stamped('/base', '/camera', 0, BASE_FROM_CAMERA)
    robot.static.publish(TFMessage(transforms=[mounting]))
    yield robot
    robot.listener.destroy()
    robot.node.destroy_node()
    robot.listening.destroy_node()


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_listener_hears_without_the_executor(robot: Robot):
    """A node that is busy with an image has all TF at the next."""
    until(lambda: robot.moving.get_subscription_count() == 1)
    for i in range(300):
        robot.publish(i / 100, moved(i / 100))
    until(lambda: robot.listener.at('odom', 'camera', at(2.99)) is not None)
    found = robot.listener.at('/odom', 'camera', at(1.005))
    np.testing.assert_allclose(found, moved(1.005) @ BASE_FROM_CAMERA, atol=1e-9)
    assert robot.listener.missing('odom', 'camera', at(1.005)) is None


def test_listener_waits_for_what_may_still_come(robot: Robot):
    until(lambda: robot.moving.get_subscription_count() == 1)
    missing = robot.listener.wait_for('odom', 'camera', at(0), 0.01)
    assert isinstance(missing, MissingTransform)
    assert missing.reason == NoTransform.UNKNOWN_FRAME
    robot.publish(0, moved(0))
    assert isinstance(robot.listener.wait_for('odom', 'camera', at(0), 100), np.ndarray)
    missing = robot.listener.wait_for('odom', 'camera', at(0.5), 0.01)
    assert missing.reason == NoTransform.NOT_YET
    # A pose from before the first will never come: this returns at once.
    missing = robot.listener.wait_for('odom', 'camera', at(-0.5), 1e6)
    assert missing.reason == NoTransform.TOO_OLD


def test_listener_leaves_out_what_is_no_transform(robot: Robot):
    until(lambda: robot.moving.get_subscription_count() == 1)
    broken = moved(0)
    msg = transform_stamped('odom', 'base', at(0), broken)
    msg.transform.rotation.w = 0.0
    robot.moving.publish(TFMessage(transforms=[msg]))
    robot.publish(1, moved(1))
    found = robot.listener.wait_for('odom', 'base', at(1), 100)
    np.testing.assert_allclose(found, moved(1), atol=1e-9)
    assert robot.listener.missing('odom', 'base', at(0)).reason == NoTransform.TOO_OLD
