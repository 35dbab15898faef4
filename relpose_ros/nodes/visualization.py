"""What rviz shows: the keyframes as frusta, and the matches behind a pose as a picture."""

import cv2
from geometry_msgs.msg import Point
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform_points
from relpose_ros.core.keyframe_map import Keyframe
from relpose_ros.core.relocalizer import Localization, Rejection
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

# Corners 0 to 3 of the image and 4, the camera centre.
FRUSTUM_EDGES = ((4, 0), (4, 1), (4, 2), (4, 3), (0, 1), (1, 2), (2, 3), (3, 0))
FRUSTUM_DEPTH_M = 0.1
KEYFRAME_COLOUR = (0.2, 0.6, 1.0, 0.6)
MATCHED_COLOUR = (1.0, 0.6, 0.0, 1.0)
DEBUG_HEIGHT_PX = 360
MAX_LINES = 100


def frustum_marker(
    map_frame: str,
    namespace: str,
    cameras: list[tuple[np.ndarray, Camera]],
    colour: tuple[float, float, float, float],
) -> Marker:
    """
    Draw cameras as one marker of lines: a marker each would overwhelm rviz on large maps.

    :param cameras: map_from_camera (4, 4) and intrinsics of each.
    :param colour: red, green, blue, alpha in [0, 1].
    """
    marker = Marker(type=Marker.LINE_LIST, action=Marker.ADD, ns=namespace)
    marker.header.frame_id = map_frame
    marker.pose.orientation.w = 1.0
    marker.scale.x = 0.005  # width of the lines [m]
    marker.color = ColorRGBA(**dict(zip('rgba', colour, strict=True)))
    order = np.ravel(FRUSTUM_EDGES)
    points_map = [
        transform_points(map_from_camera, _frustum(camera))[order]
        for map_from_camera, camera in cameras
    ]
    marker.points = [Point(x=x, y=y, z=z) for points in points_map for x, y, z in points.tolist()]
    return marker


def debug_image(
    rgb: np.ndarray, result: Localization | Rejection, keyframe: Keyframe | None
) -> np.ndarray:
    """
    Show the query beside a keyframe, with their matches or the reason why there is no pose.

    :param rgb: (H, W, 3) uint8, without distortion.
    :param keyframe: the matched keyframe, or the most similar one.
    :return: (DEBUG_HEIGHT_PX, W', 3) uint8.
    """
    query, query_scale = _scaled(rgb)
    images, offset = [query], query.shape[1]
    if keyframe is not None:
        keyframe_image, keyframe_scale = _scaled(keyframe.rgb)
        images.append(keyframe_image)
    canvas = np.ascontiguousarray(np.hstack(images))
    if isinstance(result, Rejection):
        _write(canvas, f'{result.reason.value}: {result.detail}', (255, 80, 80))
        return canvas
    pixels_query = result.matches.pixels_query * query_scale
    pixels_keyframe = result.matches.pixels_keyframe * keyframe_scale + (offset, 0)
    for start, end in _some(np.stack((pixels_query, pixels_keyframe), axis=1)):
        cv2.line(canvas, start, end, (0, 220, 90), 1, cv2.LINE_AA)
    _write(canvas, f'keyframe {result.keyframe_id}: {len(pixels_query)} matches', (0, 220, 90))
    return canvas


def _frustum(camera: Camera) -> np.ndarray:
    """Return the (5, 3) image corners at FRUSTUM_DEPTH_M and the camera centre."""
    right, bottom = camera.width - 0.5, camera.height - 0.5
    corners = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    return np.vstack((camera.rays(corners) * FRUSTUM_DEPTH_M, np.zeros(3)))


def _scaled(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    scale = DEBUG_HEIGHT_PX / rgb.shape[0]
    size = (round(rgb.shape[1] * scale), DEBUG_HEIGHT_PX)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), scale


def _some(lines: np.ndarray) -> list[list[list[int]]]:
    """Thin out (n, 2, 2) lines evenly, so that a picture with many stays readable."""
    chosen = np.linspace(0, len(lines) - 1, min(len(lines), MAX_LINES)).astype(int)
    return np.rint(lines[chosen]).astype(int).tolist()


def _write(canvas: np.ndarray, text: str, colour: tuple[int, int, int]) -> None:
    cv2.rectangle(canvas, (0, 0), (canvas.shape[1], 24), (0, 0, 0), cv2.FILLED)
    cv2.putText(canvas, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
