"""rviz's "2D Pose Estimate" limits the search until an image is found in it."""

from pathlib import Path
import signal
import subprocess

from geometry_msgs.msg import PoseWithCovarianceStamped
import pytest
from relpose_ros.nodes.conversions import header, stamp_ns

CAPTURE = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}


@pytest.fixture
def process(rig, start, wall_map: Path) -> subprocess.Popen:
    """Return a relocalizer that listens."""
    return start('relocalizer_node', '-p', f'map_path:={wall_map}', **CAPTURE)


def estimate(rig, x_m: float, frame: str = 'map', stamp: int = 1, variance_m2: float = 0.01):
    """Publish as rviz does: x, y and yaw, their variances, and nothing else."""
    msg = PoseWithCovarianceStamped(header=header(frame, stamp))
    msg.pose.pose.position.x = x_m
    msg.pose.pose.orientation.w = 1.0
    msg.pose.covariance[0] = msg.pose.covariance[7] = variance_m2
    msg.pose.covariance[35] = 0.07
    publisher = rig.node.create_publisher(PoseWithCovarianceStamped, 'initialpose', 1)
    rig.until(publisher.get_subscription_count)
    publisher.publish(msg)
    publisher.wait_for_all_acked()
    rig.node.destroy_publisher(publisher)


def expect(rig, view, expected: str) -> int:
    """Check what becomes of an image, and return its stamp."""
    msg, info = rig.image(view)
    report = rig.report_of(msg, info)
    assert report['result'] == expected, report
    stamp = stamp_ns(msg.header.stamp)
    if expected == 'accepted':
        rig.until(lambda: stamp in rig.stamps('/relocalizer/pose'))
    else:
        rig.spin(0.2)
        assert stamp not in rig.stamps('/relocalizer/pose')
    return stamp


def output_of(process: subprocess.Popen) -> str:
    """End the node and return what it has said."""
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    return output


def test_an_estimate_holds_until_an_image_is_found_in_it(rig, process, photograph):
    """Elsewhere nothing is found, there the image is, and then everything may be found again."""
    estimate(rig, 9.0)
    expect(rig, photograph(0.3), 'no_keyframe_near_prior')
    estimate(rig, 0.4)
    expect(rig, photograph(-1.1), 'outside_prior')
    expect(rig, photograph(0.3), 'accepted')
    expect(rig, photograph(-1.1), 'accepted')
    # An estimate that is not sure of itself reaches further: 3 sigma.
    estimate(rig, 2.0, variance_m2=1.21)
    expect(rig, photograph(-1.1), 'accepted')
    assert 'looking within 1.0 m around (9.00, 0.00)' in output_of(process)


def test_estimates_that_are_ignored(rig, process, photograph):
    """Of another frame, not finite, and what the node has made itself of its last fix."""
    fix = expect(rig, photograph(0.3), 'accepted')
    estimate(rig, 9.0, stamp=fix)
    expect(rig, photograph(0.3), 'accepted')
    estimate(rig, 9.0, frame='odom')
    expect(rig, photograph(0.3), 'accepted')
    estimate(rig, float('nan'))
    expect(rig, photograph(0.3), 'accepted')
    estimate(rig, 9.0, variance_m2=float('inf'))
    expect(rig, photograph(0.3), 'accepted')
    output = output_of(process)
    assert "initialpose is in the frame 'odom' and is ignored" in output
    assert "in the map's, 'map'" in output
    assert output.count('initialpose is ignored: ') == 2
    assert 'looking within' not in output


def test_an_estimate_begins_the_search_again(rig, process, photograph, wall_map):
    """In the mode until_fix it is tried until an image is found; a new map forgets it."""
    assert rig.set_parameters(mode='until_fix').successful
    expect(rig, photograph(0.3), 'accepted')
    estimate(rig, 9.0)
    expect(rig, photograph(0.3), 'no_keyframe_near_prior')
    expect(rig, photograph(0.3), 'no_keyframe_near_prior')
    assert rig.set_parameters(map_path=str(wall_map)).successful
    expect(rig, photograph(0.3), 'accepted')
    output_of(process)
