"""Plays images from files on a camera topic, as a camera would or one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
import sys
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from relpose_ros.core.camera import Camera
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.nodes.conversions import camera_info_message, image_message
from relpose_ros.nodes.json_lines import JsonLines
from relpose_ros.nodes.parameters import check_choices, declare, read
from relpose_ros.nodes.process import Done, run
from sensor_msgs.msg import CameraInfo, Image

FRAME_ID = 'camera'
POLL_S = 0.05
SETTLE_S = 0.5  # until the listener knows of the player, and until the last image is delivered


@dataclass(frozen=True, slots=True)
class PlayerConfig:
    """
    What to play and how.

    :param data: folder in 7-Scenes layout, or of images if intrinsics are given.
    :param part: which images of a 7-Scenes layout.
    :param intrinsics: fx fy cx cy [px] of a folder of images; all 0 for a 7-Scenes layout.
    :param rate_hz: images per second; 0 to send each when the one before has been processed.
    :param stamps_file: JSON lines with the stamp and name of each image; empty for none.
    :param timeout_s: how long to wait for a listener, and for an image to be processed [s].
    """

    data: str = ''
    part: str = field(default='queries', metadata={'choices': ('queries', 'replay')})
    intrinsics: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    rate_hz: float = field(default=0.0, metadata={'range': (0.0, 1000.0)})
    stamps_file: str = ''
    timeout_s: float = field(default=20.0, metadata={'range': (0.1, 3600.0)})

    def __post_init__(self) -> None:
        check_choices(self)
        if len(self.intrinsics) != 4:
            raise ValueError(f'intrinsics: expected fx fy cx cy, got {list(self.intrinsics)}')


@dataclass(frozen=True, slots=True)
class ImageFile:
    """
    An image without a pose.

    :param rgb: (H, W, 3) uint8.
    """

    name: str
    rgb: np.ndarray
    camera: Camera


class ImageFolder(Sequence[ImageFile]):
    """The images of a folder in the order of their names, read when asked for."""

    def __init__(self, folder: Path, intrinsics: Sequence[float]) -> None:
        """
        List the images.

        :param intrinsics: fx fy cx cy [px].
        :raises ValueError: if there are none.
        """
        suffixes = ('.jpg', '.jpeg', '.png')
        self._intrinsics = tuple(intrinsics)
        self._paths = sorted(p for p in folder.glob('*') if p.suffix.lower() in suffixes)
        if not self._paths:
            raise ValueError(f'{folder}: no images ({", ".join(suffixes)})')

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def __getitem__(self, index: int) -> ImageFile:
        """
        Read an image.

        :raises ValueError: if it cannot be read.
        """
        path = self._paths[index]
        bgr = cv2.imread(str(path))
        if bgr is None:
            raise ValueError(f'{path}: cannot be read as an image')
        camera = Camera(bgr.shape[1], bgr.shape[0], *self._intrinsics)
        return ImageFile(path.name, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), camera)


class ImagePlayer(Node):
    """Publishes `image` and `camera_info`; ends its process after the last image."""

    def __init__(self) -> None:
        super().__init__('image_player')
        declare(self, PlayerConfig)
        self._index = -1
        self._unanswered: list[str] = []
        self._stamp_ns = 0
        self._ready_s: float | None = None
        self._heard = False

    def start(self) -> None:
        """Open the images and wait for a listener."""
        self._config = read(self, PlayerConfig)
        self._frames = self._opened()
        stamps_file = self._config.stamps_file
        self._stamps = JsonLines(stamps_file) if stamps_file else None
        qos = QoSProfile(depth=5)  # reliable: serves best-effort subscribers as well
        self._images = self.create_publisher(Image, 'image', qos)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos)
        if not self._config.rate_hz:
            self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._start_s = time.monotonic()
        period_s = 1 / self._config.rate_hz if self._config.rate_hz else POLL_S
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(period_s, self._on_timer, clock=clock)

    def _opened(self) -> Sequence:
        folder = Path(self._config.data).expanduser()
        if any(self._config.intrinsics):
            return ImageFolder(folder, self._config.intrinsics)
        return getattr(read_split(folder), self._config.part)

    def _on_timer(self) -> None:
        now_s = time.monotonic()
        if self._ready_s is None:
            self._look_for_listener(now_s)
        elif now_s < self._ready_s + SETTLE_S:
            return
        elif self._config.rate_hz or self._index < 0:
            self._next()
        elif now_s > self._sent_s + self._config.timeout_s:
            self._on_timeout()

    def _look_for_listener(self, now_s: float) -> None:
        listeners = min(p.get_subscription_count() for p in (self._images, self._infos))
        # That there is a relocalizer does not mean that it knows who waits for its answers.
        if listeners and (self._heard or self._config.rate_hz):
            self._ready_s = now_s
        elif now_s > self._start_s + self._config.timeout_s:
            topic = self._images.topic_name
            self.get_logger().fatal(
                f"no relocalizer listens to '{topic}' after {self._config.timeout_s:.0f} s"
            )
            raise Done(1)

    def _next(self) -> None:
        self._index += 1
        if self._index == len(self._frames):
            time.sleep(SETTLE_S)
            raise Done(1 if self._unanswered else 0)
        self._retried = False
        self._frame = self._frames[self._index]
        now_ns = self.get_clock().now().nanoseconds
        self._stamp_ns = max(now_ns, self._stamp_ns + 1)  # distinct also when simulated time rests
        if self._stamps:
            self._stamps.append({'stamp_ns': self._stamp_ns, 'name': self._frame.name})
        self._publish()

    def _publish(self) -> None:
        self._infos.publish(camera_info_message(self._frame.camera, FRAME_ID, self._stamp_ns))
        self._images.publish(image_message(self._frame.rgb, FRAME_ID, self._stamp_ns))
        self._sent_s = time.monotonic()

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            values = {each.key: each.value for each in status.values}
            self._heard |= 'result' in values
            if self._index >= 0 and values.get('image_stamp') == str(self._stamp_ns):
                self._next()
                return

    def _on_timeout(self) -> None:
        outcome = 'going on without an answer' if self._retried else 'sending it again'
        self.get_logger().error(
            f'{self._frame.name}: not processed after {self._config.timeout_s:.0f} s; {outcome}'
        )
        if self._retried:
            self._unanswered.append(self._frame.name)
            self._next()
        else:
            self._retried = True
            self._publish()


def main(args: list[str] | None = None) -> int:
    """Play images."""
    return run(ImagePlayer, args)


if __name__ == '__main__':
    sys.exit(main())
