"""The relocalizer with a robot around it: TF, drifting odometry, wrong images, a kidnapping."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from geometry_msgs.msg import PoseWithCovarianceStamped
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.core.geometry import (
    inverse,
    position_error_m,
    rotation_error_rad,
    transform,
)
from relpose_ros.core.map_to_odom import WINDOW
from relpose_ros.datasets.pose_messages import rigid_from_message
from relpose_ros.nodes.conversions import (
    camera_info_message,
    image_message,
    transform_stamped,
)
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PERIOD_NS = 200_000_000
STEP_M = 0.06
# The camera looks to the left of the robot, the robot drives along the wall.
BASE_FROM_CAMERA = transform(
    Rotation.from_euler('zx', (8, -90), degrees=True).as_matrix(), np.array([0.2, 0.1, 0.4])
)
CAMERA_FROM_BASE = inverse(BASE_FROM_CAMERA)
ODOMETRY_NOISE = 0.02
LONGEST_QUEUE = 100


@dataclass
class Robot:
    """
    A robot that drives to and fro along the wall, photographs it, and drifts by 2 % and 1 deg/m.

    :param rig: has the topics.
    :param photograph: takes a picture at x [m] with a yaw [deg].
    """

    rig: object
    photograph: object
    x_m: float = -0.9
    direction: float = 1.0
    stamp_ns: int = 0
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.stamp_ns = self.rig.next_stamp_ns()
        node = self.rig.node
        self._tf = node.create_publisher(TFMessage, '/tf', 100)
        self._tf_static = node.create_publisher(TFMessage, '/tf_static', LATCHED)
        self._look()
        self.odom_from_base = transform(np.eye(3), np.array([3.0, -2.0, 0.0]))

    def destroy(self) -> None:
        """Take the topics down."""
        for publisher in (self._tf, self._tf_static):
            self.rig.node.destroy_publisher(publisher)

    def mount_camera(self) -> None:
        """Say where on the robot the camera is, once the relocalizer listens."""
        self.rig.until(lambda: self.rig.node.count_subscribers('/tf') > 1)
        mounted = transform_stamped('base_link', 'lens', 0, BASE_FROM_CAMERA)
        self._tf_static.publish(TFMessage(transforms=[mounted]))

    def drive(self) -> None:
        """Drive on for one period; odometry is published before and after the image."""
        before = self.map_from_base
        self.x_m += self.direction * STEP_M
        if abs(self.x_m) > 0.9:
            self.direction = -self.direction
        self._look()
        moved = inverse(before) @ self.map_from_base
        way_m = np.linalg.norm(moved[:3, 3])
        moved[:3, 3] *= 1.02 + ODOMETRY_NOISE * self.random.standard_normal()
        drift_rad = np.radians(1.0) * way_m
        drift = Rotation.from_rotvec((0, 0, drift_rad)).as_matrix()
        self.odom_from_base = self.odom_from_base @ moved @ transform(drift, np.zeros(3))
        self.stamp_ns += PERIOD_NS
        self.publish_odometry('odom')

    def publish_odometry(self, odom_frame: str) -> None:
        """Publish the same pose shortly before and shortly after the image's stamp."""
        for offset_ns in (-1000, 1000):
            stamped = transform_stamped(
                odom_frame, 'base_link', self.stamp_ns + offset_ns, self.odom_from_base
            )
            self._tf.publish(TFMessage(transforms=[stamped]))

    def publish_fixed(self, parent: str, child: str) -> None:
        """Say that a frame hangs on another."""
        self._tf.publish(
            TFMessage(transforms=[transform_stamped(parent, child, self.stamp_ns, np.eye(4))])
        )

    def carried_to(self, x_m: float) -> None:
        """Be put elsewhere, which odometry does not notice."""
        self.x_m = x_m
        self._look()

    def report(self, elsewhere: bool = False) -> dict[str, str]:
        """
        Send an image and return what the relocalizer says of it.

        :param elsewhere: show a place that is 0.8 m away, as if the place had been mistaken.
        """
        view = self.view
        if elsewhere:
            view = self.photograph(self.x_m + (0.8 if self.x_m < 0 else -0.8))
        msg = image_message(view.rgb, 'lens', self.stamp_ns)
        info = camera_info_message(view.camera, 'lens', self.stamp_ns)
        return self.rig.report_of(msg, info)

    def map_from_odom(self) -> np.ndarray | None:
        """Return what is on TF after the last report, None if there is nothing."""
        if not self._map_to_odom():
            return None
        heard = len(self._map_to_odom())
        # The first may have been on its way already.
        self.rig.until(lambda: len(self._map_to_odom()) >= heard + 2)
        newest = self._map_to_odom()[-1].transform
        return rigid_from_message(newest.translation, newest.rotation)

    def within_10_cm(self, map_from_odom: np.ndarray) -> bool:
        """Return whether map -> base is within 10 cm and 3 deg of the truth."""
        estimated = map_from_odom @ self.odom_from_base
        near = position_error_m(estimated, self.map_from_base) < 0.1
        return near and rotation_error_rad(estimated, self.map_from_base) < np.radians(3)

    def edges(self) -> set[tuple[str, str]]:
        """Return every parent and child that was heard on TF."""
        heard = [*self.rig.heard['/tf'], *self.rig.heard['/tf_static']]
        return {(t.header.frame_id, t.child_frame_id) for tf in heard for t in tf.transforms}

    def _map_to_odom(self) -> list:
        heard = [each for tf in self.rig.heard['/tf'] for each in tf.transforms]
        return [each for each in heard if each.child_frame_id == 'odom']

    def _look(self) -> None:
        self.view = self.photograph(self.x_m, 0.1 * np.sin(3 * self.x_m), 5 * np.sin(4 * self.x_m))
        self.map_from_base = self.view.map_from_camera @ CAMERA_FROM_BASE


@pytest.fixture
def robot(rig, photograph) -> Iterator[Robot]:
    """Return a robot before its relocalizer starts; the one before is not heard any more."""
    rig.until(lambda: not rig.node.count_publishers('/relocalizer/pose'))
    for _ in range(LONGEST_QUEUE * len(rig.heard)):
        rig.executor.spin_once(timeout_sec=0)
    for messages in rig.heard.values():
        messages.clear()
    robot = Robot(rig, photograph)
    yield robot
    robot.destroy()


def navigating(start, wall_map, *parameters: str) -> None:
    """Start a relocalizer."""
    given = (f'map_path:={wall_map}', 'estimator:=geometric', *parameters)
    start('relocalizer_node', *(word for each in given for word in ('-p', each)))


def test_a_drive_with_wrong_images_and_a_kidnapping(rig, robot, start, wall_map):
    """Map -> base holds, one wrong image moves nothing, a kidnapping is noticed: by topics."""
    initial_poses = []
    listening = rig.node.create_subscription(
        PoseWithCovarianceStamped, 'initialpose', initial_poses.append, 10
    )
    parameters = ('tf_mode:=odom', 'publish_initialpose:=true', 'pose_frame:=base')
    navigating(start, wall_map, *parameters)
    robot.mount_camera()
    within, results, lost_for = [], [], None
    for image in range(36):
        robot.drive()
        if image == 20:
            robot.carried_to(-robot.x_m)
            lost_for = 0
        wrong = image in (1, 9, 13, 17, 23, 33)
        results.append(robot.report(elsewhere=wrong)['result'])
        assert not (wrong and results[-1] == 'accepted')
        map_from_odom = robot.map_from_odom()
        if map_from_odom is None:
            assert set(results) == {'unconfirmed'}
            continue
        if lost_for is not None:
            lost_for = None if robot.within_10_cm(map_from_odom) else lost_for + 1
            assert lost_for is None or lost_for < WINDOW
        else:
            within.append(robot.within_10_cm(map_from_odom))
        if results[-1] == 'accepted':
            expect_pose_of_the_base(rig, robot)
    assert lost_for is None
    assert results.index('accepted') <= 5
    assert len(within) >= 25
    assert np.mean(within) > 0.95
    rig.until(lambda: len(initial_poses) >= 2)
    assert len(initial_poses) == 2  # the first fix, and after the kidnapping
    assert {pose.header.frame_id for pose in initial_poses} == {'map'}
    for pose in initial_poses:
        covariance = np.reshape(pose.pose.covariance, (6, 6))
        assert np.linalg.eigvalsh(covariance).min() > 0.005**2 / 2
        assert np.sqrt(np.linalg.eigvalsh(covariance)[-1]) < 0.1
    rig.node.destroy_subscription(listening)
    # A tree: every frame has one parent, and there are no others.
    assert robot.edges() == {('map', 'odom'), ('odom', 'base_link'), ('base_link', 'lens')}


def expect_pose_of_the_base(rig, robot) -> None:
    """Check that ~/pose has the base at the image's stamp."""
    rig.until(lambda: robot.stamp_ns in rig.stamps('/relocalizer/pose'))
    pose = rig.heard['/relocalizer/pose'][-1].pose.pose
    map_from_base = rigid_from_message(pose.position, pose.orientation)
    assert position_error_m(map_from_base, robot.map_from_base) < 0.05


def test_without_transforms(rig, robot, start, wall_map):
    """The reason names the frame; nothing is published until TF has all of them."""
    navigating(start, wall_map, 'tf_mode:=odom', 'confirmations:=1')
    report = robot.report()
    assert (report['result'], report['level']) == ('no_transform', b'\x01')
    assert "'lens'" in report['detail']
    robot.mount_camera()
    robot.stamp_ns += PERIOD_NS
    report = robot.report()
    assert report['result'] == 'no_transform'
    assert "'odom'" in report['detail']
    assert float(report['latency_describe_ms']) > 0
    assert robot.edges() == {('base_link', 'lens')}
    assert not rig.heard['/relocalizer/pose']
    robot.drive()
    assert robot.report()['result'] == 'accepted'
    rig.until(lambda: ('map', 'odom') in robot.edges())


def test_who_else_publishes_the_parent_of_odom(rig, robot, start, wall_map):
    """Then nothing is published but the reason."""
    navigating(start, wall_map, 'tf_mode:=odom', 'confirmations:=1')
    robot.mount_camera()
    robot.publish_fixed('world', 'odom')
    robot.drive()
    report = robot.report()
    assert report['result'] == 'second_parent'
    assert "'odom' in 'world'" in report['detail']
    assert ('map', 'odom') not in robot.edges()


def test_pose_of_the_base_without_odometry(rig, robot, start, wall_map):
    """With pose_frame alone every fix is published, moved to the base with its covariance."""
    navigating(start, wall_map, 'tf_mode:=none', 'pose_frame:=base')
    robot.mount_camera()
    assert robot.report()['result'] == 'accepted'
    expect_pose_of_the_base(rig, robot)
    assert robot.edges() == {('base_link', 'lens')}
