"""What speaks for a pose, and how sure it is."""

from collections.abc import Sequence
from math import log

import numpy as np
from relpose_ros.core.calibration import Calibration
from relpose_ros.core.fusion import FusedPose, KeyframeEstimate

LEAST = 1e-9  # keeps logarithms finite


def evidence(fused: FusedPose, estimates: Sequence[KeyframeEstimate]) -> tuple[float, ...]:
    """
    Sum up what speaks for a pose.

    :param fused: from these estimates.
    :return: logarithms of the support that agrees, of that which contradicts, of the number of
        agreeing keyframes, and of the position's standard deviation [m].
    """
    support = sum(each.relative.support for each in estimates)
    against = (1 - fused.agreement) * support
    sigma_m = worst_sigma_m(fused.covariance)
    return (
        log(fused.agreement * support + LEAST),
        log(1 + against),
        log(len(fused.agreeing)),
        log(sigma_m + LEAST),
    )


def calibrated(
    fused: FusedPose, found: tuple[float, ...], calibration: Calibration | None
) -> tuple[np.ndarray, float | None]:
    """
    Apply what was measured of an estimator to a pose.

    :param found: its evidence.
    :param calibration: of the estimator; None if nothing was measured.
    :return: covariance (6, 6) and chance of being wrong; as propagated and None without
        calibration.
    """
    if calibration is None:
        return fused.covariance, None
    return calibration.scaled(fused.covariance), calibration.wrong_chance(found)


def worst_sigma_m(covariance: np.ndarray) -> float:
    """
    Return the standard deviation of a position along its worst axis [m].

    :param covariance: (6, 6), position first.
    :return: NaN of one that is unknown, as some fusions leave it.
    """
    if not np.isfinite(covariance).all():
        return np.nan
    return float(np.sqrt(np.linalg.eigvalsh(covariance[:3, :3])[-1]))
