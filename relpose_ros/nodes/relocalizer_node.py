"""The relocalizer as a lifecycle node: convert, localize, publish."""

from functools import wraps
from pathlib import Path
import sys
import time
import traceback
from typing import Any

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimators import chosen_device, load_estimator
from relpose_ros.core.keyframe_map import KeyframeMap, MapError
from relpose_ros.core.relocalizer import Localization, Relocalizer, RelocalizerConfig
from relpose_ros.nodes.camera_input import CameraInput
from relpose_ros.nodes.conversions import stamp_ns
from relpose_ros.nodes.diagnostics import (
    BAD_INPUT,
    MAP_UNREADABLE,
    NO_INPUT,
    Report,
    report_of,
    report_of_error,
)
from relpose_ros.nodes.parameters import declare, NodeConfig, read, refusal
from relpose_ros.nodes.process import Done, run
from relpose_ros.nodes.publishers import Publishers
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

LOG_PERIOD_S = 5.0
REPORT_PERIOD_S = 1.0
NO_DEPTH = (
    'the map has no depth: the geometric estimator finds only directions, and a position needs '
    'several of them from keyframes that stand apart'
)


def _transition(callback: Any) -> Any:
    """Log what a transition raises: rclpy only turns it into a failure and says nothing."""

    @wraps(callback)
    def logged(self: LifecycleNode, state: Any) -> TransitionCallbackReturn:
        try:
            callback(self)
        except ValueError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return logged


class RelocalizerNode(LifecycleNode):
    """Publishes where the camera is in the map, for the newest image each time."""

    def __init__(self) -> None:
        super().__init__('relocalizer')
        declare(self, NodeConfig, RelocalizerConfig)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._map: KeyframeMap | None = None
        self._outputs: Publishers | None = None

    def start(self) -> None:
        """Configure and activate, unless a lifecycle manager does."""
        if not self.get_parameter('autostart').value:
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise Done(1)

    @_transition
    def on_configure(self) -> None:
        """Open the map and load the estimator."""
        config = read(self, NodeConfig)
        if not config.map_path:
            raise ValueError("map_path: expected a map file, got ''")
        device = chosen_device(config.device)
        keyframe_map = KeyframeMap.open(Path(config.map_path).expanduser())
        estimator = load_estimator(config.estimator, config.weights, device)
        self._relocalizer = Relocalizer(
            keyframe_map, estimator, read(self, RelocalizerConfig), device
        )
        self._identity = {
            'map': f'{keyframe_map.path} ({len(keyframe_map)} keyframes)',
            'descriptor': keyframe_map.vocabulary.identity,
            'estimator': estimator.name,
            'device': device,
        }
        if estimator.weights is not None:
            self._identity['weights'] = estimator.weights
        self.get_logger().info(', '.join(self._identity.values()))
        if estimator.name == 'geometric' and not keyframe_map.depth_count:
            self.get_logger().warning(NO_DEPTH)
        self._config, self._map = config, keyframe_map

    @_transition
    def on_activate(self) -> None:
        """Publish and subscribe."""
        self._outputs = Publishers(self, self._map, self._config.tf_mode, self._identity)
        self._input = CameraInput(
            self, self._config.reliability, self._config.rectified, self._on_image
        )
        self._newest_stamp_ns = self._started_s = self._reported_s = 0
        clock = Clock(clock_type=ClockType.STEADY_TIME)  # runs on while a bag is paused
        self._timer = self.create_timer(REPORT_PERIOD_S, self._on_timer, clock=clock)

    @_transition
    def on_deactivate(self) -> None:
        """Take all topics down."""
        self._stop()

    @_transition
    def on_cleanup(self) -> None:
        """Close the map; parameters may be set again."""
        self._release()

    @_transition
    def on_shutdown(self) -> None:
        """Release everything, whatever the state."""
        self._release()

    def _stop(self) -> None:
        if self._outputs is None:
            return
        self.destroy_timer(self._timer)
        self._input.destroy()
        self._outputs.destroy()
        self._outputs = None

    def _release(self) -> None:
        self._stop()
        if self._map is not None:
            self._map.close()
        self._map = self._relocalizer = None

    def _on_image(self, msg: Image | CompressedImage) -> None:
        now_s = time.monotonic()
        rate_hz = self._config.max_rate_hz
        if rate_hz and now_s - self._started_s < 1 / rate_hz:
            return
        self._started_s = now_s
        image_stamp_ns = stamp_ns(msg.header.stamp)
        self._note_stamp(image_stamp_ns)
        try:
            rgb, camera = self._input.converted(msg)
            report = self._localized(rgb, camera, msg.header, image_stamp_ns)
        except MapError as error:
            self.get_logger().error(str(error), throttle_duration_sec=LOG_PERIOD_S)
            report = report_of_error(MAP_UNREADABLE, error, image_stamp_ns)
        except ValueError as error:  # what decoding and localizing say of unusable images
            self.get_logger().warning(str(error), throttle_duration_sec=LOG_PERIOD_S)
            report = report_of_error(BAD_INPUT, error, image_stamp_ns)
        self._report(report)

    def _localized(
        self, rgb: np.ndarray, camera: Camera, header: Header, image_stamp_ns: int
    ) -> Report:
        """Publish all but the report, which is returned."""
        result = self._relocalizer.localize(rgb, camera)
        # First, as it reads the map: an image whose report is an error has no pose.
        self._outputs.scene.show_result(result, rgb, camera, header)
        if isinstance(result, Localization):
            self._outputs.publish_localization(result, header, image_stamp_ns)
        return report_of(result, image_stamp_ns)

    def _note_stamp(self, image_stamp_ns: int) -> None:
        if image_stamp_ns < self._newest_stamp_ns:
            text = 'image stamps jump back (a bag that loops?): going on with the new time'
            self.get_logger().warning(text, once=True)
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
        self._outputs.publish_report(report)

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        own = set(NodeConfig.__slots__) | set(RelocalizerConfig.__slots__)
        if self._map is not None and own & {each.name for each in changed}:
            reason = 'takes effect on configure: deactivate and clean up the node first'
            return SetParametersResult(successful=False, reason=reason)
        return refusal(self, changed, NodeConfig, RelocalizerConfig)


def main(args: list[str] | None = None) -> int:
    """Run the relocalizer."""
    return run(RelocalizerNode, args)


if __name__ == '__main__':
    sys.exit(main())
