"""The mapper as a node: convert, look the pose up on TF, offer the image to the map."""

from collections import Counter
from dataclasses import fields
from pathlib import Path
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from relpose_ros.core.estimators import chosen_device
from relpose_ros.core.keyframe_selection import LeftOut, SelectionConfig
from relpose_ros.core.live_map import LiveMap
from relpose_ros.core.map_file import MapError
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vlad import default_vocabulary
from relpose_ros.datasets.pose_messages import stamp_of
from relpose_ros.nodes.camera_input import CameraInput
from relpose_ros.nodes.depth_input import DepthInput
from relpose_ros.nodes.diagnostics import BAD_INPUT, NO_INPUT, Report, status
from relpose_ros.nodes.mapper_config import MapperConfig
from relpose_ros.nodes.parameters import declare, read
from relpose_ros.nodes.process import run
from relpose_ros.nodes.transforms import MissingTransform, TransformListener
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

CONFIGS = (MapperConfig, SelectionConfig)
LOG_PERIOD_S = 5.0
REPORT_PERIOD_S = 1.0
ADDED = 'added'
NO_DEPTH = 'no_depth'
NO_TRANSFORM = 'no_transform'
MAP_UNWRITABLE = 'map_unwritable'


class MapperNode(Node):
    """Adds images of a camera whose pose is on TF to a map."""

    _map: LiveMap | None = None  # also of a node that Ctrl-C ends before it is made

    def __init__(self) -> None:
        super().__init__('mapper')
        declare(self, *CONFIGS)

    def start(self) -> None:
        """Open the map and subscribe."""
        config = self._config = read(self, MapperConfig)
        if not config.map_path:
            raise ValueError("map_path: expected a map file, got ''")
        path, device = Path(config.map_path).expanduser(), chosen_device(config.device)
        selection = read(self, SelectionConfig)
        self._map = LiveMap(path, default_vocabulary(), config.map_frame, selection, device)
        self.add_on_set_parameters_callback(_fixed)
        self.get_logger().info(f'{path}: {len(self._map)} keyframes, {device}')
        self._identity = {'map': str(path), 'device': device}
        self._results: Counter[str] = Counter()
        self._newest: Image | CompressedImage | None = None
        self._refusal = ''
        self._started_s = self._reported_s = 0.0
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._transforms = TransformListener(
            self, max_gap_s=config.max_gap_s, max_extrapolation_s=config.max_extrapolation_s
        )
        self._depth = DepthInput(self, config.reliability) if config.depth else None
        self._input = CameraInput(self, config.reliability, config.rectified, self._on_image)
        self.create_service(Trigger, '~/add_keyframe', self._on_add_keyframe)
        self.create_service(Trigger, '~/save', self._on_save)
        clock = Clock(clock_type=ClockType.STEADY_TIME)  # runs on while a bag is paused
        self.create_timer(REPORT_PERIOD_S, self._on_timer, clock=clock)

    def destroy_node(self) -> None:
        """Close the map."""
        if self._map is not None:
            self._map.close()
        super().destroy_node()

    def _on_image(self, msg: Image | CompressedImage) -> None:
        self._newest = msg
        now_s = time.monotonic()
        rate_hz = self._config.max_rate_hz
        if rate_hz and now_s - self._started_s < 1 / rate_hz:
            return
        self._started_s = now_s
        self._report(self._offered(msg))

    def _offered(self, msg: Image | CompressedImage, any_motion: bool = False) -> Report:
        """Offer an image to the map and return what became of it."""
        image_stamp_ns = stamp_of(msg)
        try:
            image = self._posed(msg, image_stamp_ns)
            result = image if isinstance(image, Report) else self._map.offer(image, any_motion)
        except MapError as error:
            return _report(DiagnosticStatus.ERROR, MAP_UNWRITABLE, str(error), msg)
        except ValueError as error:  # what decoding says of unusable images
            return _report(DiagnosticStatus.ERROR, BAD_INPUT, str(error), msg)
        if isinstance(result, Report):
            return result
        if isinstance(result, LeftOut):
            level = DiagnosticStatus.OK if result == LeftOut.NOT_MOVED else DiagnosticStatus.WARN
            return _report(
                level, result.name.lower(), f'the image is left out: {result.value}', msg
            )
        return _report(DiagnosticStatus.OK, ADDED, f'keyframe {result}', msg)

    def _posed(self, msg: Image | CompressedImage, image_stamp_ns: int) -> PosedImage | Report:
        """Return an image with its pose and depth, or a report of what is missing."""
        map_frame, wait_s = self._config.map_frame, self._config.wait_s
        pose = self._transforms.wait_for(map_frame, msg.header.frame_id, image_stamp_ns, wait_s)
        if isinstance(pose, MissingTransform):
            return _report(DiagnosticStatus.WARN, NO_TRANSFORM, pose.detail, msg)
        rgb, camera = self._input.converted(msg)
        depth_m = None
        if self._depth is not None:
            depth_m = self._depth.wait_for(image_stamp_ns, wait_s)
            if depth_m is None:
                detail = f"no depth was taken with the image on '{self._depth.topic}'"
                return _report(DiagnosticStatus.WARN, NO_DEPTH, detail, msg)
        return PosedImage(str(image_stamp_ns), image_stamp_ns, rgb, camera, pose, depth_m)

    def _on_add_keyframe(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self._newest is None:
            response.message = (
                f'no image with camera_info has come yet: {self._input.checked().detail}'
            )
            return response
        report = self._offered(self._newest, any_motion=True)
        self._report(report)
        response.success = report.result == ADDED
        response.message = report.detail
        return response

    def _on_save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._map.learn()
        except ValueError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = f'{self._map.path}: {len(self._map)} keyframes'
        self.get_logger().info(f'saved {response.message}')
        return response

    def _report(self, report: Report) -> None:
        """Publish what became of an image, and log it if the user should act."""
        self._results[report.result] += 1
        if report.level != DiagnosticStatus.OK:
            self._refusal = f'{report.result}: {report.detail}'
        if report.result == MAP_UNWRITABLE:
            self.get_logger().error(report.detail, once=True)
        elif report.result in (NO_TRANSFORM, NO_DEPTH, BAD_INPUT):
            self.get_logger().warning(report.detail, throttle_duration_sec=LOG_PERIOD_S)
        self._publish(report)
        self._reported_s = time.monotonic()

    def _on_timer(self) -> None:
        report = self._input.checked()
        if time.monotonic() - self._reported_s < REPORT_PERIOD_S:
            return
        if report.result == NO_INPUT:
            self.get_logger().warning(report.detail, throttle_duration_sec=LOG_PERIOD_S)
        self._publish(report)

    def _publish(self, report: Report) -> None:
        msg = DiagnosticArray()
        msg.header.stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip('/')
        counts = {f'images_{result}': str(count) for result, count in self._results.items()}
        values = {
            'result': report.result,
            'detail': report.detail,
            **report.values,
            'keyframes': str(len(self._map)),
            'last_refusal': self._refusal,
            **counts,
            **self._identity,
        }
        message = f'{report.result}: {report.detail}'
        msg.status = [status(f'{name}: mapping', report.level, message, values)]
        self._diagnostics.publish(msg)


def _report(level: bytes, result: str, detail: str, msg: Image | CompressedImage) -> Report:
    return Report(level, result, detail, {'image_stamp': str(stamp_of(msg))})


def _fixed(changed: list[Parameter]) -> SetParametersResult:
    own = {each.name for config in CONFIGS for each in fields(config)}
    if own & {each.name for each in changed}:
        return SetParametersResult(successful=False, reason='takes effect at the next start')
    return SetParametersResult(successful=True)


def main(args: list[str] | None = None) -> int:
    """Run the mapper."""
    return run(MapperNode, args)


if __name__ == '__main__':
    sys.exit(main())
