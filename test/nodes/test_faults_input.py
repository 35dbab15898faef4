"""A camera that stops, changes or sends rubbish: reasons meanwhile, and afterwards poses."""

from array import array
from collections.abc import Callable
import struct
from typing import Any
import zlib

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.nodes.conversions import camera_info_message, header
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

WARN, ERROR = b'\x01', b'\x02'
SMALL = (240, 180)
FLAT_KB = 20_000  # what allocators and caches may still grow by, after hundreds of messages
SIZES = (0, 1, 7, 321, 65536, 2**31, 2**32 - 1)
ENCODINGS = ('', 'RGB8', 'rgb4', 'rgba16', 'nv12', '16UC1', '32FC1', 'h264', 'ü', 'x' * 10_000)
FRAMES = ('', 'lens', '/lens', 'a b', 'ü' * 1000)
Random = np.random.Generator


@pytest.fixture(scope='module')
def view(photograph):
    """Return a picture that can be localized."""
    return photograph(0.2, 0.1, 6.0)


def small(view: Any) -> tuple[np.ndarray, Camera]:
    """Return the picture in another resolution, and its camera."""
    rgb = cv2.resize(view.rgb, SMALL, interpolation=cv2.INTER_AREA)
    return rgb, view.camera.resized(*SMALL)


def test_camera_stops_and_returns(rig, relocalizer, view):
    """Diagnostics say what does not come; the camera's driver starts again, the node need not."""
    assert rig.report_of(*rig.image(view))['result'] == 'accepted'
    rig.forget()
    reports = rig.until(lambda: [r for r in rig.reports() if 'no image for' in r['detail']])
    assert (reports[-1]['result'], reports[-1]['level']) == ('no_input', WARN)
    for each in (Image, CameraInfo):
        rig.restart(each)
    rig.expect_poses_again(*rig.image(view))


def test_resolution_changes(rig, relocalizer, view):
    """Each size is localized with its own intrinsics; image and info of two sizes never are."""
    cameras = {'320x240': (view.rgb, view.camera), '240x180': small(view)}
    for size, other in (('240x180', '320x240'), ('320x240', '240x180')):
        rig.forget()
        msg, _ = rig.pair(*cameras[other])
        info = camera_info_message(cameras[size][1], 'lens', 0)
        report = rig.report_of(msg, info)
        assert (report['result'], report['level']) == ('bad_input', ERROR)
        assert f'image is {other}, its camera {size}' in report['detail']
        pose = rig.expect_poses_again(*rig.pair(*cameras[size]))
        position = pose.pose.pose.position
        found = np.array((position.x, position.y, position.z))
        assert np.linalg.norm(found - view.map_from_camera[:3, 3]) < 0.02


def test_times_that_there_are_not(rig, relocalizer, view):
    """A stamp that other nodes could not read is no stamp for a pose."""
    rig.forget()
    for sec, nanosec in ((-5, 0), (5, 10**9), (2**31 - 1, 2**32 - 1), (-(2**31), 0)):
        msg, info = rig.image(view)
        msg.header.stamp.sec, msg.header.stamp.nanosec = sec, nanosec
        report = rig.report_of(msg, info)
        assert (report['result'], report['level']) == ('bad_input', ERROR)
        assert f'{sec} s and {nanosec} ns' in report['detail']
    rig.expect_poses_again(*rig.image(view))


def test_a_thousand_malformed_messages(rig, relocalizer, view):
    """Each is refused with a reason; no pose, no growth, and then a good image is localized."""
    random = np.random.default_rng(67)
    jpeg = cv2.imencode('.jpg', view.rgb)[1].tobytes()
    # No good camera info comes until the end: one that is late does not make a message good.
    _, info = rig.image(view)
    wrong_matrix(random, info)
    assert rig.report_of(rig.image(view)[0], info)['result'] == 'bad_input'
    for number in range(1000):
        if number < 700:
            msg, info = rig.image(view)
            kind = spoil(random, (*IMAGE_FAULTS, *INFO_FAULTS))
            kind(random, msg if kind in IMAGE_FAULTS else info)
            if kind in IMAGE_FAULTS:
                info = None
        else:
            kind = spoil(random, COMPRESSED_FAULTS)
            head = header(str(random.choice(FRAMES)), rig.next_stamp_ns())
            msg = CompressedImage(header=head, format=str(random.choice(ENCODINGS)))
            msg.data, info = array('B', kind(random, jpeg)), None
        rig.forget()
        report = rig.report_of(msg, info)
        assert (report['result'], report['level']) == ('bad_input', ERROR), (number, kind, report)
        if number == 400:
            before_kb = rig.resident_kb(relocalizer)
    assert rig.resident_kb(relocalizer) - before_kb < FLAT_KB
    rig.expect_poses_again(*rig.image(view))


def spoil(random: Random, faults: tuple[Callable, ...]) -> Callable:
    """Choose what is wrong with a message."""
    return faults[random.integers(len(faults))]


def wrong_stamp(random: Random, msg: Image) -> None:
    """Give an image a time that there is not."""
    if random.integers(2):
        msg.header.stamp.sec = -int(random.integers(1, 2**31))
    else:
        msg.header.stamp.sec = int(random.choice((0, 2**31 - 1)))
        msg.header.stamp.nanosec = int(random.integers(10**9, 2**32))


def wrong_size(random: Random, msg: Image | CameraInfo) -> None:
    """Give it a size that is not that of the wall's pictures."""
    msg.header.frame_id = str(random.choice(FRAMES))
    msg.height, msg.width = (int(random.choice(SIZES)) for _ in range(2))


def wrong_step(random: Random, msg: Image) -> None:
    """Have rows shorter than their pixels, or longer than the data."""
    steps = (0, 1, msg.step - 1, msg.step + 1, 2**32 - 1, random.integers(msg.step))
    msg.step = int(random.choice(steps))


def wrong_encoding(random: Random, msg: Image) -> None:
    """Name an encoding that is unknown, or needs more data."""
    msg.encoding = str(random.choice(ENCODINGS))


def wrong_length(random: Random, msg: Image) -> None:
    """Cut the data."""
    msg.data = msg.data[: random.integers(len(msg.data))]


def wrong_focal_length(random: Random, info: CameraInfo) -> None:
    """Have no focal length."""
    info.k[random.choice((0, 4))] = random.choice((0.0, -280.0, np.nan, np.inf, 1.0, 1e-300))


def wrong_centre(random: Random, info: CameraInfo) -> None:
    """Have no principal point."""
    info.k[random.choice((2, 5))] = random.choice((np.nan, np.inf, -np.inf))


def wrong_matrix(random: Random, info: CameraInfo) -> None:
    """Send zeros or the identity in place of a calibration."""
    info.k = (np.eye(3) * random.integers(2)).ravel()


def wrong_distortion(random: Random, info: CameraInfo) -> None:
    """Have as many coefficients as no model has, or numbers that are none."""
    info.d = [float(each) for each in random.normal(size=random.choice((1, 2, 3, 6, 7, 100)))]
    if random.integers(2):
        info.d = [float(random.choice((np.nan, np.inf)))] * 5
    info.distortion_model = str(random.choice(('plumb_bob', 'equidistant', '', 'soap')))


def cut(random: Random, jpeg: bytes) -> bytes:
    """Lose the end of an image."""
    return jpeg[: random.integers(len(jpeg) - 2)]


def noise(random: Random, jpeg: bytes) -> bytes:
    """Begin like an image, and go on with anything."""
    begin = (b'', b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'BM', b'II*\0', b'RIFF\0\0\0\0WEBP')
    return begin[random.integers(len(begin))] + random.bytes(random.integers(1, 5000))


def huge(random: Random, jpeg: bytes) -> bytes:
    """Say of a few bytes that they are a gigantic image."""
    sides = (int(random.integers(2**17, 2**31)) for _ in range(2))
    chunk = b'IHDR' + struct.pack('>IIBBBBB', *sides, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n\0\0\0\x0d' + chunk + struct.pack('>I', zlib.crc32(chunk))


IMAGE_FAULTS = (wrong_stamp, wrong_size, wrong_step, wrong_encoding, wrong_length)
INFO_FAULTS = (
    wrong_focal_length,
    wrong_centre,
    wrong_matrix,
    wrong_distortion,
    wrong_size,
)
COMPRESSED_FAULTS = (cut, noise, huge)
