"""Every encoding decodes to the colours put in; every broken message is told in one sentence."""

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.datasets import image_messages
from rosbags.typesys import get_typestore, Stores

TYPES = get_typestore(Stores.ROS2_HUMBLE).types
HEADER = TYPES['std_msgs/msg/Header'](TYPES['builtin_interfaces/msg/Time'](0, 0), 'camera')
WIDTH, HEIGHT = 16, 12


@pytest.fixture
def rgb() -> np.ndarray:
    """Three flat bands, so that neither chroma subsampling nor demosaicing can blur them."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:4], image[4:8], image[8:] = (200, 60, 30), (20, 180, 90), (120, 130, 220)
    return image


def message(data: np.ndarray, encoding: str, padding: int = 0, **changes):
    """Build an Image whose rows carry ``padding`` bytes of rubbish behind the pixels."""
    rows = np.ascontiguousarray(data).view(np.uint8).reshape(len(data), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    fields = {
        'header': HEADER,
        'height': HEIGHT,
        'width': WIDTH,
        'encoding': encoding,
        'is_bigendian': 0,
        'step': rows.shape[1],
        'data': rows.ravel(),
    }
    return TYPES['sensor_msgs/msg/Image'](**(fields | changes))


def bayer(rgb: np.ndarray, pattern: str) -> np.ndarray:
    """Keep the one colour of each pixel that the pattern's filter lets through."""
    mosaic = np.empty(rgb.shape[:2], np.uint8)
    for i, letter in enumerate(pattern):
        mosaic[i // 2 :: 2, i % 2 :: 2] = rgb[i // 2 :: 2, i % 2 :: 2, 'rgb'.index(letter)]
    return mosaic


def yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT.601 with 16..235 luma, as cameras send it."""
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    return tuple(np.rint(x).astype(np.uint8) for x in (y, u, v))


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('rgb8', 'rgb'), ('bgr8', 'bgr'), ('8UC3', 'bgr'), ('rgba8', 'rgba'), ('bgra8', 'bgra')],
)
def test_colour(rgb: np.ndarray, encoding: str, order: str, padding: int) -> None:
    rgba = np.dstack((rgb, np.full((HEIGHT, WIDTH), 9, np.uint8)))
    data = rgba[..., ['rgba'.index(letter) for letter in order]]
    decoded = image_messages.rgb_from_image(message(data, encoding, padding))
    np.testing.assert_array_equal(decoded, rgb)
    assert decoded.flags.writeable and decoded.flags.c_contiguous


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey(rgb: np.ndarray, encoding: str, padding: int) -> None:
    decoded = image_messages.rgb_from_image(message(rgb[..., 0], encoding, padding))
    np.testing.assert_array_equal(decoded, rgb[..., [0, 0, 0]])


@pytest.mark.parametrize(('big', 'order'), [(0, '<u2'), (1, '>u2')])
def test_sixteen_bits_keep_the_upper_eight(rgb: np.ndarray, big: int, order: str) -> None:
    grey = rgb[..., 0].astype(np.uint16) * 256 + 255
    msg = message(grey.astype(order), 'mono16', padding=4, is_bigendian=big)
    np.testing.assert_array_equal(image_messages.rgb_from_image(msg), rgb[..., [0, 0, 0]])


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer(rgb: np.ndarray, pattern: str) -> None:
    decoded = image_messages.rgb_from_image(message(bayer(rgb, pattern), f'bayer_{pattern}8', 2))
    inner = (slice(1, 3), slice(2, -2))
    np.testing.assert_array_equal(decoded[inner], rgb[inner])


@pytest.mark.parametrize(
    ('encoding', 'luma'),
    [('yuv422', 1), ('uyvy', 1), ('yuv422_yuy2', 0), ('yuyv', 0)],
)
def test_yuv422(rgb: np.ndarray, encoding: str, luma: int) -> None:
    y, u, v = yuv(rgb)
    data = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    data[..., luma] = y
    data[:, 0::2, 1 - luma], data[:, 1::2, 1 - luma] = u[:, 0::2], v[:, 0::2]
    decoded = image_messages.rgb_from_image(message(data, encoding, padding=6))
    np.testing.assert_allclose(decoded.astype(int), rgb, atol=4)


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_yuv420(rgb: np.ndarray, encoding: str) -> None:
    y, u, v = yuv(rgb)
    chroma = np.empty((HEIGHT // 2, WIDTH), np.uint8)
    first, second = (u, v) if encoding == 'nv12' else (v, u)
    chroma[:, 0::2], chroma[:, 1::2] = first[::2, ::2], second[::2, ::2]
    decoded = image_messages.rgb_from_image(message(np.concatenate((y, chroma)), encoding, 2))
    np.testing.assert_allclose(decoded.astype(int), rgb, atol=4)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'width': 0}, 'size 0x12 is empty'),
        ({'height': 0}, 'size 16x0 is empty'),
        ({'step': WIDTH}, 'step is 16 bytes, a row of 16 rgb8 pixels takes 48'),
        ({'height': HEIGHT + 1}, '576 bytes of data, 13 rows of 48 take 624'),
        ({'encoding': 'rgb9'}, "encoding 'rgb9' is unknown"),
        ({'encoding': '16UC1'}, "encoding '16UC1' is unknown"),
        ({'encoding': 'nv12', 'height': 11}, 'nv12 cannot be 16x11: odd size'),
        ({'encoding': 'yuv422', 'width': 15}, 'yuv422 cannot be 15x12: odd size'),
    ],
)
def test_broken_image(rgb: np.ndarray, changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        image_messages.rgb_from_image(message(rgb, **({'encoding': 'rgb8'} | changes)))


def compressed(data: bytes, kind: str):
    buffer = np.frombuffer(data, np.uint8)
    return TYPES['sensor_msgs/msg/CompressedImage'](HEADER, kind, buffer)


@pytest.mark.parametrize(('kind', 'tolerance'), [('.png', 0), ('.jpg', 3)])
def test_compressed(rgb: np.ndarray, kind: str, tolerance: int) -> None:
    flat = np.broadcast_to(rgb[0], (HEIGHT, WIDTH, 3))
    data = cv2.imencode(kind, flat[..., ::-1])[1].tobytes()
    decoded = image_messages.rgb_from_compressed(compressed(data, kind[1:]))
    np.testing.assert_allclose(decoded.astype(int), flat, atol=tolerance)


@pytest.mark.parametrize('cut', ['empty', 'truncated', 'noise'])
def test_broken_jpeg(cut: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg = cv2.imencode('.jpg', noise)[1].tobytes()
    data = {'empty': b'', 'truncated': jpeg[: len(jpeg) // 2], 'noise': noise.tobytes()}[cut]
    with pytest.raises(ValueError, match="format 'jpeg' are broken or truncated"):
        image_messages.rgb_from_compressed(compressed(data, 'jpeg'))


@pytest.mark.parametrize(('big', 'order'), [(0, '<u2'), (1, '>u2')])
def test_depth_in_millimetres(big: int, order: str) -> None:
    depth_mm = np.full((HEIGHT, WIDTH), 1234, np.uint16)
    depth_mm[0, :2] = (0, 65535)
    msg = message(depth_mm.astype(order), '16UC1', padding=2, is_bigendian=big)
    depth_m = image_messages.depth_from_image(msg)
    assert depth_m.dtype == np.float32 and not depth_m[0, :2].any()
    np.testing.assert_allclose(depth_m[1:], 1.234, rtol=1e-6)


def test_depth_in_metres() -> None:
    raw = np.full((HEIGHT, WIDTH), 2.5, np.float32)
    raw[0, :3] = (np.nan, np.inf, -1)
    depth_m = image_messages.depth_from_image(message(raw, '32FC1', padding=4))
    assert depth_m.dtype == np.float32 and not depth_m[0, :3].any()
    np.testing.assert_array_equal(depth_m[1:], 2.5)


def test_depth_of_a_colour_image(rgb: np.ndarray) -> None:
    with pytest.raises(ValueError, match="depth image: encoding 'rgb8' is unknown"):
        image_messages.depth_from_image(message(rgb, 'rgb8'))


def camera_info(**changes):
    fields = {
        'header': HEADER,
        'height': 480,
        'width': 640,
        'distortion_model': 'plumb_bob',
        'd': np.array([0.1, -0.2, 0.001, 0.002, 0.0]),
        'k': np.array([525.0, 0, 319.5, 0, 526.0, 239.5, 0, 0, 1]),
        'r': np.eye(3).ravel(),
        'p': np.zeros(12),
        'binning_x': 0,
        'binning_y': 0,
        'roi': TYPES['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
    }
    return TYPES['sensor_msgs/msg/CameraInfo'](**(fields | changes))


def test_camera() -> None:
    camera = image_messages.camera_from_info(camera_info())
    assert (camera.width, camera.height) == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (525.0, 526.0, 319.5, 239.5)
    assert camera.distortion == (0.1, -0.2, 0.001, 0.002, 0.0)


def test_camera_of_a_rectified_image() -> None:
    """P counts, whatever K and D say of the lens."""
    p = np.array([400.0, 0, 310, -30, 0, 401, 230, 0, 0, 0, 1, 0])
    camera = image_messages.camera_from_info(camera_info(p=p), rectified=True)
    assert camera == Camera(640, 480, 400.0, 401.0, 310.0, 230.0)
    with pytest.raises(ValueError, match='P, which is all zero'):
        image_messages.camera_from_info(camera_info(), rectified=True)


@pytest.mark.parametrize('d', [np.zeros(5), np.zeros(0)])
def test_no_distortion_needs_no_model(d: np.ndarray) -> None:
    camera = image_messages.camera_from_info(camera_info(d=d, distortion_model=''))
    assert camera.distortion == ()


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'k': np.zeros(9)}, r'not calibrated \(K is all zero\)'),
        ({'k': np.full(9, np.nan)}, 'intrinsics are not finite'),
        ({'d': np.full(5, np.nan)}, 'intrinsics are not finite'),
        ({'width': 0}, 'image size 0x480 is empty'),
        ({'distortion_model': 'fov'}, "distortion model 'fov' is unknown"),
        ({'d': np.ones(3)}, 'plumb_bob has 4 or 5 coefficients, not 3'),
    ],
)
def test_broken_camera(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        image_messages.camera_from_info(camera_info(**changes))
