"""The relocalizer as a lifecycle node: convert, localize, publish."""

from dataclasses import replace
import sys
import time

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from relpose_ros.core.camera import Camera
from relpose_ros.core.engine import DeviceError, Engine
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.map_to_odom import MapToOdomConfig
from relpose_ros.core.relocalizer import RelocalizerConfig
from relpose_ros.nodes.camera_input import CameraInput
from relpose_ros.nodes.conversions import stamp_ns
from relpose_ros.nodes.diagnostics import (
    idle,
    ImageTiming,
    NO_INPUT,
    Report,
    report_of,
    report_of_error,
)
from relpose_ros.nodes.engine_parameters import changed_engine, hints, load_engine
from relpose_ros.nodes.navigation import Navigation, NavigationConfig
from relpose_ros.nodes.parameters import declare, NodeConfig, read, refusal
from relpose_ros.nodes.process import Done, run, transition
from relpose_ros.nodes.publishers import Publishers
from relpose_ros.nodes.requests import failure, Requests, success
from relpose_ros.nodes.search import Search
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

LOG_PERIOD_S = 5.0
REPORT_PERIOD_S = 1.0
CONFIGS = (NodeConfig, RelocalizerConfig, NavigationConfig, MapToOdomConfig)


class RelocalizerNode(LifecycleNode):
    """Publishes where the camera is in the map, for the newest image each time."""

    # Also of a node that Ctrl-C ends before it is made.
    _outputs: Publishers | None = None
    _navigation: Navigation | None = None

    def __init__(self) -> None:
        super().__init__('relocalizer')
        declare(self, *CONFIGS)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._engine: Engine | None = None
        self._requests = Requests(self)

    def start(self) -> None:
        """Configure and activate, unless a lifecycle manager does."""
        if not self.get_parameter('autostart').value:
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise Done(1)

    @transition
    def on_configure(self) -> None:
        """Open the map and load the estimator."""
        self._config = read(self, NodeConfig)
        self._adopt(load_engine(self))

    @transition
    def on_activate(self) -> None:
        """Publish and subscribe."""
        self._outputs = Publishers(
            self, self._engine.keyframe_map, self._config.tf_mode, self._engine.identity
        )
        self._navigation = self._new_navigation()
        self._input = CameraInput(
            self, self._config.reliability, self._config.rectified, self._on_image
        )
        self._search = Search(self, self._engine.keyframe_map.map_frame)
        self._newest_stamp_ns = self._reported_s = 0
        clock = Clock(clock_type=ClockType.STEADY_TIME)  # runs on while a bag is paused
        self._timer = self.create_timer(REPORT_PERIOD_S, self._on_timer, clock=clock)
        self._requests.open()

    @transition
    def on_deactivate(self) -> None:
        """Take all topics down."""
        self._stop()

    @transition
    def on_cleanup(self) -> None:
        """Close the map; parameters may be set again."""
        self._release()

    @transition
    def on_shutdown(self) -> None:
        """Release everything, whatever the state."""
        self._release()

    def _stop(self) -> None:
        if self._outputs is None:
            return
        self._requests.close()
        self.destroy_timer(self._timer)
        self._input.destroy()
        self._navigation.destroy()
        self._navigation = None
        self._search.destroy()
        self._outputs.destroy()
        self._outputs = None

    def destroy_node(self) -> None:
        """End what runs beside the executor, as after Ctrl-C."""
        if self._navigation is not None:
            self._navigation.destroy()
        super().destroy_node()

    def _release(self) -> None:
        self._stop()
        if self._engine is not None:
            self._engine.keyframe_map.close()
        self._engine = None

    def _adopt(self, engine: Engine) -> None:
        """Put an engine in the place of the one before; all that shows the map shows its map."""
        before = self._engine
        new_map = before is None or engine.keyframe_map is not before.keyframe_map
        if self._outputs is not None:
            if new_map:
                self._outputs.show(engine.keyframe_map)
                self._search.change_map(engine.keyframe_map.map_frame)
            self._outputs.identity = engine.identity
        self._engine = engine
        if new_map and self._outputs is not None:
            self._navigation.destroy()
            self._navigation = self._new_navigation()
        if new_map and before is not None:
            before.keyframe_map.close()
        self.get_logger().info(', '.join(engine.identity.values()))
        for hint in hints(engine, before):
            self.get_logger().warning(hint)

    def _new_navigation(self) -> Navigation:
        return Navigation(self, self._engine.keyframe_map.map_frame, self._config.tf_mode)

    def _on_image(self, msg: Image | CompressedImage) -> None:
        image_stamp_ns = stamp_ns(msg.header.stamp)
        asked = self._requests.wait_for(image_stamp_ns)
        if not self._search.takes(self._config, asked):
            return
        timing = ImageTiming(image_stamp_ns, self.get_clock().now().nanoseconds)
        try:
            report, answer = self._localized(msg, timing, asked)
        except ValueError as error:  # of an unusable image, map or device
            self.get_logger().error(str(error), throttle_duration_sec=LOG_PERIOD_S)
            report = report_of_error(error, image_stamp_ns)
            answer = failure(report.result, report.detail)
        self._report(timing.added_to(report))
        self._requests.answer(image_stamp_ns, answer)

    def _localized(
        self, msg: Image | CompressedImage, timing: ImageTiming, asked: bool
    ) -> tuple[Report, Trigger.Response]:
        """Publish all but the report, which is returned with the answer to who asked."""
        image_stamp_ns = stamp_ns(msg.header.stamp)
        rgb, camera = self._input.converted(msg)
        timing.decoded()
        self._note_stamp(image_stamp_ns)
        result = self._result(rgb, camera)
        timing.localized()
        pose = self._navigation.judged(result, msg.header.frame_id, image_stamp_ns, asked)
        if isinstance(pose, Rejection):
            result = pose
        report = report_of(result, image_stamp_ns)
        # First, as it reads the map: an image whose report is an error has no pose.
        self._outputs.scene.show_result(result, rgb, camera, msg.header)
        if isinstance(result, Rejection):
            return report, failure(report.result, report.detail)
        self._outputs.publish_localization(result, pose, msg.header, image_stamp_ns)
        self._search.found(image_stamp_ns)
        said = replace(result, map_from_query=pose.target_from_source, covariance=pose.covariance)
        return report, success(said, self._engine.keyframe_map.map_frame, image_stamp_ns)

    def _result(self, rgb: np.ndarray, camera: Camera) -> Localization | Rejection:
        """Localize, on the CPU from now on if the device fails that was chosen for the user."""
        try:
            return self._search.localize(self._engine, rgb, camera)
        except DeviceError as error:
            if self._config.device != 'auto':
                raise
            self._adopt(self._engine.on_cpu(error))
            return self._search.localize(self._engine, rgb, camera)

    def _note_stamp(self, image_stamp_ns: int) -> None:
        if image_stamp_ns < self._newest_stamp_ns:
            text = 'image stamps jump back (a bag that loops?): going on with the new time'
            self.get_logger().warning(text, once=True)
            self._navigation.go_back_to(image_stamp_ns)
        self._newest_stamp_ns = image_stamp_ns

    def _report(self, report: Report) -> None:
        self._outputs.publish_report(report)
        self._reported_s = time.monotonic()

    def _on_timer(self) -> None:
        report = self._input.checked()
        if time.monotonic() - self._reported_s < REPORT_PERIOD_S:
            return
        if report.result == NO_INPUT:
            self.get_logger().warning(report.detail, throttle_duration_sec=LOG_PERIOD_S)
        elif not self._search.goes_on(self._config):
            report = idle()
        self._outputs.publish_report(report)

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        if self._engine is None:
            return refusal(self, changed, *CONFIGS)
        # Callbacks run one at a time: between two images, and none sees half a change.
        try:
            engine = changed_engine(self._engine, self, changed)
            if engine is not self._engine:
                self._adopt(engine)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._config = read(self, NodeConfig, changed)
        if self._outputs is not None and 'mode' in [each.name for each in changed]:
            self._search.begin_again()
        return SetParametersResult(successful=True)


def main(args: list[str] | None = None) -> int:
    """Run the relocalizer."""
    return run(RelocalizerNode, args)


if __name__ == '__main__':
    sys.exit(main())
