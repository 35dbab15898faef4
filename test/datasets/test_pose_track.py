"""Poses between stamps are interpolated, never guessed beyond them; frames chain over the tree."""

import numpy as np
import pytest
from relpose_ros.core.geometry import inverse, rotation_angle_rad, transform
from relpose_ros.datasets.pose_track import FrameTree, PoseTrack
from scipy.spatial.transform import Rotation

SECOND_NS = 1_000_000_000
# Real stamps have 19 digits: more than a float holds.
START_NS = 1_700_000_000_123_456_789


def yawed(x_m: float, yaw_rad: float) -> np.ndarray:
    return transform(Rotation.from_euler('z', yaw_rad).as_matrix(), (x_m, 0, 0))


@pytest.fixture
def track() -> PoseTrack:
    stamps_ns = [START_NS + SECOND_NS // 2, START_NS, START_NS + 5 * SECOND_NS]
    return PoseTrack(stamps_ns, [yawed(1, 0.4), yawed(0, 0), yawed(2, 0)])


def test_between_stamps(track: PoseTrack) -> None:
    pose = track.at(START_NS + SECOND_NS // 8)
    np.testing.assert_allclose(pose, yawed(0.25, 0.1), atol=1e-12)


def test_at_stamps(track: PoseTrack) -> None:
    np.testing.assert_array_equal(track.at(START_NS), yawed(0, 0))
    np.testing.assert_array_equal(track.at(START_NS + 5 * SECOND_NS), yawed(2, 0))


@pytest.mark.parametrize('offset_ns', [-1, 3 * SECOND_NS, 5 * SECOND_NS + 1])
def test_no_pose_outside_or_in_a_gap(track: PoseTrack, offset_ns: int) -> None:
    assert track.at(START_NS + offset_ns) is None


def test_empty_track() -> None:
    assert PoseTrack([], []).at(0) is None


def test_rotation_takes_the_short_way() -> None:
    track = PoseTrack([0, 100], [yawed(0, np.pi - 0.1), yawed(0, -np.pi + 0.1)])
    turned = track.at(0)[:3, :3].T @ track.at(50)[:3, :3]
    assert rotation_angle_rad(turned) == pytest.approx(0.1)


def test_frames_chain_up_and_down() -> None:
    tree = FrameTree()
    map_from_odom, base_from_camera = yawed(5, 1.0), yawed(0.2, -0.5)
    base_from_laser = yawed(-0.3, 2.0)
    tree.add('map', 'odom', map_from_odom)
    tree.add('odom', 'base', PoseTrack([0, 100], [yawed(1, 0), yawed(3, 0.2)]))
    tree.add('base', 'camera', base_from_camera)
    tree.add('base', 'laser', base_from_laser)
    expected = map_from_odom @ yawed(2, 0.1) @ base_from_camera
    np.testing.assert_allclose(tree.at('map', 'camera', 50), expected, atol=1e-12)
    np.testing.assert_allclose(tree.at('camera', 'map', 50), inverse(expected), atol=1e-12)
    laser_from_camera = inverse(base_from_laser) @ base_from_camera
    np.testing.assert_allclose(tree.at('laser', 'camera', 999), laser_from_camera, atol=1e-12)
    assert tree.at('map', 'camera', 101) is None
    assert tree.frames == ['base', 'camera', 'laser', 'map', 'odom']
    assert tree.connects('map', 'laser') and not tree.connects('map', 'tag')


def test_a_loop_of_frames_ends() -> None:
    tree = FrameTree()
    tree.add('a', 'b', np.eye(4))
    tree.add('b', 'a', np.eye(4))
    assert not tree.connects('a', 'c')


def test_motion_is_continued_within_the_limit() -> None:
    stamps_ns = [START_NS, START_NS + SECOND_NS // 10, START_NS + SECOND_NS // 5]
    poses = [yawed(9, 0), yawed(1, 0.4), yawed(2, 0.6)]
    track = PoseTrack(stamps_ns, poses, max_extrapolation_s=0.1)
    pose = track.at(stamps_ns[-1] + SECOND_NS // 20)
    np.testing.assert_allclose(pose, yawed(2.5, 0.7), atol=1e-9)
    assert track.at(stamps_ns[-1] + SECOND_NS // 10 + 1) is None
    assert track.at(stamps_ns[0] - 1) is None


def test_motion_that_is_not_known_long_enough_is_not_continued() -> None:
    single = PoseTrack([START_NS], [yawed(0, 0)], max_extrapolation_s=0.1)
    gap = PoseTrack([0, 10 * SECOND_NS], [yawed(0, 0), yawed(1, 0)], max_extrapolation_s=0.1)
    assert single.at(START_NS + 1) is None
    assert gap.at(10 * SECOND_NS + 1) is None


def test_poses_can_be_added_and_forgotten() -> None:
    track = PoseTrack([100, 200], [yawed(1, 0), yawed(2, 0)])
    track.add(300, yawed(3, 0))
    track.add(300, yawed(9, 0))
    assert (track.begin_ns, track.end_ns) == (100, 300)
    np.testing.assert_allclose(track.at(250), yawed(2.5, 0), atol=1e-12)
    track.forget_before(200)
    assert track.begin_ns == 200 and track.at(150) is None
