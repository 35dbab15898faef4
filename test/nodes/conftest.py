"""A relocalizer in a process of its own, and the camera and listeners around it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import math
import os
from pathlib import Path as FilePath
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from nav_msgs.msg import Path
import pytest
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.core.camera import Camera
from relpose_ros.nodes.conversions import camera_info_message, image_message, stamp_ns
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

REPOSITORY = FilePath(__file__).parents[2]
NODES = 'relpose_ros.nodes'
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TIMEOUT_S = 100.0  # only what fails takes so long, however slow the machine
AGAIN_S = 10.0
TOPICS = {
    '/relocalizer/pose': (PoseWithCovarianceStamped, 100),
    '/relocalizer/relative_pose': (PoseStamped, 100),
    '/relocalizer/markers': (MarkerArray, LATCHED),
    '/relocalizer/result_markers': (MarkerArray, LATCHED),
    '/relocalizer/path': (Path, 100),
    '/tf': (TFMessage, 100),
    '/tf_static': (TFMessage, LATCHED),
    # The last: a relocalizer whose diagnostics arrive knows the listeners before it, too.
    '/diagnostics': (DiagnosticArray, 100),
}

GEOMETRIC = ('-p', 'estimator:=geometric')  # exact on the wall, so that poses can be checked


def started(module: str, *arguments: str, **popen: Any) -> subprocess.Popen:
    """Start a node of this package as users do."""
    command = [sys.executable, '-m', f'{NODES}.{module}', '--ros-args', *arguments]
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    return subprocess.Popen(command, env=environment, cwd=REPOSITORY, text=True, **popen)


def interrupted(process: subprocess.Popen) -> int:
    """Press Ctrl-C and return the exit code."""
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=TIMEOUT_S)


@dataclass
class Rig:
    """A camera that publishes, and everything the relocalizer publishes."""

    node: Any
    executor: SingleThreadedExecutor
    heard: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.publishers = {
            CameraInfo: self.node.create_publisher(CameraInfo, 'camera_info', 5),
            Image: self.node.create_publisher(Image, 'image', 5),
            CompressedImage: self.node.create_publisher(CompressedImage, 'image/compressed', 5),
        }
        for topic, (message_class, qos) in TOPICS.items():
            self.heard[topic] = []
            self.node.create_subscription(message_class, topic, self.heard[topic].append, qos)
        self._stamp_ns = time.time_ns()
        self._matched: set[type] = set()
        self._accepted: set[int] = set()

    def next_stamp_ns(self) -> int:
        """Return a stamp that no image had."""
        self._stamp_ns += 1_000_003
        return self._stamp_ns

    def until(
        self,
        condition: Callable[[], Any],
        again: Callable[[], Any] = lambda: None,
        again_s: float = AGAIN_S,
    ) -> Any:
        """
        Spin until a condition holds and return its value; fail if it never does.

        :param again: called now and whenever it has not helped for a while.
        """
        start_s, called_s = time.monotonic(), -math.inf
        while (now_s := time.monotonic()) < start_s + TIMEOUT_S:
            value = condition()
            if value:
                return value
            if now_s > called_s + again_s:
                again()
                called_s = time.monotonic()
            self.executor.spin_once(timeout_sec=0.05)
        pytest.fail(f'not within {TIMEOUT_S} s; last diagnostics: {self.reports()[-1:]}')

    def spin(self, duration_s: float) -> None:
        """Spin for a while."""
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self.executor.spin_once(timeout_sec=0.02)

    def send(self, *messages: Any) -> None:
        """Publish, each on its topic, once the relocalizer listens."""
        for msg in messages:
            # The node leaves the transport that does not deliver, and comes back on a stall.
            publisher = self.publishers[type(msg)]
            if type(msg) not in self._matched or not publisher.get_subscription_count():
                self.until(publisher.get_subscription_count)
                heard = len(self.heard['/diagnostics'])
                self.until(lambda heard=heard: len(self.heard['/diagnostics']) > heard)
                self._matched.add(type(msg))
            publisher.publish(msg)

    def call(self, service_class: type, name: str, request: Any) -> Any:
        """Call a service of the relocalizer and return its answer."""
        client = self.node.create_client(service_class, f'/relocalizer/{name}')
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        self.node.destroy_client(client)
        return future.result()

    def set_parameters(self, **values: Any) -> SetParametersResult:
        """Set parameters of the relocalizer, all or none."""
        messages = [
            Parameter(name, value=each).to_parameter_msg() for name, each in values.items()
        ]
        request = SetParametersAtomically.Request(parameters=messages)
        return self.call(SetParametersAtomically, 'set_parameters_atomically', request).result

    def publish(self, *messages: Any) -> None:
        """Publish, each on its topic, whether or not anybody listens."""
        for msg in messages:
            self.publishers[type(msg)].publish(msg)

    def reports(self) -> list[dict[str, str]]:
        """Return what was said of each image, and of the input where none came."""
        statuses = [status for msg in self.heard['/diagnostics'] for status in msg.status]
        return [
            {each.key: each.value for each in status.values} | {'level': status.level}
            for status in statuses
            if not status.name.endswith('localization')  # sums up
        ]

    def messages(self, node_name: str) -> list[str]:
        """Return the summaries of a node's diagnostics."""
        statuses = [status for msg in self.heard['/diagnostics'] for status in msg.status]
        return [each.message for each in statuses if each.name.startswith(node_name)]

    def report_of(self, msg: Any, info: CameraInfo | None) -> dict[str, str]:
        """
        Send an image, after a camera info, and return what the relocalizer says of it.

        A best-effort listener that does not know its publisher yet hears nothing, and nobody can
        tell; a camera would go on sending, so this does.
        """
        stamp = str(stamp_ns(msg.header.stamp))
        messages = (msg,) if info is None else (info, msg)
        matching = self.until(
            lambda: [each for each in self.reports() if each.get('image_stamp') == stamp],
            again=lambda: self.send(*messages),
        )
        return matching[0]

    def forget(self) -> None:
        """Begin to listen to diagnostics anew; which images were accepted stays known."""
        self._note_accepted()
        self.heard['/diagnostics'].clear()

    def restart(self, message_class: type) -> None:
        """Take a publisher of the camera down and put another in its place."""
        before = self.publishers.pop(message_class)
        self.node.destroy_publisher(before)
        self.publishers[message_class] = self.node.create_publisher(message_class, before.topic, 5)
        self._matched.discard(message_class)

    def expect_poses_again(self, msg: Any, info: CameraInfo) -> PoseWithCovarianceStamped:
        """Check that an image is localized, and of those before only what was reported so."""
        report, stamp = self.report_of(msg, info), stamp_ns(msg.header.stamp)
        assert report['result'] == 'accepted', report
        self.until(lambda: all(stamp in stamps for stamps in self.published_stamps()))
        self._note_accepted()
        assert set().union(*self.published_stamps()) <= self._accepted
        poses = self.heard['/relocalizer/pose']
        return next(each for each in poses if each.header.stamp == msg.header.stamp)

    def published_stamps(self) -> list[list[int]]:
        """Return the stamps of poses, of relative poses and of the camera on TF."""
        transforms = [each for msg in self.heard['/tf'] for each in msg.transforms]
        own = [each for each in transforms if each.child_frame_id.endswith('_relocalized')]
        return [
            self.stamps('/relocalizer/pose'),
            self.stamps('/relocalizer/relative_pose'),
            [stamp_ns(each.header.stamp) for each in own],
        ]

    @staticmethod
    def resident_kb(process: subprocess.Popen) -> int:
        """Return the memory that a process has in RAM [kB]."""
        lines = FilePath(f'/proc/{process.pid}/status').read_text().splitlines()
        return next(int(each.split()[1]) for each in lines if each.startswith('VmRSS'))

    def _note_accepted(self) -> None:
        accepted = [each for each in self.reports() if each['result'] == 'accepted']
        self._accepted |= {int(each['image_stamp']) for each in accepted}

    def image(self, view: Any) -> tuple[Image, CameraInfo]:
        """Return a picture of the wall as a camera publishes it."""
        return self.pair(view.rgb, view.camera)

    def pair(self, rgb: Any, camera: Camera) -> tuple[Image, CameraInfo]:
        """Return an image and its camera info with a new stamp."""
        stamp = self.next_stamp_ns()
        return image_message(rgb, 'lens', stamp), camera_info_message(camera, 'lens', stamp)

    def stamps(self, topic: str) -> list[int]:
        """Return the stamps of the messages heard on a topic."""
        return [stamp_ns(msg.header.stamp) for msg in self.heard[topic]]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Return `started`; what still runs at the end of the test is interrupted."""
    processes = []

    def start_one(*arguments: Any, **popen: Any) -> subprocess.Popen:
        processes.append(started(*arguments, **popen))
        return processes[-1]

    yield start_one
    for process in processes:
        if process.poll() is None:
            interrupted(process)


@pytest.fixture(scope='module')
def rig(ros: None) -> Iterator[Rig]:
    """Return a camera and listeners."""
    node = rclpy.create_node('rig')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    yield Rig(node, executor)
    node.destroy_node()


@contextmanager
def surviving(map_path: FilePath, *parameters: str) -> Iterator[subprocess.Popen]:
    """Run a relocalizer, which must survive and end as it should."""
    process = started('relocalizer_node', '-p', f'map_path:={map_path}', *GEOMETRIC, *parameters)
    yield process
    survived = process.poll() is None
    assert interrupted(process) == 0
    assert survived


@pytest.fixture(scope='module')
def relocalizer(wall_map: FilePath) -> Iterator[subprocess.Popen]:
    """Run a relocalizer on the wall for the tests of a module; it must survive them all."""
    with surviving(wall_map) as process:
        yield process


@pytest.fixture(scope='module')
def open_map(wall_map: FilePath, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilePath]:
    """
    Run a relocalizer for the tests of a module on a copy of the wall's map.

    It has one keyframe in memory; the others are read from the file, which is returned.
    """
    path = FilePath(shutil.copy(wall_map, tmp_path_factory.mktemp('open') / 'open.relmap'))
    with surviving(path, '-p', 'cached_keyframes:=1'):
        yield path
