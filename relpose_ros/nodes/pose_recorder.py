"""Writes what the relocalizer publishes to a file, one line of JSON per message."""

from dataclasses import dataclass, field
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Pose, PoseStamped, PoseWithCovarianceStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from relpose_ros.nodes.conversions import stamp_ns
from relpose_ros.nodes.json_lines import JsonLines
from relpose_ros.nodes.parameters import declare, read
from relpose_ros.nodes.process import Done, run

DEPTH = 100
POLL_S = 0.1
SETTLE_S = 0.5  # the pose of the last image may come after its diagnostics


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """
    Where to write and when to stop.

    :param output: file of JSON lines; overwritten.
    :param count: stop after so many processed images; 0 for no limit.
    :param idle_s: stop when no image was processed for so long [s]; 0 for never.
    """

    output: str = 'poses.jsonl'
    count: int = field(default=0, metadata={'range': (0, 1_000_000_000)})
    idle_s: float = field(default=0.0, metadata={'range': (0.0, 86400.0)})


class PoseRecorder(Node):
    """
    Records `relocalizer/pose`, `relocalizer/relative_pose` and `/diagnostics`.

    As soon as there is a line in the file, nothing is missed any more.
    """

    def __init__(self) -> None:
        super().__init__('pose_recorder')
        declare(self, RecorderConfig)
        self._processed: set[str] = set()
        self._newest_s = time.monotonic()

    def start(self) -> None:
        """Open the file and subscribe."""
        self._config = read(self, RecorderConfig)
        self._file = JsonLines(self._config.output)
        self.create_subscription(
            PoseWithCovarianceStamped, 'relocalizer/pose', self._on_pose, DEPTH
        )
        self.create_subscription(
            PoseStamped, 'relocalizer/relative_pose', self._on_relative_pose, DEPTH
        )
        # The last, as the relocalizer hears of them in this order: once its diagnostics arrive,
        # which it publishes also without images, it knows who listens to its poses.
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, DEPTH)
        self.create_timer(POLL_S, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_pose(self, msg: PoseWithCovarianceStamped) -> None:
        self._write('pose', msg, **_pose(msg.pose.pose), covariance=msg.pose.covariance.tolist())

    def _on_relative_pose(self, msg: PoseStamped) -> None:
        self._write('relative_pose', msg, **_pose(msg.pose))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            values = {each.key: each.value for each in status.values}
            if 'result' not in values:
                continue  # another node's
            level = int.from_bytes(status.level, 'little')
            self._write('diagnostics', msg, level=level, name=status.name, values=values)
            if 'image_stamp' in values:
                self._processed.add(values['image_stamp'])
                self._newest_s = time.monotonic()

    def _write(self, kind: str, msg: Any, **values: Any) -> None:
        head = {
            'kind': kind,
            'stamp_ns': stamp_ns(msg.header.stamp),
            'frame_id': msg.header.frame_id,
        }
        self._file.append({**head, **values})

    def _on_timer(self) -> None:
        count, idle_s = self._config.count, self._config.idle_s
        quiet_s = time.monotonic() - self._newest_s
        if count and len(self._processed) >= count and quiet_s > SETTLE_S:
            raise Done(0)
        if idle_s and quiet_s > idle_s:
            self._on_idle()

    def _on_idle(self) -> None:
        processed, expected = len(self._processed), max(self._config.count, 1)
        if processed >= expected:
            raise Done(0)
        self.get_logger().fatal(
            f'{processed} of at least {expected} images processed, '
            f'and none for {self._config.idle_s:.0f} s'
        )
        raise Done(1)


def _pose(pose: Pose) -> dict[str, list[float]]:
    position, quaternion = pose.position, pose.orientation
    return {
        'position_m': [position.x, position.y, position.z],
        'quat_xyzw': [quaternion.x, quaternion.y, quaternion.z, quaternion.w],
    }


def main(args: list[str] | None = None) -> int:
    """Record poses."""
    return run(PoseRecorder, args)


if __name__ == '__main__':
    sys.exit(main())
