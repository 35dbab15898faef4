"""What rviz shows of a map and of a result in it, as few markers of many lines."""

from collections.abc import Sequence

import cv2
from geometry_msgs.msg import Point
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Candidate, Localization, Rejection
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

# Corners 0 to 3 of the image and 4, the camera centre.
FRUSTUM_EDGES = ((4, 0), (4, 1), (4, 2), (4, 3), (0, 1), (1, 2), (2, 3), (3, 0))
# Frusta are as deep as this share of the distance between keyframes, within limits [m].
FRUSTUM_SHARE, FRUSTUM_DEPTHS_M = 0.5, (0.1, 2.0)
# Widths of lines, as a share of a frustum's depth.
THIN, THICK = 0.03, 0.1
# Told apart by the colour blind too (Okabe and Ito), on rviz' dark background.
KEYFRAME_RGBA = (0.55, 0.55, 0.55, 0.5)
AGREEING_RGBA = (0.9, 0.62, 0.0, 1.0)
QUERY_RGBA = (0.34, 0.71, 0.91, 1.0)
# Similarities of the two ends of the colour scale: places that share nothing, and the same view.
SIMILARITIES = (0.0, 0.5)
DARKEST = 64  # of 255: what is below it cannot be told from the background


class MapFrusta:
    """The keyframes of a map as lines, read once: a result is drawn without reading the map."""

    def __init__(self, keyframe_map: KeyframeMap) -> None:
        """
        Read where the keyframes are.

        :raises MapError: if the map cannot be read.
        """
        ids = keyframe_map.ids
        poses = np.array([keyframe_map.pose(i) for i in ids]).reshape(-1, 4, 4)
        cameras = [keyframe_map.camera(i) for i in ids]
        self.map_frame = keyframe_map.map_frame
        self.depth_m = frustum_depth_m(poses)
        self._lines = dict(zip(ids, frustum_lines(poses, cameras, self.depth_m), strict=True))

    def map_markers(self) -> MarkerArray:
        """Return the whole map as one marker; it takes the place of whatever was shown."""
        keyframes = self._drawn('keyframes', list(self._lines), KEYFRAME_RGBA, THIN)
        return self._instead_of_all([keyframes])

    def result_markers(
        self, result: Localization | Rejection | None, camera: Camera | None = None
    ) -> MarkerArray:
        """
        Return what one image adds to the map; it takes the place of the last image's.

        The candidates are coloured by similarity. With a pose come the keyframes that agree on
        it, the image's own frustum, and lines between them.

        :param result: None to show nothing any more.
        :param camera: the image's, for a Localization.
        """
        markers = []
        if result is not None and result.candidates:
            ids = [each.keyframe_id for each in result.candidates]
            colours = similarity_rgba(result.candidates)
            markers.append(self._drawn('candidates', ids, colours, 2 * THIN))
        if isinstance(result, Localization):
            markers += self._pose_markers(result, camera)
        return self._instead_of_all(markers)

    def _pose_markers(self, result: Localization, camera: Camera) -> list[Marker]:
        query = frustum_lines(result.map_from_query[None], [camera], 1.5 * self.depth_m)[0]
        # The first point of a frustum is the camera's centre.
        centres = np.array([self._lines[i][0] for i in result.agreeing_ids])
        rays = np.stack((centres, np.broadcast_to(query[0], centres.shape)), axis=1)
        return [
            self._drawn('agreeing', result.agreeing_ids, AGREEING_RGBA, THICK),
            self._marker('rays', rays, AGREEING_RGBA, THIN),
            self._marker('query', query, QUERY_RGBA, THICK),
        ]

    def _drawn(
        self, namespace: str, keyframe_ids: Sequence[int], rgba: object, width: float
    ) -> Marker:
        lines = [self._lines[i] for i in keyframe_ids]
        return self._marker(namespace, np.array(lines), rgba, width)

    def _marker(
        self, namespace: str, points_map: np.ndarray, rgba: object, width: float
    ) -> Marker:
        return lines_marker(self.map_frame, namespace, points_map, rgba, width * self.depth_m)

    def _instead_of_all(self, markers: list[Marker]) -> MarkerArray:
        clear = Marker(action=Marker.DELETEALL)
        clear.header.frame_id = self.map_frame
        return MarkerArray(markers=[clear, *markers])


def frustum_depth_m(map_from_camera: np.ndarray) -> float:
    """
    Return how deep frusta are drawn, so that they are seen and do not hide each other [m].

    :param map_from_camera: (n, 4, 4), keyframes in the order they were taken.
    """
    steps_m = np.linalg.norm(np.diff(map_from_camera[:, :3, 3], axis=0), axis=1)
    spacing_m = np.median(steps_m) if len(steps_m) else 0.0
    return float(np.clip(FRUSTUM_SHARE * spacing_m, *FRUSTUM_DEPTHS_M))


def frustum_lines(
    map_from_camera: np.ndarray, cameras: Sequence[Camera], depth_m: float
) -> np.ndarray:
    """
    Return the edges of cameras' fields of view.

    :param map_from_camera: (n, 4, 4) [m].
    :param cameras: n; their distortion is left out of account.
    :return: (n, 16, 3), two points a line, the first the camera's centre [m].
    """
    corners = {camera: _corners(camera) * depth_m for camera in set(cameras)}
    points = np.array([corners[camera] for camera in cameras]).reshape(-1, 5, 3)
    points = points @ map_from_camera[:, :3, :3].mT + map_from_camera[:, None, :3, 3]
    return points[:, np.ravel(FRUSTUM_EDGES)]


def similarity_rgba(candidates: Sequence[Candidate]) -> np.ndarray:
    """
    Colour candidates from blue (unlike) to yellow (alike).

    :return: (n, 4) in [0, 1].
    """
    similarity = np.array([each.similarity for each in candidates])
    low, high = SIMILARITIES
    share = np.clip((similarity - low) / (high - low), 0, 1)
    shade = np.rint(DARKEST + (255 - DARKEST) * share).astype(np.uint8)
    bgr = cv2.applyColorMap(shade.reshape(-1, 1), cv2.COLORMAP_VIRIDIS)[:, 0] / 255
    return np.column_stack((bgr[:, ::-1], np.ones(len(bgr))))


def lines_marker(
    map_frame: str, namespace: str, points_map: np.ndarray, rgba: object, width_m: float
) -> Marker:
    """
    Return many lines as one marker: a marker each would overwhelm rviz on large maps.

    :param points_map: (..., 3), two points a line [m].
    :param rgba: in [0, 1], the colour of all, or (n, 4) for points_map of (n, k, 3).
    """
    marker = Marker(type=Marker.LINE_LIST, action=Marker.ADD, ns=namespace)
    marker.header.frame_id = map_frame
    marker.pose.orientation.w = 1.0
    marker.scale.x = width_m
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in points_map.reshape(-1, 3).tolist()]
    colours = [ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in np.reshape(rgba, (-1, 4)).tolist()]
    if np.ndim(rgba) == 1:
        marker.color = colours[0]
    else:
        marker.colors = [colour for colour in colours for _ in range(points_map.shape[1])]
    return marker


def _corners(camera: Camera) -> np.ndarray:
    """Return the image's corners at z = 1 and the camera's centre, (5, 3)."""
    right, bottom = camera.width - 0.5, camera.height - 0.5
    pixels = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    return np.vstack((camera.rays(pixels), np.zeros(3)))
