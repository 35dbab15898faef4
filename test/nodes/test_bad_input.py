"""Whatever a camera sends: a pose or a clear report, and the node lives on."""

from array import array

from builtin_interfaces.msg import Time
import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.nodes.conversions import camera_info_message, header, image_message, stamp_ns
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

ERROR = b'\x02'


@pytest.fixture(scope='module')
def view(photograph):
    """Return a picture that can be localized."""
    return photograph(0.2, 0.1, 6.0)


def raw(rig, rgb: np.ndarray, encoding: str, pixels: np.ndarray, padding: int = 0) -> Image:
    """Return an image message of any encoding, each row followed by some bytes of rubbish."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(pixels.shape[0], -1)
    rows = np.hstack((rows, np.full((len(rows), padding), 255, np.uint8)))
    msg = Image(height=rgb.shape[0], width=rgb.shape[1], encoding=encoding, step=rows.shape[1])
    msg.header = header('lens', rig.next_stamp_ns())
    msg.data = array('B', rows.tobytes())
    return msg


def info_of(view, **changed) -> CameraInfo:
    """Return the camera info of a picture, with some fields changed."""
    msg = camera_info_message(view.camera, 'lens', 0)
    for name, value in changed.items():
        setattr(msg, name, value)
    return msg


def encoded(rgb: np.ndarray, encoding: str) -> np.ndarray:
    """Return the pixels of an encoding."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if encoding == 'yuv422':
        # uyvy without colour: 128 Y 128 Y
        return np.stack((np.full_like(grey, 128), grey), axis=-1)
    if encoding.startswith('bayer'):
        return grey  # a grey scene looks so under every colour filter
    return {
        'mono8': grey,
        'rgb8': rgb,
        'bgr8': rgb[..., ::-1],
        'bgra8': cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA),
        'mono16': grey.astype(np.uint16) << 8,
        'rgb16': rgb.astype(np.uint16) << 8,
    }[encoding]


@pytest.mark.parametrize(
    'encoding',
    ['mono8', 'rgb8', 'bgr8', 'bgra8', 'mono16', 'rgb16', 'bayer_rggb8', 'yuv422'],
)
def test_encodings(rig, relocalizer, view, encoding: str):
    """Every usual encoding is localized, with padded rows too."""
    for padding in (0, 12):
        msg = raw(rig, view.rgb, encoding, encoded(view.rgb, encoding), padding)
        report = rig.report_of(msg, info_of(view))
        assert report['result'] == 'accepted', report


def expect_refusal(rig, msg: object, info: CameraInfo, expected: str) -> None:
    """Check that an image is reported as bad and gives no pose."""
    report = rig.report_of(msg, info)
    assert (report['result'], report['level']) == ('bad_input', ERROR)
    assert expected in report['detail']
    rig.spin(0.1)
    assert stamp_ns(msg.header.stamp) not in rig.stamps('/relocalizer/pose')


def test_bad_images(rig, relocalizer, view):
    """Zero-sized, truncated, too short rows, unknown encoding."""
    info = info_of(view)
    empty = raw(rig, view.rgb, 'rgb8', view.rgb)
    empty.width, empty.height, empty.step, empty.data = 0, 0, 0, array('B')
    expect_refusal(rig, empty, info, 'size 0x0 is empty')
    truncated = raw(rig, view.rgb, 'rgb8', view.rgb)
    truncated.data = truncated.data[:1000]
    expect_refusal(rig, truncated, info, '1000 bytes of data')
    short = raw(rig, view.rgb, 'rgb8', view.rgb)
    short.step = 100
    expect_refusal(rig, short, info, 'step is 100')
    expect_refusal(rig, raw(rig, view.rgb, 'rgb4', view.rgb), info, "encoding 'rgb4' is unknown")
    narrow = np.ascontiguousarray(view.rgb[:, :8])
    thin = camera_info_message(Camera(8, 240, 280, 280, 4, 120), 'lens', 0)
    expect_refusal(rig, raw(rig, narrow, 'rgb8', narrow), thin, 'at least')


def test_bad_camera_info(rig, relocalizer, view):
    """Intrinsics that are NaN, no calibration, unknown distortion, another image size."""
    wrong = {
        'not finite': info_of(view, k=[float('nan')] * 9),
        'not calibrated': info_of(view, k=[0.0] * 9),
        "'soap'": info_of(view, d=[0.1] * 5, distortion_model='soap'),
        'image is 320x240': camera_info_message(Camera(640, 480, 500, 500, 320, 240), 'lens', 0),
    }
    for expected, info in wrong.items():
        expect_refusal(rig, raw(rig, view.rgb, 'rgb8', view.rgb), info, expected)
    # The right camera info mends it.
    report = rig.report_of(raw(rig, view.rgb, 'rgb8', view.rgb), info_of(view))
    assert report['result'] == 'accepted'


def test_clock_jumps_back(rig, relocalizer, view):
    """A bag that starts again goes on being localized, with its own stamps."""
    stamps = [5_000_000_000, 6_000_000_000, 1_000_000_000, 2_000_000_000, 0]
    for stamp in stamps:
        msg = image_message(view.rgb, 'lens', stamp)
        assert rig.report_of(msg, info_of(view))['result'] == 'accepted'
    rig.until(lambda: rig.stamps('/relocalizer/pose')[-5:] == stamps)
    assert rig.heard['/relocalizer/pose'][-1].header.stamp == Time()


def test_compressed(rig, relocalizer, view):
    """After the raw images end, compressed ones are taken; a broken JPEG is reported."""
    msg = CompressedImage(format='jpeg', header=header('lens', rig.next_stamp_ns()))
    jpeg = cv2.imencode('.jpg', view.rgb[..., ::-1])[1].tobytes()
    msg.data = array('B', jpeg)
    assert rig.report_of(msg, info_of(view))['result'] == 'accepted'
    rig.until(lambda: stamp_ns(msg.header.stamp) in rig.stamps('/relocalizer/pose'))
    for broken in (jpeg[: len(jpeg) // 2], b'no image', b''):
        msg.header = header('lens', rig.next_stamp_ns())
        msg.data = array('B', broken)
        expect_refusal(rig, msg, info_of(view), 'broken or truncated')


def test_missing_input(rig, start, wall_map, view):
    """The node says which input is missing, and what large raw images need; then it goes on."""
    names = ('-r', '__node:=other', '-r', 'image:=b/image', '-r', 'camera_info:=b/camera_info')
    start('relocalizer_node', '-p', f'map_path:={wall_map}', *names)
    images = rig.node.create_publisher(Image, 'b/image', 5)
    infos = rig.node.create_publisher(CameraInfo, 'b/camera_info', 5)

    def said(expected: str, sending_images: bool, sending_infos: bool) -> str:
        if sending_infos:
            infos.publish(info_of(view))
        if sending_images:
            images.publish(raw(rig, view.rgb, 'rgb8', view.rgb))
        rig.spin(0.1)
        return next((each for each in rig.messages('other') if expected in each), '')

    message = rig.until(lambda: said('no image for', False, False))
    assert "'/b/image' or '/b/image/compressed' and no camera_info" in message
    rig.until(lambda: said('images arrive but no camera_info', True, False))
    assert not any(each.startswith('accepted') for each in rig.messages('other'))
    message = rig.until(lambda: said('camera_info arrives', False, True))
    assert 'fastdds_large_images.xml' in message
    rig.until(lambda: said('accepted', True, True))
