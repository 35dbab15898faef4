"""Time that jumps back: what was known of the time before is gone, and everything goes on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.nodes.conversions import (
    camera_info_message,
    header,
    image_message,
    stamp_ns,
    transform_stamped,
)
from rosgraph_msgs.msg import Clock
from tf2_msgs.msg import TFMessage

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CONFIRMATIONS = 3
TOLERANCE_NS = 200_000_000
S = 1_000_000_000


class Bag:
    """Plays a robot at rest: clock, TF and pictures of the wall."""

    def __init__(self, rig: Any, view: Any) -> None:
        self._rig, self._view = rig, view
        self._clock = rig.node.create_publisher(Clock, '/clock', 1)
        self._tf = rig.node.create_publisher(TFMessage, '/tf', 100)
        self._tf_static = rig.node.create_publisher(TFMessage, '/tf_static', LATCHED)
        rig.until(lambda: self._tf.get_subscription_count() > 1)  # the rig and the relocalizer
        mounted = transform_stamped('base_link', 'lens', 0, np.eye(4))
        self._tf_static.publish(TFMessage(transforms=[mounted]))

    def tick(self, now_ns: int) -> None:
        """Say how late it is."""
        self._clock.publish(Clock(clock=header('', now_ns).stamp))

    def play(self, now_ns: int, odometry: bool = True) -> str:
        """Play one image, stamped now, and return what becomes of it."""
        msg = image_message(self._view.rgb, 'lens', now_ns)
        info = camera_info_message(self._view.camera, 'lens', now_ns)
        transform = transform_stamped('odom', 'base_link', now_ns, np.eye(4))

        self._rig.forget()

        def send() -> None:
            self.tick(now_ns)
            if odometry:
                self._tf.publish(TFMessage(transforms=[transform]))
            self._rig.send(info, msg)

        # An image that is lost is sent again; so is one whose TF was.
        def reports() -> list[str]:
            results = [
                r['result'] for r in self._rig.reports() if r.get('image_stamp') == str(now_ns)
            ]
            return [each for each in results if not (odometry and each == 'no_transform')]

        return self._rig.until(reports, again=send)[0]

    def map_to_odom_stamps(self) -> list[int]:
        """Return the stamps of map -> odom."""
        transforms = [each for msg in self._rig.heard['/tf'] for each in msg.transforms]
        return [stamp_ns(t.header.stamp) for t in transforms if t.child_frame_id == 'odom']


@pytest.fixture
def play(rig, start, photograph, wall_map) -> Callable[..., Bag]:
    """Return a function that starts a relocalizer and its bag."""

    def begin(*parameters: str) -> Bag:
        rig.until(lambda: not rig.node.count_publishers('/relocalizer/pose'))
        for messages in rig.heard.values():
            messages.clear()
        given = (
            f'map_path:={wall_map}',
            'estimator:=geometric',
            'tf_mode:=odom',
            f'confirmations:={CONFIRMATIONS}',
            *parameters,
        )
        start('relocalizer_node', *(word for each in given for word in ('-p', each)))
        return Bag(rig, photograph(0.1))

    return begin


def test_a_bag_that_loops_with_its_clock(rig, play):
    """Map -> odom ends when the clock jumps back, and begins when new images confirm it."""
    bag = play('use_sim_time:=true')
    images_ns = [offset_ns * S // 5 for offset_ns in range(CONFIRMATIONS + 1)]
    expected = ['unconfirmed'] * (CONFIRMATIONS - 1) + ['accepted'] * 2
    for begin_ns in (100 * S, 10 * S):
        bag.tick(begin_ns)
        rig.forget()
        rig.until(lambda: len(rig.reports()) > 1)  # without images map -> odom would go on
        assert [bag.play(begin_ns + each) for each in images_ns] == expected
        accepted = [begin_ns + each for each in images_ns[-2:]]
        rig.until(lambda n=accepted[-1]: n + TOLERANCE_NS in bag.map_to_odom_stamps())
        rig.until(lambda n=accepted[-1]: n in rig.stamps('/relocalizer/pose'))
        assert rig.stamps('/relocalizer/pose')[-2:] == accepted
    second_ns = [each for each in bag.map_to_odom_stamps() if each < 100 * S]
    # It is published at a rate, not for each image: the clock may have gone on before its turn.
    assert min(second_ns) >= accepted[0] + TOLERANCE_NS
    assert len(set(rig.stamps('/relocalizer/pose'))) == 4


def test_stamps_jump_back_before_their_transforms(rig, play):
    """Where the robot was at that time in the loop before says nothing: no_transform."""
    bag = play()
    assert [bag.play(each * S) for each in (100, 101, 102)] == ['unconfirmed'] * 2 + ['accepted']
    rig.until(bag.map_to_odom_stamps)
    assert bag.play(100 * S + S // 2, odometry=False) == 'no_transform'
    assert bag.play(100 * S + S // 2 + 1) == 'unconfirmed'
    heard = len(bag.map_to_odom_stamps())
    assert [bag.play(each * S) for each in (101, 102)] == ['unconfirmed', 'accepted']
    rig.until(lambda: len(bag.map_to_odom_stamps()) > heard)
    assert set(rig.stamps('/relocalizer/pose')) <= {102 * S}
