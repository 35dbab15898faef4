"""What a relative pose estimator takes and gives: the network and the geometric one are alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
from relpose_ros.core.calibration import Calibration
from relpose_ros.core.camera import Camera


class Reason(str, Enum):
    """Why there is no pose."""

    NO_SIMILAR_KEYFRAME = 'no_similar_keyframe'
    FEW_MATCHES = 'few_matches'
    NO_CONSISTENT_POSE = 'no_consistent_pose'
    SCALE_UNKNOWN = 'scale_unknown'
    IMPLAUSIBLE_POSE = 'implausible_pose'
    UNCERTAIN_POSE = 'uncertain_pose'
    NO_KEYFRAME_NEAR_PRIOR = 'no_keyframe_near_prior'
    OUTSIDE_PRIOR = 'outside_prior'
    # There is one, but it is not to be relied on.
    NO_TRANSFORM = 'no_transform'
    SECOND_PARENT = 'second_parent'
    UNCONFIRMED = 'unconfirmed'
    OUTLIER = 'outlier'


@dataclass(frozen=True, slots=True)
class Matches:
    """
    The correspondences that a relative pose rests on.

    :param pixels_query: (n, 2), u v [px].
    :param pixels_keyframe: (n, 2), u v [px].
    """

    pixels_query: np.ndarray
    pixels_keyframe: np.ndarray


@dataclass(frozen=True, slots=True)
class RelativePose:
    """
    Where the query camera is, seen from a keyframe's camera.

    :param keyframe_from_query: (4, 4) [m]; with `metric` False the translation is a direction of
        unit length.
    :param metric: whether the length of the translation is known.
    :param covariance: (6, 6) of x y z [m] and of small rotations about x y z [rad], both along the
        keyframe camera's axes. With `metric` False its position block is that of the unit
        direction [rad^2], across it; of the range nothing is known.
    :param support: what ranks estimates of one query: consistent matches.
    :param matches: the consistent matches.
    """

    keyframe_from_query: np.ndarray
    metric: bool
    covariance: np.ndarray
    support: float
    matches: Matches


@dataclass(frozen=True, slots=True)
class NoRelativePose:
    """
    A pair of images without a relative pose.

    :param reason: its kind.
    :param detail: figures for a person.
    :param support: consistent matches of the best pose there was.
    """

    reason: Reason
    detail: str
    support: int = 0


class Estimator(Protocol):
    """
    Estimates the pose of one query relative to several keyframes.

    :param name: 'geometric' or 'network', with what is left out of it.
    :param weights: content hash of the network's weights, or 'untrained'; None without weights.
    :param calibration: what was measured of it; None if nothing was: then its covariances are as
        propagated, and no chance of being wrong is known.
    :param likeness: of the features of a query and of k keyframes, (k,): the larger, the more of
        the query a keyframe shows; None if nothing tells that faster than `estimate`.
    """

    name: str
    weights: str | None
    calibration: Calibration | None
    likeness: Callable[[Any, Sequence[Any]], np.ndarray] | None

    def features(self, rgb: np.ndarray, camera: Camera, depth_m: np.ndarray | None) -> Any:
        """
        Compute what depends on one image alone; kept for keyframes.

        :param rgb: (H, W, 3) uint8 without distortion.
        :param depth_m: (H, W) [m], 0 where unknown.
        """

    def estimate(
        self, query: Any, keyframes: Sequence[Any]
    ) -> list[RelativePose | NoRelativePose]:
        """
        Estimate keyframe_from_query for every keyframe.

        :param query: features of the query.
        :param keyframes: features of k keyframes.
        :return: k results in the same order.
        """
