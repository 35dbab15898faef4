"""A relocalizer in a process of its own, and the camera and listeners around it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
import math
import os
from pathlib import Path as FilePath
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

    def report_of(self, msg: Any, info: CameraInfo) -> dict[str, str]:
        """
        Send an image and return what the relocalizer says of it.

        A best-effort listener that does not know its publisher yet hears nothing, and nobody can
        tell; a camera would go on sending, so this does.
        """
        stamp = str(stamp_ns(msg.header.stamp))
        matching = self.until(
            lambda: [each for each in self.reports() if each.get('image_stamp') == stamp],
            again=lambda: self.send(info, msg),
        )
        return matching[0]

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


@pytest.fixture(scope='module')
def relocalizer(wall_map: FilePath) -> Iterator[subprocess.Popen]:
    """Run a relocalizer on the wall for the tests of a module; it must survive them all."""
    process = started('relocalizer_node', '-p', f'map_path:={wall_map}', *GEOMETRIC)
    yield process
    survived = process.poll() is None
    assert interrupted(process) == 0
    assert survived
