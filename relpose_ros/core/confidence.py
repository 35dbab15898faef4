"""
How sure a pose is, as measured on recordings with known poses.

What an estimator propagates from its matches knows nothing of matches that are wrong together.
So its standard deviations are scaled to the errors that were seen, and the evidence for a pose is
turned into the chance that it is wrong altogether.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import json
from math import log
from pathlib import Path

import numpy as np
from relpose_ros.core.estimator import Estimator
from relpose_ros.core.fusion import FusedPose, KeyframeEstimate
from scipy.special import expit

LEAST = 1e-9  # keeps logarithms finite
SHIPPED = Path(__file__).parents[1] / 'weights' / 'calibration.json'
# A pose further off than this is wrong: it would mislead a robot.
WRONG_M, WRONG_DEG = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """
    What was measured of an estimator.

    :param weights: of the network that was measured; None of an estimator without weights.
    :param position_scale: what standard deviations of positions are multiplied by.
    :param rotation_scale: the same of rotations.
    :param slopes: of the logistic regression of being wrong on `evidence`.
    :param intercept: its constant.
    """

    weights: str | None
    position_scale: float
    rotation_scale: float
    slopes: tuple[float, ...]
    intercept: float

    def scaled(self, covariance: np.ndarray) -> np.ndarray:
        """Return a covariance (6, 6) as large as the errors that were seen."""
        scale = np.repeat([self.position_scale, self.rotation_scale], 3)
        return covariance * np.outer(scale, scale)

    def wrong_chance(self, found: Sequence[float]) -> float:
        """
        Return the chance that a pose is off by more than WRONG_M or WRONG_DEG.

        :param found: as `evidence` returns it.
        """
        return float(expit(self.intercept + np.dot(self.slopes, found)))


def evidence(fused: FusedPose, estimates: Sequence[KeyframeEstimate]) -> tuple[float, ...]:
    """
    Sum up what speaks for a pose.

    :param fused: from these estimates.
    :return: logarithms of the support and of the number of agreeing keyframes, their share of all
        support, and the logarithm of the position's standard deviation [m].
    """
    support = sum(estimates[i].relative.support for i in fused.agreeing)
    sigma_m = worst_sigma_m(fused.covariance)
    return (
        log(max(support, LEAST)),
        log(len(fused.agreeing)),
        fused.agreement,
        log(sigma_m + LEAST),
    )


def worst_sigma_m(covariance: np.ndarray) -> float:
    """
    Return the standard deviation of a position along its worst axis [m].

    :param covariance: (6, 6), position first.
    :return: NaN of one that is unknown, as some fusions leave it.
    """
    if not np.isfinite(covariance).all():
        return np.nan
    return float(np.sqrt(np.linalg.eigvalsh(covariance[:3, :3])[-1]))


def read_calibration(estimator: Estimator, weights: str = '') -> Calibration | None:
    """
    Return what was measured of an estimator.

    :param weights: the network's weights file, beside which its calibration.json lies; empty for
        the package's own.
    :return: None if nothing was measured, or with other weights.
    :raises ValueError: if the file is no calibration.
    """
    own = weights and estimator.weights is not None
    path = Path(weights).with_name(SHIPPED.name) if own else SHIPPED
    if not path.exists():
        return None
    try:
        entry = json.loads(path.read_text()).get(estimator.name)
        if entry is None or entry['weights'] != estimator.weights:
            return None
        return Calibration(
            entry['weights'],
            float(entry['position_scale']),
            float(entry['rotation_scale']),
            tuple(map(float, entry['slopes'])),
            float(entry['intercept']),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: is no calibration: {error}') from error
