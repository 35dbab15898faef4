"""A wall that any camera can take: what a reader says of an image must predict the image."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.core.posed_image import PosedImage
from scipy.spatial.transform import Rotation


class Wall:
    """The plane z = 0 of the map, with a pattern on it, and four cameras before it."""

    camera = Camera(160, 120, 140.0, 142.0, 78.0, 61.0)
    poses = tuple(
        transform(Rotation.from_euler('xyz', angles_deg, degrees=True).as_matrix(), centre_m)
        for angles_deg, centre_m in (
            ((0, 0, 0), (0.0, 0.0, -1.5)),
            ((4, -9, 3), (0.3, -0.1, -1.4)),
            ((-6, 12, -8), (-0.4, 0.2, -1.7)),
            ((2, 15, 20), (-0.7, 0.1, -1.3)),
        )
    )

    def take(self, camera: Camera, map_from_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the image, (H, W, 3) uint8, and its depth, (H, W) [m]."""
        v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
        pixels = np.stack((u, v), axis=-1)
        if any(camera.distortion):
            lens = np.array(camera.distortion)
            straight = cv2.undistortPoints(pixels.reshape(-1, 1, 2), camera.K, lens, P=camera.K)
            pixels = straight.reshape(pixels.shape)
        rays_map = camera.rays(pixels) @ map_from_camera[:3, :3].T
        depth_m = -map_from_camera[2, 3] / rays_map[..., 2]
        x, y, _ = np.moveaxis(map_from_camera[:3, 3] + rays_map * depth_m[..., None], -1, 0)
        waves = (np.sin(7 * x + 2 * y), np.cos(6 * y - x), np.sin(5 * x) * np.cos(4 * y + 1))
        return np.rint(127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8), depth_m

    def write(self, path: Path, camera: Camera, map_from_camera: np.ndarray) -> None:
        """Write the image that a camera takes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), self.take(camera, map_from_camera)[0][..., ::-1])

    def write_depth(
        self, path: Path, camera: Camera, map_from_camera: np.ndarray, counts_per_m: float = 1000
    ) -> None:
        """Write the depth that a camera sees, unknown in its first two pixels."""
        path.parent.mkdir(parents=True, exist_ok=True)
        depth = np.rint(self.take(camera, map_from_camera)[1] * counts_per_m).astype(np.uint16)
        depth[0, :2] = (0, 65535)
        cv2.imwrite(str(path), depth)

    def assert_shown(
        self, image: PosedImage, world_from_map: np.ndarray | None = None, depth: bool = False
    ) -> None:
        """Check that the image's camera and pose predict its pixels, and its depth."""
        world_from_camera = image.map_from_camera
        if world_from_map is not None:
            world_from_camera = world_from_map @ world_from_camera
        rgb, depth_m = self.take(image.camera, world_from_camera)
        # Rectified and registered images have margins without content.
        inner = (slice(12, -12), slice(12, -12))
        assert np.abs(image.rgb[inner].astype(float) - rgb[inner]).mean() < 3
        assert (image.depth_m is not None) == depth
        if depth:
            assert image.depth_m.dtype == np.float32
            known = image.depth_m[inner] > 0
            assert known.mean() > 0.75
            assert np.abs(image.depth_m - depth_m)[inner][known].max() < 0.01


@pytest.fixture(scope='session')
def wall() -> Wall:
    """Return the wall."""
    return Wall()
