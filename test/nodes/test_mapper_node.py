"""The mapper at work: poses from TF, keyframes that survive, a reason for every other image."""

from dataclasses import replace
import resource
import signal
import subprocess
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.core.geometry import inverse, transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.nodes.conversions import stamp_ns, transform_stamped
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

CAPTURE = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
BASE_FROM_LENS = transform(Rotation.from_euler('yx', (0.3, -1.5)).as_matrix(), (0.2, 0, 0.5))
# Long enough for a slow machine; and every image is looked at.
PARAMETERS = ('-p', 'max_rate_hz:=0.0', '-p', 'wait_s:=1.0')


class Robot:
    """A robot whose pose is on TF, with a camera on it."""

    def __init__(self, rig: Any) -> None:
        self._rig = rig
        self._tf = rig.node.create_publisher(TFMessage, '/tf', 100)
        self._static = rig.node.create_publisher(TFMessage, '/tf_static', LATCHED)
        self._depth = rig.node.create_publisher(Image, '/depth', 5)
        mounting = transform_stamped('base', 'lens', 0, BASE_FROM_LENS)
        self._static.publish(TFMessage(transforms=[mounting]))

    def take(self, view: Any, tf: bool = True, depth: Image | None = None) -> dict[str, str]:
        """Take a picture, with the robot's pose and depth, and return what the mapper says."""
        rig, (msg, info) = self._rig, self._rig.image(view)
        stamp = stamp_ns(msg.header.stamp)
        pose = view.map_from_camera @ inverse(BASE_FROM_LENS)
        moving = transform_stamped('map', 'base', stamp, pose)

        def publish() -> None:
            rig.send(info, msg)
            if depth is not None:
                depth.header = msg.header
                self._depth.publish(depth)
            if tf:
                self._tf.publish(TFMessage(transforms=[moving]))

        # Who does not know its publisher yet hears nothing: all is sent again.
        lost = ('no_transform',) * tf + ('no_depth',) * (depth is not None)

        def answers() -> list[dict[str, str]]:
            mine = [each for each in rig.reports() if each.get('image_stamp') == str(stamp)]
            return [each for each in mine if each['result'] not in lost]

        return rig.until(answers, again=publish)[-1]

    def call(self, name: str) -> Trigger.Response:
        """Call a service of the mapper."""
        client = self._rig.node.create_client(Trigger, f'/mapper/{name}')
        assert client.wait_for_service(timeout_sec=100)
        future = client.call_async(Trigger.Request())
        self._rig.until(future.done)
        self._rig.node.destroy_client(client)
        return future.result()


@pytest.fixture(scope='module')
def robot(rig):
    return Robot(rig)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'new.relmap'


@pytest.fixture
def mapper(start, path):
    return start('mapper_node', '-p', f'map_path:={path}', *PARAMETERS)


def positions_m(path) -> list[float]:
    with KeyframeMap.open(path) as keyframe_map:
        return [round(keyframe_map.pose(i)[0, 3], 6) for i in keyframe_map.ids]


def test_keyframes_by_motion_and_quality(robot, mapper, path, photograph):
    report = robot.take(photograph(0.0))
    assert (report['result'], report['level'], report['keyframes']) == ('added', OK, '1')
    assert robot.take(photograph(0.1))['result'] == 'not_moved'
    streak = np.full((1, 15), 1 / 15, np.float32)
    sharp = photograph(0.3)
    report = robot.take(replace(sharp, rgb=cv2.filter2D(sharp.rgb, -1, streak)))
    assert (report['result'], report['level']) == ('blurred', WARN)
    assert robot.take(replace(sharp, rgb=np.zeros_like(sharp.rgb)))['result'] == 'too_dark'
    view = photograph(0.3, 0.1, 4)
    report = robot.take(view)
    assert (report['result'], report['keyframes']) == ('added', '2')
    assert report['last_refusal'] == 'too_dark: the image is left out: too dark'
    counts = [report[f'images_{each}'] for each in ('added', 'not_moved', 'blurred', 'too_dark')]
    assert counts == ['2', '1', '1', '1']
    assert positions_m(path) == [0.0, 0.3]
    with KeyframeMap.open(path) as keyframe_map:
        keyframe = keyframe_map.keyframe(keyframe_map.ids[-1])
        np.testing.assert_allclose(keyframe.map_from_camera, view.map_from_camera, atol=1e-9)
        assert str(keyframe.stamp_ns) == report['image_stamp']
        assert keyframe.camera == view.camera and keyframe.depth_m is None


def test_no_pose_on_tf(robot, mapper, path, photograph):
    """Nothing stands in for a missing transform, and the report says what is missing."""
    report = robot.take(photograph(0.0), tf=False)
    assert (report['result'], report['level']) == ('no_transform', WARN)
    assert "frame 'map' is not on TF; known frames are base, lens" in report['detail']
    assert robot.take(photograph(0.0))['result'] == 'added'
    report = robot.take(photograph(0.5), tf=False)
    assert report['detail'].startswith("the newest TF of 'base' in 'map' is 0.0")
    response = robot.call('add_keyframe')
    assert not response.success and 'the newest TF' in response.message
    assert positions_m(path) == [0.0]


def test_no_camera_info(rig, robot, mapper, photograph):
    """The diagnostics say so, and so does the service."""
    rig.until(lambda: [r for r in rig.reports()[-3:] if 'no camera_info' in r.get('detail', '')])
    response = robot.call('add_keyframe')
    assert not response.success
    assert response.message.startswith('no image with camera_info has come yet: no image for')


def test_add_keyframe_at_rest(robot, mapper, path, photograph):
    """The newest image is taken whatever the motion, but only once."""
    for _ in range(2):
        robot.take(photograph(0.0))
    for _ in range(2):
        response = robot.call('add_keyframe')
        assert (response.success, response.message) == (True, 'keyframe 2')
    assert positions_m(path) == [0.0, 0.0]


def test_save_learns_and_mapping_goes_on(robot, mapper, path, photograph):
    response = robot.call('save')
    assert not response.success and response.message == f'{path}: has no keyframes'
    for x_m in (0.0, 0.4):
        robot.take(photograph(x_m))
    response = robot.call('save')
    assert (response.success, response.message) == (True, f'{path}: 2 keyframes')
    with KeyframeMap.open(path) as keyframe_map:
        assert keyframe_map.vocabulary.projection is not None
    assert robot.take(photograph(0.8))['keyframes'] == '3'
    assert positions_m(path) == [0.0, 0.4, 0.8]


def test_kill_9_and_on_again(robot, start, path, photograph):
    """Each keyframe is safe once it is added; started again the node goes on behind the last."""
    first = start('mapper_node', '-p', f'map_path:={path}', *PARAMETERS)
    for x_m in (0.0, 0.4):
        assert robot.take(photograph(x_m))['result'] == 'added'
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=100)
    assert positions_m(path) == [0.0, 0.4]
    start('mapper_node', '-p', f'map_path:={path}', *PARAMETERS)
    assert robot.take(photograph(0.5))['result'] == 'not_moved'
    assert robot.take(photograph(0.7))['result'] == 'added'
    assert positions_m(path) == [0.0, 0.4, 0.7]


def test_depth(robot, start, path, photograph):
    """With depth every keyframe has it; an image without waits and is left out."""
    # Image and depth together are more than a busy machine takes of what is sent once.
    depth_parameters = ('-p', 'depth:=true', '-p', 'reliability:=reliable')
    start('mapper_node', '-p', f'map_path:={path}', *depth_parameters, *PARAMETERS)
    view = photograph(0.0, 0.0, 5)
    height, width = view.depth_m.shape
    depth = Image(height=height, width=width, encoding='32FC1', step=4 * width)
    depth.data = view.depth_m.tobytes()
    report = robot.take(view)
    assert (report['result'], report['level']) == ('no_depth', WARN)
    assert "'/depth'" in report['detail']
    assert robot.take(view, depth=depth)['result'] == 'added'
    with KeyframeMap.open(path) as keyframe_map:
        np.testing.assert_allclose(keyframe_map.keyframe(1).depth_m, view.depth_m, atol=1e-3)


def test_full_disk(robot, start, path, photograph):
    """One clear error in the log, one in every report; what was added stays readable."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    # Lossy noise makes large keyframes; Fast DDS's own files are below the limit.
    parameters = ('-p', f'map_path:={path}', '-p', 'min_sharpness:=0.0', *PARAMETERS)
    process = start('mapper_node', *parameters, **CAPTURE, preexec_fn=limit_files)
    random = np.random.default_rng(0)
    for i in range(100):
        view = photograph(0.3 * (i % 10))
        noise = random.integers(0, 256, view.rgb.shape, np.uint8)
        report = robot.take(replace(view, rgb=noise))
        if report['result'] != 'added':
            break
    assert (report['result'], report['level']) == ('map_unwritable', ERROR), report
    assert f'{path}: cannot write: ' in report['detail']
    again = robot.take(replace(photograph(0.15), rgb=noise))
    assert again['result'] == 'map_unwritable'
    assert again['keyframes'] == str(i)
    with KeyframeMap.open(path) as keyframe_map:
        assert len(keyframe_map) == i > 0
        assert all(keyframe_map.keyframe(each).rgb.any() for each in keyframe_map.ids)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=100)
    assert output.count('cannot write') == 1
    assert 'Traceback' not in output


def test_wrong_parameters(start, wall_map):
    """A wrong parameter, or a map of another frame, ends the process with one sentence."""
    expected = {
        ("map_path:=''",): 'map_path: expected a map file',
        ('map_path:=/nowhere/a.relmap',): '/nowhere/a.relmap: cannot create the map',
        (f'map_path:={wall_map}', 'map_frame:=hall'): "is in frame 'map', not 'hall'",
        ('reliability:=maybe',): "reliability: expected one of best_effort, reliable, got 'maybe'",
        ('min_sharpness:=2.0',): 'min_sharpness',
    }
    for each, sentence in expected.items():
        words = [word for parameter in each for word in ('-p', parameter)]
        process = start('mapper_node', *words, **CAPTURE)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 1, each
        assert sentence in output
        assert 'Traceback' not in output
