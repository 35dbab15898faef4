"""What is found of an image: its pose in the map, or the reason why there is none."""

from dataclasses import dataclass

import numpy as np
from relpose_ros.core.estimator import Matches, Reason


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A keyframe that looks like the image.

    :param similarity: dot product of the global descriptors, at most 1.
    """

    keyframe_id: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Localization:
    """
    A pose in the map.

    :param map_from_query: (4, 4), camera optical frame to map [m].
    :param covariance: (6, 6) of x y z [m] and of small rotations about x y z [rad], along the
        map's axes, as geometry_msgs/PoseWithCovariance has it.
    :param keyframe_id: of the keyframes that agree on it, the one with most support.
    :param keyframe_from_query: (4, 4), the same pose as that keyframe sees it [m].
    :param matches: consistent matches with that keyframe.
    :param agreeing_ids: all keyframes that agree on it, best supported first.
    :param agreement: their share of the support of all that were matched, in (0, 1].
    :param evidence: what speaks for it, as confidence.evidence returns it.
    :param wrong_chance: chance that it is wrong by 50 cm or 10 degrees, as calibrated; None of an
        estimator that is not calibrated.
    :param candidates: what retrieval found, in the order in which it is matched at first.
    :param latency_s: duration of each stage [s].
    """

    map_from_query: np.ndarray
    covariance: np.ndarray
    keyframe_id: int
    keyframe_from_query: np.ndarray
    matches: Matches
    agreeing_ids: tuple[int, ...]
    agreement: float
    evidence: tuple[float, ...]
    wrong_chance: float | None
    candidates: tuple[Candidate, ...]
    latency_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Rejection:
    """
    No pose, and why.

    :param detail: figures for a person.
    :param candidates: what retrieval found, in the order in which it is matched at first.
    :param latency_s: duration of each stage [s].
    """

    reason: Reason
    detail: str
    candidates: tuple[Candidate, ...]
    latency_s: dict[str, float]
