"""Pinhole cameras: intrinsics that follow their image, undistortion, registered depth."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

# Models of sensor_msgs/CameraInfo, and how many coefficients OpenCV takes for each.
DISTORTION_MODELS = {
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
    'fisheye': (4,),  # what some drivers call equidistant
}


@dataclass(frozen=True, slots=True)
class Camera:
    """
    Intrinsics of an image; an integer pixel coordinate is a pixel's centre.

    :param width: image width [px].
    :param height: image height [px].
    :param fx: focal length along u [px].
    :param fy: focal length along v [px].
    :param cx: principal point, u [px].
    :param cy: principal point, v [px].
    :param distortion: coefficients in the order of sensor_msgs/CameraInfo; empty if rectified.
    :param distortion_model: one of DISTORTION_MODELS.
    :raises ValueError: if a number is not finite, a size or focal length not positive, the
        distortion model unknown, or its number of coefficients wrong.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    distortion_model: str = 'plumb_bob'

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f'camera: image size {self.width}x{self.height} is empty')
        if not np.isfinite([self.fx, self.fy, self.cx, self.cy, *self.distortion]).all():
            raise ValueError('camera: intrinsics are not finite')
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f'camera: focal length ({self.fx}, {self.fy}) is not positive')
        if self.distortion_model not in DISTORTION_MODELS:
            raise ValueError(
                f"camera: distortion model '{self.distortion_model}' is unknown; "
                f'known are {", ".join(DISTORTION_MODELS)}'
            )
        counts = DISTORTION_MODELS[self.distortion_model]
        if any(self.distortion) and len(self.distortion) not in counts:
            raise ValueError(
                f'camera: {self.distortion_model} has {" or ".join(map(str, counts))} '
                f'coefficients, not {len(self.distortion)}'
            )

    @property
    def K(self) -> np.ndarray:
        """Return the (3, 3) calibration matrix [px]."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def resized(self, width: int, height: int) -> 'Camera':
        """Return the camera of the same image resized: u' = (u + 0.5) s - 0.5."""
        su, sv = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * su,
            fy=self.fy * sv,
            cx=(self.cx + 0.5) * su - 0.5,
            cy=(self.cy + 0.5) * sv - 0.5,
        )

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """
        Lift pixels of a rectified image to the plane z = 1.

        :param pixels: (..., 2), u v [px].
        :return: (..., 3), camera optical frame.
        """
        x = (pixels[..., 0] - self.cx) / self.fx
        y = (pixels[..., 1] - self.cy) / self.fy
        return np.stack((x, y, np.ones_like(x)), axis=-1)

    def project(self, points_camera: np.ndarray) -> np.ndarray:
        """
        Project points onto a rectified image; points with z <= 0 become NaN.

        :param points_camera: (..., 3), camera optical frame [m].
        :return: (..., 2), u v [px].
        """
        z = points_camera[..., 2]
        z = np.where(z > 0, z, np.nan)
        u = points_camera[..., 0] / z * self.fx + self.cx
        v = points_camera[..., 1] / z * self.fy + self.cy
        return np.stack((u, v), axis=-1)


def resized_pixels(pixels: np.ndarray, source: Camera, target: Camera) -> np.ndarray:
    """
    Return where pixels of an image are in the same image resized.

    :param pixels: (..., 2), u v of the source [px].
    :return: (..., 2), u v of the target [px].
    """
    scale = np.array([target.width / source.width, target.height / source.height])
    return (pixels + 0.5) * scale - 0.5


def depth_at(depth_m: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """
    Return the depth of the nearest pixel.

    :param depth_m: (H, W) [m], 0 where unknown.
    :param pixels: (n, 2), u v [px]; those outside count as on the edge.
    :return: (n,) float64 [m].
    """
    u, v = np.rint(pixels).astype(np.int64).T
    height, width = depth_m.shape
    return depth_m[v.clip(0, height - 1), u.clip(0, width - 1)].astype(np.float64)


def checked_rgb(rgb: np.ndarray, camera: Camera) -> np.ndarray:
    """
    Return the image if it is what the method expects.

    :param rgb: (H, W, 3) uint8.
    :raises ValueError: if shape or dtype are wrong, or the size is not the camera's.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f'rgb: expected (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}')
    if rgb.shape[:2] != (camera.height, camera.width):
        turned = rgb.shape[:2] == (camera.width, camera.height)
        raise ValueError(
            f'rgb: image is {rgb.shape[1]}x{rgb.shape[0]}, '
            f'its camera {camera.width}x{camera.height}'
            f'{": has it been turned by 90 degrees without its camera info?" if turned else ""}'
        )
    return rgb


def rectified(image: np.ndarray, camera: Camera) -> tuple[np.ndarray, Camera]:
    """
    Remove lens distortion; the focal length and principal point stay.

    :param image: (H, W, 3) uint8 colour, or (H, W) float32 depth, which is not interpolated.
    :return: the image without distortion and its camera.
    """
    straight = replace(camera, distortion=(), distortion_model='plumb_bob')
    if not any(camera.distortion):
        return image, straight
    fisheye = camera.distortion_model in ('equidistant', 'fisheye')
    undistort_map = cv2.fisheye.initUndistortRectifyMap if fisheye else cv2.initUndistortRectifyMap
    maps = undistort_map(
        camera.K,
        np.array(camera.distortion),
        np.eye(3),
        camera.K,
        (camera.width, camera.height),
        cv2.CV_32FC1,
    )
    interpolation = cv2.INTER_LINEAR if image.dtype == np.uint8 else cv2.INTER_NEAREST
    return cv2.remap(image, *maps, interpolation), straight


def register_depth(
    depth_m: np.ndarray, depth_camera: Camera, colour_from_depth: np.ndarray, colour: Camera
) -> np.ndarray:
    """
    Move a depth image into another camera; the nearest surface wins where several fall together.

    :param depth_m: (h, w) float, 0 where unknown [m].
    :param colour_from_depth: (4, 4).
    :return: (H, W) float32 in the colour camera, 0 where unknown [m].
    """
    v, u = np.nonzero(depth_m > 0)
    points = depth_camera.rays(np.stack((u, v), axis=-1).astype(np.float64))
    points = points * depth_m[v, u, None]
    points = points @ colour_from_depth[:3, :3].T + colour_from_depth[:3, 3]
    points = points[points[:, 2] > 0]
    pixels = np.rint(colour.project(points)).astype(np.int64)
    inside = (pixels >= 0).all(1) & (pixels < (colour.width, colour.height)).all(1)
    registered = np.full((colour.height, colour.width), np.inf, np.float32)
    np.minimum.at(registered, (pixels[inside, 1], pixels[inside, 0]), points[inside, 2])
    registered[~np.isfinite(registered)] = 0
    return registered
