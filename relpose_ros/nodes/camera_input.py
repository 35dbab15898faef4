"""The node's input: images, raw or compressed, and the camera info that belongs to them."""

from collections.abc import Callable
from functools import partial
import time

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from relpose_ros.core.camera import Camera, checked_rgb
from relpose_ros.datasets.image_messages import (
    camera_from_info,
    check_stamp,
    rgb_from_compressed,
    rgb_from_image,
)
from relpose_ros.nodes.diagnostics import InputWatch, Report
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

TRANSPORTS = {'raw': Image, 'compressed': CompressedImage}


class CameraInput:
    """
    Subscribes to a camera; exists while the node is active.

    Of the raw and the compressed topic the first to deliver stays subscribed, until it stalls:
    each image is seen once, and no camera compresses in vain.
    """

    def __init__(
        self,
        node: Node,
        reliability: str,
        rectified: bool,
        callback: Callable[[Image | CompressedImage], None],
    ) -> None:
        """
        Subscribe.

        :param reliability: 'best_effort' or 'reliable'.
        :param rectified: whether the images are (see camera_from_info).
        :param callback: called with the newest image, once camera info has come.
        """
        self._node, self._rectified, self._callback = node, rectified, callback
        # Depth 1: while one image is worked on, the newest waits and the others are gone.
        self._qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability.upper()])
        # A remapped image takes its compressed companion along, as image_transport names it.
        raw = node.resolve_topic_name('image')
        self._topics = {'raw': raw, 'compressed': f'{raw}/compressed'}
        info_topic = node.resolve_topic_name('camera_info')
        self._watch = InputWatch(time.monotonic(), tuple(self._topics.values()), info_topic)
        self._info: CameraInfo | None = None
        self._info_subscription = node.create_subscription(
            CameraInfo, 'camera_info', self._on_info, self._qos
        )
        self._images = {}
        self._subscribe_images()

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in (self._info_subscription, *self._images.values()):
            self._node.destroy_subscription(subscription)

    def converted(self, msg: Image | CompressedImage) -> tuple[np.ndarray, Camera]:
        """
        Decode an image and the newest camera info.

        :return: rgb (H, W, 3) uint8 and its camera.
        :raises ValueError: if one of them cannot be used, or they do not fit.
        """
        check_stamp(msg.header.stamp)
        rgb = rgb_from_image(msg) if isinstance(msg, Image) else rgb_from_compressed(msg)
        camera = camera_from_info(self._info, self._rectified)
        return checked_rgb(rgb, camera), camera

    def checked(self) -> Report:
        """Report on what comes and what does not; listen to both image topics on a stall."""
        now_s = time.monotonic()
        if self._watch.images_stalled(now_s):
            self._subscribe_images()
        return self._watch.report(now_s)

    def _subscribe_images(self) -> None:
        for transport, message_class in TRANSPORTS.items():
            if transport not in self._images:
                self._images[transport] = self._node.create_subscription(
                    message_class,
                    self._topics[transport],
                    partial(self._on_image, transport),
                    self._qos,
                )

    def _on_info(self, msg: CameraInfo) -> None:
        self._watch.info(time.monotonic())
        self._info = msg

    def _on_image(self, transport: str, msg: Image | CompressedImage) -> None:
        self._watch.image(time.monotonic())
        for other in set(self._images) - {transport}:
            self._node.destroy_subscription(self._images.pop(other))
        if self._info is not None:
            self._callback(msg)
