"""
Image and CameraInfo messages to arrays and cameras; rclpy and rosbags messages alike.

One cv2 table does it everywhere: the messages are read by their field names, so neither rclpy
nor cv_bridge is needed, and what a node sees is what the offline tools see.
"""

from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from relpose_ros.core.camera import Camera

# The letters in cv2's Bayer names are the second row's second and third pixel: rggb is 'BG'.
_COLOUR_CODES = {
    'mono': (1, cv2.COLOR_GRAY2RGB),
    'rgb': (3, None),
    'bgr': (3, cv2.COLOR_BGR2RGB),
    'rgba': (4, cv2.COLOR_RGBA2RGB),
    'bgra': (4, cv2.COLOR_BGRA2RGB),
    'bayer_rggb': (1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr': (1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg': (1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg': (1, cv2.COLOR_BayerGB2RGB),
}

# encoding -> (type of a number, numbers per pixel, cv2's conversion to RGB)
_ENCODINGS: dict[str, tuple[str, int, int | None]] = {
    **{f'{name}8': ('u1', *code) for name, code in _COLOUR_CODES.items()},
    **{f'{name}16': ('u2', *code) for name, code in _COLOUR_CODES.items()},
    '8UC1': ('u1', 1, cv2.COLOR_GRAY2RGB),
    '8UC3': ('u1', 3, cv2.COLOR_BGR2RGB),
    'yuv422': ('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': ('u1', 2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': ('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': ('u1', 2, cv2.COLOR_YUV2RGB_YUY2),
    'nv12': ('u1', 1, cv2.COLOR_YUV2RGB_NV12),
    'nv21': ('u1', 1, cv2.COLOR_YUV2RGB_NV21),
}
_HALF_RESOLUTION_COLOUR = ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv', 'nv12', 'nv21')
_DEPTH_TYPES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}

# A pinhole image that sees 169 degrees; the widest fisheye lenses have three times as much.
MIN_FOCAL_SHARE = 0.05

# Depth that is not taken together with colour is at most half a frame apart at 30 Hz.
DEPTH_TOLERANCE_NS = 17_000_000


def rgb_from_image(msg: Any) -> np.ndarray:
    """
    Decode a sensor_msgs/Image; row padding is dropped, 16-bit images keep their upper 8 bits.

    :param msg: a message with height, width, encoding, step, is_bigendian and data.
    :return: (H, W, 3) uint8, memory of its own.
    :raises ValueError: if the image is empty, its step or data too short, or the encoding
        unknown.
    """
    if msg.encoding not in _ENCODINGS:
        raise ValueError(
            f"image: encoding '{msg.encoding}' is unknown; known are {', '.join(_ENCODINGS)}"
        )
    kind, channels, code = _ENCODINGS[msg.encoding]
    odd = msg.width % 2 or (msg.encoding.startswith('nv') and msg.height % 2)
    if msg.encoding in _HALF_RESOLUTION_COLOUR and odd:
        raise ValueError(f'image: {msg.encoding} cannot be {msg.width}x{msg.height}: odd size')
    # nv12 and nv21 carry a plane of colour, half as high, below the grey one.
    rows = msg.height * 3 // 2 if msg.encoding.startswith('nv') else msg.height
    pixels = _pixels(msg, kind, channels, rows)
    if kind == 'u2':
        pixels = (pixels >> 8).astype(np.uint8)
    return pixels.copy() if code is None else cv2.cvtColor(pixels, code)


def rgb_from_compressed(msg: Any) -> np.ndarray:
    """
    Decode a sensor_msgs/CompressedImage (JPEG, PNG and what else cv2 reads).

    :param msg: a message with format and data.
    :return: (H, W, 3) uint8.
    :raises ValueError: if the data is broken or truncated.
    """
    data = bytes(msg.data)
    # A JPEG without its end marker decodes into an image that is grey from some row on.
    truncated = data.startswith(b'\xff\xd8') and b'\xff\xd9' not in data
    # The camera's calibration knows nothing of an orientation tag: never turn the image by it.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = None
    if data and not truncated:
        with suppress(cv2.error):  # of sizes beyond its limits; of all else it returns None
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if bgr is None:
        raise ValueError(
            f"image: {len(data)} bytes of format '{msg.format}' are broken or truncated"
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def depth_from_image(msg: Any) -> np.ndarray:
    """
    Decode a depth image as REP 118 defines it: 16UC1 in millimetres or 32FC1 in metres.

    :param msg: a message with height, width, encoding, step, is_bigendian and data.
    :return: (H, W) float32, 0 where unknown [m].
    :raises ValueError: if the image is empty, its step or data too short, or the encoding is
        none of depth.
    """
    if msg.encoding not in _DEPTH_TYPES:
        raise ValueError(
            f"depth image: encoding '{msg.encoding}' is unknown; "
            f'known are {", ".join(_DEPTH_TYPES)}'
        )
    kind = _DEPTH_TYPES[msg.encoding]
    raw = _pixels(msg, kind, 1, msg.height)
    if kind == 'u2':
        return metres_from_millimetres(raw)
    return np.where(np.isfinite(raw) & (raw > 0), raw, 0).astype(np.float32)


def metres_from_millimetres(depth_mm: np.ndarray) -> np.ndarray:
    """
    Convert stored depth; 0 and 65535 are sensors' words for unknown.

    :param depth_mm: (H, W) uint16 [mm].
    :return: (H, W) float32, 0 where unknown [m].
    """
    return np.where(depth_mm == 65535, 0, depth_mm).astype(np.float32) / 1000


def camera_from_info(msg: Any, rectified: bool = False) -> Camera:
    """
    Read a camera from a sensor_msgs/CameraInfo: K and D, or P of the rectified image.

    :param msg: a message with width, height, k, d, p and distortion_model.
    :param rectified: the image is image_rect; its camera info still carries the lens's D.
    :raises ValueError: if the camera is not calibrated, a number is not finite or no focal
        length, or the distortion is unknown.
    """
    if rectified:
        p = [float(value) for value in msg.p]
        if not any(p):
            raise ValueError('camera_info: rectified images need P, which is all zero')
        return _plausible(Camera(msg.width, msg.height, p[0], p[5], p[2], p[6]))
    k = [float(value) for value in msg.k]
    if not any(k):
        raise ValueError('camera_info: the camera is not calibrated (K is all zero)')
    if not any(msg.d):
        distortion, model = (), 'plumb_bob'
    else:
        distortion, model = tuple(float(value) for value in msg.d), msg.distortion_model
    camera = Camera(msg.width, msg.height, k[0], k[4], k[2], k[5], distortion, model)
    return _plausible(camera)


def _plausible(camera: Camera) -> Camera:
    """Refuse what drivers send in place of a calibration, such as the identity."""
    for focal_px, side_px in ((camera.fx, camera.width), (camera.fy, camera.height)):
        if focal_px < MIN_FOCAL_SHARE * side_px:
            raise ValueError(
                f'camera_info: the camera is not calibrated: {focal_px:g} px is no focal length '
                f'of an image of {side_px} px'
            )
    return camera


def check_stamp(stamp: Any) -> None:
    """
    Refuse a time that is none, which other nodes could not read.

    :param stamp: a message with sec and nanosec.
    :raises ValueError: if it is before the epoch, or its nanoseconds are not below one second.
    """
    if stamp.sec < 0 or stamp.nanosec >= 1_000_000_000:
        raise ValueError(f'image: a stamp of {stamp.sec} s and {stamp.nanosec} ns is no time')


def _pixels(msg: Any, kind: str, channels: int, rows: int) -> np.ndarray:
    """Return (rows, W) or (rows, W, channels) numbers of the machine's byte order."""
    if msg.width <= 0 or msg.height <= 0:
        raise ValueError(f'image: size {msg.width}x{msg.height} is empty')
    stored = np.dtype(kind).newbyteorder('>' if msg.is_bigendian else '<')
    row_bytes = msg.width * channels * stored.itemsize
    if msg.step < row_bytes:
        raise ValueError(
            f'image: step is {msg.step} bytes, '
            f'a row of {msg.width} {msg.encoding} pixels takes {row_bytes}'
        )
    data = np.frombuffer(msg.data, np.uint8)
    if data.size < rows * msg.step:
        raise ValueError(
            f'image: {data.size} bytes of data, {rows} rows of {msg.step} take {rows * msg.step}'
        )
    packed = data[: rows * msg.step].reshape(rows, msg.step)[:, :row_bytes]
    numbers = np.ascontiguousarray(packed).view(stored).astype(kind, copy=False)
    return numbers.reshape((rows, msg.width, channels) if channels > 1 else (rows, msg.width))
