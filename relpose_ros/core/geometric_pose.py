"""Relative pose from SIFT keypoints: PnP on keyframe depth, else the essential matrix."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.epipolar import refined
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.geometry import inverse, transform
import torch

# Error of a keyframe's depth as a share of it: RGB-D cameras at a few metres.
DEPTH_SIGMA = 0.02


@dataclass(frozen=True, slots=True)
class GeometricConfig:
    """
    Settings of the geometric estimator.

    :param keypoints: strongest SIFT keypoints kept of an image.
    :param max_ratio: largest ratio of the best to the second best descriptor distance.
    :param threshold_px: largest reprojection or epipolar error of a consistent match [px].
    :param min_inliers: fewest consistent matches of a pose.
    """

    keypoints: int = field(default=2000, metadata={'range': (50, 20000)})
    max_ratio: float = field(default=0.9, metadata={'range': (0.5, 1.0)})
    threshold_px: float = field(default=4.0, metadata={'range': (0.1, 20.0)})
    min_inliers: int = field(default=15, metadata={'range': (6, 1000)})


@dataclass(frozen=True, slots=True)
class KeypointFeatures:
    """
    SIFT keypoints of an image.

    :param pixels: (n, 2), u v [px].
    :param descriptors: (n, 128) float32 RootSIFT.
    :param depth_m: (n,) depth at the keypoint, 0 where unknown [m]; None without depth.
    """

    pixels: np.ndarray
    descriptors: torch.Tensor
    depth_m: np.ndarray | None
    camera: Camera


class GeometricEstimator:
    """
    SIFT, mutual nearest neighbours, MAGSAC++: the paper's SIFT+5Pt+Depth baseline.

    Where the keyframe has depth, PnP gives the metric pose; where not, the five-point algorithm
    gives rotation and direction.
    """

    name = 'geometric'
    weights = None

    def __init__(self, config: GeometricConfig | None = None, device: str = 'cpu') -> None:
        """Create the detector; `device` is where descriptors are compared."""
        self._config = config or GeometricConfig()
        self._device = device
        self._sift = cv2.SIFT_create(nfeatures=self._config.keypoints)

    def features(
        self, rgb: np.ndarray, camera: Camera, depth_m: np.ndarray | None
    ) -> KeypointFeatures:
        """Detect and describe keypoints (see Estimator.features)."""
        keypoints, sift = self._sift.detectAndCompute(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), None)
        if not keypoints:
            sift = np.zeros((0, 128), np.float32)
        pixels = np.array([k.pt for k in keypoints], np.float64).reshape(-1, 2)
        descriptors = torch.from_numpy(sift).to(self._device)
        descriptors = (descriptors / descriptors.sum(1, keepdim=True).clamp(min=1e-12)).sqrt()
        depth = None if depth_m is None else _sampled(depth_m, pixels)
        return KeypointFeatures(pixels, descriptors, depth, camera)

    def estimate(
        self, query: KeypointFeatures, keyframes: Sequence[KeypointFeatures]
    ) -> list[RelativePose | NoRelativePose]:
        """Match and solve pair by pair (see Estimator.estimate)."""
        return [self._pair(query, keyframe) for keyframe in keyframes]

    def _pair(
        self, query: KeypointFeatures, keyframe: KeypointFeatures
    ) -> RelativePose | NoRelativePose:
        i, j = mutual_matches(query.descriptors, keyframe.descriptors, self._config.max_ratio)
        if keyframe.depth_m is not None:
            known = keyframe.depth_m[j] > 0
            i, j = i[known], j[known]
        if len(i) < self._config.min_inliers:
            return NoRelativePose(
                Reason.FEW_MATCHES, f'{len(i)} of {self._config.min_inliers} needed matches'
            )
        solve = self._essential if keyframe.depth_m is None else self._pnp
        found = solve(query, keyframe, i, j)
        inliers = 0 if found is None else int(found.support)
        if inliers < self._config.min_inliers:
            return NoRelativePose(
                Reason.NO_CONSISTENT_POSE,
                f'{inliers} of {len(i)} matches agree, {self._config.min_inliers} are needed',
            )
        return found

    def _pnp(
        self, query: KeypointFeatures, keyframe: KeypointFeatures, i: np.ndarray, j: np.ndarray
    ) -> RelativePose | None:
        points = keyframe.camera.rays(keyframe.pixels[j]) * keyframe.depth_m[j, None]
        settings = cv2.UsacParams()
        settings.score = cv2.SCORE_METHOD_MAGSAC
        settings.loMethod = cv2.LOCAL_OPTIM_SIGMA
        settings.sampler = cv2.SAMPLING_UNIFORM
        settings.threshold = self._config.threshold_px
        settings.confidence = 0.9999
        settings.maxIterations = 2000
        solved, _, rotation, translation, inliers = cv2.solvePnPRansac(
            points, query.pixels[i], query.camera.K, np.zeros(4), params=settings
        )
        if not solved or inliers is None or len(inliers) < 6:
            return None
        inliers = inliers.ravel()
        points, pixels = points[inliers], query.pixels[i[inliers]]
        rotation, translation = cv2.solvePnPRefineLM(
            points, pixels, query.camera.K, np.zeros(4), rotation, translation
        )
        query_from_keyframe = transform(cv2.Rodrigues(rotation)[0], translation.ravel())
        return RelativePose(
            keyframe_from_query=inverse(query_from_keyframe),
            metric=True,
            covariance=pnp_covariance(query_from_keyframe, points, pixels, query.camera),
            support=float(len(inliers)),
            matches=Matches(pixels, keyframe.pixels[j[inliers]]),
        )

    def _essential(
        self, query: KeypointFeatures, keyframe: KeypointFeatures, i: np.ndarray, j: np.ndarray
    ) -> RelativePose | None:
        rays_query = np.ascontiguousarray(query.camera.rays(query.pixels[i])[:, :2])
        rays_keyframe = np.ascontiguousarray(keyframe.camera.rays(keyframe.pixels[j])[:, :2])
        focal_px = (query.camera.fx + keyframe.camera.fx) / 2
        essential, mask = cv2.findEssentialMat(
            rays_query,
            rays_keyframe,
            np.eye(3),
            method=cv2.USAC_MAGSAC,
            prob=0.9999,
            threshold=self._config.threshold_px / focal_px,
        )
        if essential is None or essential.shape != (3, 3):
            return None
        count, rotation, direction, mask = cv2.recoverPose(
            essential, rays_query, rays_keyframe, np.eye(3), mask=mask
        )
        inliers = mask.ravel() > 0
        keyframe_from_query, covariance = refined(
            transform(rotation, direction.ravel()),
            query.camera.rays(query.pixels[i[inliers]]),
            keyframe.camera.rays(keyframe.pixels[j[inliers]]),
            sigma_rad=1 / focal_px,  # matches are no better than a pixel
        )
        return RelativePose(
            keyframe_from_query=keyframe_from_query,
            metric=False,
            covariance=covariance,
            support=float(count),
            matches=Matches(query.pixels[i[inliers]], keyframe.pixels[j[inliers]]),
        )


def mutual_matches(
    a: torch.Tensor, b: torch.Tensor, max_ratio: float
) -> tuple[np.ndarray, np.ndarray]:
    """
    Match unit descriptors that are each other's nearest and clearly nearer than the second.

    :param a: (n, D) of unit norm.
    :param b: (m, D) of unit norm.
    :param max_ratio: largest ratio of the nearest to the second nearest distance, from a to b.
    :return: indices into a and into b, both (matches,).
    """
    if len(a) < 2 or len(b) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    similarity = a @ b.T
    best, nearest = similarity.topk(2, dim=1)
    distance = (2 - 2 * best).clamp(min=0)  # squared
    mutual = similarity.argmax(0)[nearest[:, 0]] == torch.arange(len(a), device=a.device)
    keep = mutual & (distance[:, 0] < max_ratio**2 * distance[:, 1])
    i = torch.nonzero(keep).ravel()
    return i.cpu().numpy(), nearest[i, 0].cpu().numpy()


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
    pixel_by_point = np.stack(
        [
            np.stack([camera.fx / z, zero, -camera.fx * x / z**2], -1),
            np.stack([zero, camera.fy / z, -camera.fy * y / z**2], -1),
        ],
        axis=1,
    )  # (n, 2, 3)
    a, b, c = offset.T
    cross = np.stack([zero, -c, b, c, zero, -a, -b, a, zero], -1).reshape(-1, 3, 3)
    point_by_pose = np.concatenate(
        [np.broadcast_to(-rotation, cross.shape), rotation @ cross], axis=2
    )  # (n, 3, 6)
    jacobian = pixel_by_point @ point_by_pose
    projected = np.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], -1)
    # At least a pixel: matches are no better than that, however few of them agree.
    variance_px2 = max(1.0, float(np.mean((projected - pixels) ** 2)))
    # A wrong depth moves a point along the keyframe's ray: unseen where the camera only turned.
    by_depth = DEPTH_SIGMA * pixel_by_point @ (points @ rotation.T)[..., None]  # (n, 2, 1)
    spread_px2 = variance_px2 * np.eye(2) + by_depth @ by_depth.swapaxes(1, 2)
    information = jacobian.swapaxes(1, 2) @ np.linalg.inv(spread_px2) @ jacobian
    return np.linalg.pinv(information.sum(0))


def _sampled(depth_m: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the depth of the nearest pixel for (n, 2) u v."""
    u, v = np.rint(pixels).astype(np.int64).T
    height, width = depth_m.shape
    return depth_m[v.clip(0, height - 1), u.clip(0, width - 1)].astype(np.float64)
