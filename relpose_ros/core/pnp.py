"""The pose of a camera from points that are known in space: perspective-n-point."""

from typing import NamedTuple

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import cross, inverse, transform
from relpose_ros.core.sampling import Sampling

# Error of a keyframe's depth as a share of it: RGB-D cameras at a few metres.
DEPTH_SIGMA = 0.02
MIN_INLIERS = 6


class PnpPose(NamedTuple):
    """
    Where the query is, seen from the frame of the points.

    :param keyframe_from_query: (4, 4) [m].
    :param covariance: (6, 6), as RelativePose.covariance.
    :param inliers: (m,), indices of the points that agree.
    """

    keyframe_from_query: np.ndarray
    covariance: np.ndarray
    inliers: np.ndarray


def solve_pnp(
    points: np.ndarray, pixels: np.ndarray, camera: Camera, threshold_px: float, sampling: Sampling
) -> PnpPose | None:
    """
    Find the pose that most points agree on: MAGSAC++, refined on those that agree.

    :param points: (n, 3) in the keyframe's camera [m].
    :param pixels: (n, 2) in the query [px].
    :param camera: the query's.
    :param threshold_px: largest reprojection error of a point that agrees [px].
    :return: None if fewer than MIN_INLIERS agree.
    """
    settings = sampling.settings(threshold_px)
    settings.score = cv2.SCORE_METHOD_MAGSAC
    # What local optimization would find the refinement below finds too, in a third of the time.
    settings.loMethod = cv2.LOCAL_OPTIM_NULL
    solved, _, rotation, translation, inliers = cv2.solvePnPRansac(
        points, pixels, camera.K, np.zeros(4), params=settings
    )
    if not solved or inliers is None or len(inliers) < MIN_INLIERS:
        return None
    inliers = inliers.ravel()
    points, pixels = points[inliers], pixels[inliers]
    rotation, translation = cv2.solvePnPRefineLM(
        points, pixels, camera.K, np.zeros(4), rotation, translation
    )
    query_from_keyframe = transform(cv2.Rodrigues(rotation)[0], translation.ravel())
    covariance = pnp_covariance(query_from_keyframe, points, pixels, camera)
    return PnpPose(inverse(query_from_keyframe), covariance, inliers)


def pnp_covariance(
    query_from_keyframe: np.ndarray, points: np.ndarray, pixels: np.ndarray, camera: Camera
) -> np.ndarray:
    """
    Propagate reprojection and depth errors to the pose of the query in the keyframe.

    :param query_from_keyframe: (4, 4).
    :param points: (n, 3) in the keyframe's camera [m].
    :param pixels: (n, 2) in the query [px].
    :param camera: the query's.
    :return: (6, 6), as RelativePose.covariance.
    """
    rotation = query_from_keyframe[:3, :3]
    offset = points - inverse(query_from_keyframe)[:3, 3]  # (n, 3) from the query's centre
    x, y, z = (offset @ rotation.T).T
    zero = np.zeros_like(z)
    by_u = np.stack([camera.fx / z, zero, -camera.fx * x / z**2], -1)
    by_v = np.stack([zero, camera.fy / z, -camera.fy * y / z**2], -1)
    by_point = np.stack([by_u @ rotation, by_v @ rotation], 1)  # (n, 2, 3)
    jacobian = np.concatenate([-by_point, cross(by_point, offset[:, None])], 2)  # (n, 2, 6)
    projected = np.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], -1)
    # At least a pixel: matches are no better than that, however few of them agree.
    variance_px2 = max(1.0, float(np.mean((projected - pixels) ** 2)))
    # A wrong depth moves a point along the keyframe's ray: unseen where the camera only turned.
    by_depth = DEPTH_SIGMA * (by_point * points[:, None]).sum(2)  # (n, 2)
    # The inverse of a point's spread, variance I + by_depth by_depth^T.
    blurred = (jacobian * by_depth[..., None]).sum(1)  # (n, 6)
    known = 1 / (variance_px2 + (by_depth**2).sum(1, keepdims=True))
    flat = jacobian.reshape(-1, 6)
    information = (flat.T @ flat - (blurred * known).T @ blurred) / variance_px2
    return np.linalg.pinv(information)
