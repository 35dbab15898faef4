"""
What was measured of an estimator on recordings with known poses.

What an estimator propagates from its matches knows nothing of matches that are wrong together.
So its standard deviations are scaled to the errors that were seen, and the evidence for a pose is
turned into the chance that it is wrong altogether.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import json
from pathlib import Path

import numpy as np
from scipy.special import expit

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
    :param slopes: of the logistic regression of being wrong on confidence.evidence.
    :param intercept: its constant.
    :param operating_points: shares of wrong poses among those believed, ascending, each with the
        chance of being wrong up to which a pose is to be believed for it.
    """

    weights: str | None
    position_scale: float
    rotation_scale: float
    slopes: tuple[float, ...]
    intercept: float
    operating_points: tuple[tuple[float, float], ...]

    def scaled(self, covariance: np.ndarray) -> np.ndarray:
        """Return a covariance (6, 6) as large as the errors that were seen."""
        scale = np.repeat([self.position_scale, self.rotation_scale], 3)
        return covariance * np.outer(scale, scale)

    def wrong_chance(self, found: Sequence[float]) -> float:
        """
        Return the chance that a pose is off by more than WRONG_M or WRONG_DEG.

        :param found: as confidence.evidence returns it.
        """
        return float(expit(self.intercept + np.dot(self.slopes, found)))

    def largest_chance(self, wrong_share: float) -> float:
        """Return up to which chance a pose is believed, for a share of wrong ones."""
        return float(np.interp(wrong_share, *zip(*self.operating_points, strict=True)))


def read_calibration(
    estimator: str, content_hash: str | None = None, weights: Path | None = None
) -> Calibration | None:
    """
    Return what was measured of an estimator.

    :param estimator: its name.
    :param content_hash: of its weights; None if it has none.
    :param weights: its weights file, beside which its calibration.json lies; None for the
        package's own.
    :return: None if nothing was measured, or with other weights.
    :raises ValueError: if the file is no calibration.
    """
    path = weights.with_name(SHIPPED.name) if weights else SHIPPED
    if not path.exists():
        return None
    try:
        entry = json.loads(path.read_text()).get(estimator)
        if entry is None or entry['weights'] != content_hash:
            return None
        return Calibration(
            entry['weights'],
            float(entry['position_scale']),
            float(entry['rotation_scale']),
            tuple(map(float, entry['slopes'])),
            float(entry['intercept']),
            tuple((float(share), float(chance)) for share, chance in entry['operating_points']),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: is no calibration: {error}') from error
