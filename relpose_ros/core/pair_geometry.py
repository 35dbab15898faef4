"""The pose of one pair from its matches: by PnP where depth is known, else up to scale."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.epipolar import consistent, refined
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.geometry import inverse, transform
from relpose_ros.core.two_view_motion import CORNERS, two_view_motion
import torch
import torch.nn.functional as F

# Error of a keyframe's depth as a share of it: RGB-D cameras at a few metres.
DEPTH_SIGMA = 0.02
# Where depth is known of less than this share of the matches, directions are worth a try.
MIN_KNOWN = 0.5
CONFIDENCE = 0.9999
ITERATIONS = 2000


@dataclass(frozen=True, slots=True)
class PairMatches:
    """
    Matches of a query with a keyframe, wrong ones among them.

    :param pixels_query: (n, 2), u v [px].
    :param pixels_keyframe: (n, 2), u v [px].
    :param depth_m: (n,) of the keyframe's pixels, 0 where unknown [m]; None without depth.
    :param mostly_right: whether the wrong ones are known to be few: then without depth an
        M-estimator finds what RANSAC does not.
    """

    pixels_query: np.ndarray
    pixels_keyframe: np.ndarray
    depth_m: np.ndarray | None
    query: Camera
    keyframe: Camera
    mostly_right: bool = False

    def __len__(self) -> int:
        return len(self.pixels_query)

    def solvable(self) -> 'PairMatches':
        """Return those that a pose can be solved from: with depth, those of known depth."""
        return self if self.depth_m is None else self.chosen(self.depth_m > 0)

    def lack_depth(self) -> bool:
        """Say whether most have no depth though some have."""
        return self.depth_m is not None and len(self.solvable()) < MIN_KNOWN * len(self)

    def chosen(self, which: np.ndarray) -> 'PairMatches':
        """Return some of the matches."""
        return replace(
            self,
            pixels_query=self.pixels_query[which],
            pixels_keyframe=self.pixels_keyframe[which],
            depth_m=None if self.depth_m is None else self.depth_m[which],
        )


def solve_pair(
    matches: PairMatches, threshold_px: float, min_inliers: int, iterations: int = ITERATIONS
) -> RelativePose | NoRelativePose:
    """
    Find the pose that most matches agree on.

    :param threshold_px: largest reprojection or epipolar error of a consistent match [px].
    :param min_inliers: fewest consistent matches of a pose.
    :param iterations: at most so many samples are drawn with depth.
    """
    matches = matches.solvable()
    if len(matches) < min_inliers:
        detail = f'{len(matches)} of {min_inliers} needed matches'
        return NoRelativePose(Reason.FEW_MATCHES, detail)
    if matches.depth_m is None:
        found = _essential(matches, threshold_px)
    else:
        found = _pnp(matches, threshold_px, iterations)
    inliers = 0 if found is None else int(found.support)
    if inliers < min_inliers:
        return NoRelativePose(
            Reason.NO_CONSISTENT_POSE,
            f'{inliers} of {len(matches)} matches agree, {min_inliers} are needed',
            support=inliers,
        )
    return found


def _pnp(matches: PairMatches, threshold_px: float, iterations: int) -> RelativePose | None:
    points = matches.keyframe.rays(matches.pixels_keyframe) * matches.depth_m[:, None]
    camera = matches.query
    settings = cv2.UsacParams()
    settings.score = cv2.SCORE_METHOD_MAGSAC
    # What local optimization would find the refinement below finds too, in a third of the time.
    settings.loMethod = cv2.LOCAL_OPTIM_NULL
    settings.sampler = cv2.SAMPLING_UNIFORM
    settings.threshold = threshold_px
    settings.confidence = CONFIDENCE
    settings.maxIterations = iterations
    solved, _, rotation, translation, inliers = cv2.solvePnPRansac(
        points, matches.pixels_query, camera.K, np.zeros(4), params=settings
    )
    if not solved or inliers is None or len(inliers) < 6:
        return None
    matches, points = matches.chosen(inliers.ravel()), points[inliers.ravel()]
    pixels = matches.pixels_query
    rotation, translation = cv2.solvePnPRefineLM(
        points, pixels, camera.K, np.zeros(4), rotation, translation
    )
    query_from_keyframe = transform(cv2.Rodrigues(rotation)[0], translation.ravel())
    return RelativePose(
        keyframe_from_query=inverse(query_from_keyframe),
        metric=True,
        covariance=pnp_covariance(query_from_keyframe, points, pixels, camera),
        support=float(len(matches)),
        matches=Matches(pixels, matches.pixels_keyframe),
    )


def _essential(matches: PairMatches, threshold_px: float) -> RelativePose | None:
    rays = matches.query.rays(matches.pixels_query), matches.keyframe.rays(matches.pixels_keyframe)
    focal_px = (matches.query.fx + matches.keyframe.fx) / 2
    solve = _by_m_estimator if matches.mostly_right else _by_ransac
    guess, inliers = solve(*rays, threshold_px / focal_px)
    sigma_rad = 1 / focal_px  # matches are no better than a pixel
    pose, covariance = refined(guess, *(each[inliers] for each in rays), sigma_rad)
    return RelativePose(
        keyframe_from_query=pose,
        metric=False,
        covariance=covariance,
        support=float(np.count_nonzero(inliers)),
        matches=Matches(matches.pixels_query[inliers], matches.pixels_keyframe[inliers]),
    )


def _by_ransac(
    rays_query: np.ndarray, rays_keyframe: np.ndarray, threshold_rad: float
) -> tuple[np.ndarray, np.ndarray]:
    """
    Solve by MAGSAC++ and the five-point algorithm.

    :return: keyframe_from_query (4, 4) with a translation of unit length; which agree (n,) bool.
    """
    views = [np.ascontiguousarray(rays[:, :2]) for rays in (rays_query, rays_keyframe)]
    settings = {'method': cv2.USAC_MAGSAC, 'prob': CONFIDENCE, 'threshold': threshold_rad}
    essential, mask = cv2.findEssentialMat(*views, np.eye(3), **settings)
    if essential is None or essential.shape != (3, 3):
        return np.eye(4), np.zeros(len(rays_query), bool)
    _, rotation, direction, mask = cv2.recoverPose(essential, *views, np.eye(3), mask=mask)
    return transform(rotation, direction.ravel()), mask.ravel() > 0


def _by_m_estimator(
    rays_query: np.ndarray, rays_keyframe: np.ndarray, threshold_rad: float
) -> tuple[np.ndarray, np.ndarray]:
    """Solve by two_view_motion; returns the same as _by_ransac."""
    rays = (torch.from_numpy(each).float()[None] for each in (rays_keyframe, rays_query))
    weights = torch.ones(1, len(rays_query))
    motion = two_view_motion(*(F.normalize(each, dim=2) for each in rays), weights, CORNERS)
    guess = transform(motion.rotation[0].double().numpy(), motion.direction[0].double().numpy())
    return guess, consistent(guess, rays_query, rays_keyframe, threshold_rad)


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
