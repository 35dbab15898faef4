"""Relative pose from SIFT keypoints: PnP on keyframe depth, else the essential matrix."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from relpose_ros.core.calibration import Calibration
from relpose_ros.core.camera import Camera, depth_at
from relpose_ros.core.estimator import NoRelativePose, RelativePose
from relpose_ros.core.pair_geometry import PairMatches, solve_pair
import torch

# Of many matches, all of them wrong, up to this share agree with some motion.
MIN_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class GeometricConfig:
    """
    Settings of the geometric estimator.

    :param keypoints: strongest SIFT keypoints kept of an image.
    :param max_ratio: largest ratio of the best to the second best descriptor distance.
    :param threshold_px: largest reprojection or epipolar error of a consistent match [px].
    :param min_inliers: fewest consistent matches of a pose without depth.
    :param min_depth_inliers: the same with depth: points in space seldom agree by chance.
    """

    keypoints: int = field(default=2000, metadata={'range': (50, 20000)})
    max_ratio: float = field(default=0.9, metadata={'range': (0.5, 1.0)})
    threshold_px: float = field(default=4.0, metadata={'range': (0.1, 20.0)})
    min_inliers: int = field(default=15, metadata={'range': (6, 1000)})
    min_depth_inliers: int = field(default=8, metadata={'range': (6, 1000)})


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
    SIFT, mutual nearest neighbours, robust geometry: the paper's SIFT+5Pt+Depth baseline.

    Where the keyframe has depth, PnP gives the metric pose; where not, rays give rotation and
    direction.
    """

    name = 'geometric'
    weights = None
    likeness = None

    def __init__(
        self,
        config: GeometricConfig | None = None,
        device: str = 'cpu',
        calibration: Calibration | None = None,
    ) -> None:
        """Create the detector; `device` is where descriptors are compared."""
        self.calibration = calibration
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
        depth = None if depth_m is None else depth_at(depth_m, pixels)
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
        depth_m = None if keyframe.depth_m is None else keyframe.depth_m[j]
        matches = PairMatches(
            query.pixels[i], keyframe.pixels[j], depth_m, query.camera, keyframe.camera
        )
        solved = self._solved(matches)
        if isinstance(solved, NoRelativePose) and matches.lack_depth():
            return self._solved(replace(matches, depth_m=None))
        return solved

    def _solved(self, matches: PairMatches) -> RelativePose | NoRelativePose:
        config = self._config
        fewest = config.min_depth_inliers
        if matches.depth_m is None:
            fewest = max(config.min_inliers, round(MIN_SHARE * len(matches)))
        return solve_pair(matches, config.threshold_px, fewest)


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
