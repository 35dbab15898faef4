"""Fits how sure an estimator's answers are to answers whose truth is known."""

from collections.abc import Mapping, Sequence
from math import degrees, inf
from typing import NamedTuple

import numpy as np
from relpose_ros.core.calibration import Calibration, WRONG_DEG, WRONG_M
from relpose_ros.core.geometry import position_error_m, rotation_error_rad
from relpose_ros.core.localization import Localization
from relpose_ros.evaluation.metrics import squared_distances
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import chi2

# The ellipsoid that shall hold its share of the truths: what a filter's gate looks at.
LEVEL = 0.95
# Of a recording: fewer say nothing about one answer in twenty.
MIN_RIGHT = 20
# Where operating points are noted; between them they are interpolated.
WRONG_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
# Prior on the slopes, in answers: where nothing wrong was seen they stay finite.
RIDGE = 1.0


class Answer(NamedTuple):
    """
    An answer that was given whatever spoke against it.

    :param evidence: as Localization has it.
    :param wrong: whether it would mislead a robot.
    :param distances: as metrics.squared_distances; infinite for an image of another place.
    """

    evidence: tuple[float, ...]
    wrong: bool
    distances: tuple[float, float]


def judged(result: Localization, map_from_query: np.ndarray | None) -> Answer:
    """
    Compare an answer with the truth.

    :param map_from_query: (4, 4), the true pose; None of an image of another place.
    """
    if map_from_query is None:
        return Answer(result.evidence, True, (inf, inf))
    estimated = result.map_from_query
    off_m = position_error_m(estimated, map_from_query)
    off_deg = degrees(rotation_error_rad(estimated, map_from_query))
    distances = squared_distances(estimated, result.covariance, map_from_query)
    return Answer(result.evidence, off_m >= WRONG_M or off_deg >= WRONG_DEG, distances)


def fitted(recordings: Mapping[str, Sequence[Answer]], weights: str | None) -> Calibration:
    """
    Calibrate an estimator.

    Scales make the ellipsoids of LEVEL hold their share of the right answers in every recording,
    also in the one that errs most: poses that were found by matches err as matches do, and hide
    it. The chance of being wrong is a logistic regression with a ridge prior; where nothing was
    wrong no evidence can tell, and every answer has the same chance, by the rule of succession.

    :param recordings: by name, right and wrong answers of images in and out of its maps.
    :param weights: of the estimator.
    :raises ValueError: if there are too few right answers.
    """
    scales = np.max([_scales(name, answers) for name, answers in recordings.items()], axis=0)
    answers = [each for of_recording in recordings.values() for each in of_recording]
    wrong = np.array([each.wrong for each in answers], np.float64)
    found = np.array([each.evidence for each in answers])
    if not wrong.any():
        chance = 1 / (len(answers) + 2)
        points = ((0.0, 0.0), (float(np.nextafter(chance, 0)), 0.0), (chance, 1.0))
        unknown = (0.0,) * found.shape[1]
        return Calibration(weights, *map(float, scales), unknown, float(logit(chance)), points)
    intercept, slopes = _logistic(found, wrong)
    chances = expit(intercept + found @ slopes)
    return Calibration(weights, *map(float, scales), slopes, intercept, _operating_points(chances))


def _operating_points(chances: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Return for some shares of wrong answers the chance (n,) up to which answers are believed."""
    chances = np.sort(chances)
    shares = chances.cumsum() / np.arange(1, len(chances) + 1)  # expected, among the surest
    points = [(share, float(np.interp(share, shares, chances))) for share in WRONG_SHARES]
    everything = float(shares[-1])
    return ((0.0, 0.0), *(p for p in points if p[0] < everything), (everything, 1.0))


def _scales(name: str, answers: Sequence[Answer]) -> np.ndarray:
    """Return the scales (2,) of positions and rotations that one recording asks for."""
    right = [each.distances for each in answers if not each.wrong]
    if len(right) < MIN_RIGHT:
        raise ValueError(f'{name}: {len(right)} right answers, {MIN_RIGHT} are needed: ask more')
    return np.sqrt(np.quantile(right, LEVEL, axis=0) / chi2.ppf(LEVEL, 3))


def _logistic(found: np.ndarray, wrong: np.ndarray) -> tuple[float, tuple[float, ...]]:
    """Return intercept and slopes of the log odds of being wrong (n,) on evidence (n, e)."""
    mean, spread = found.mean(0), found.std(0).clip(1e-6)
    standard = (found - mean) / spread

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        odds = parameters[0] + standard @ parameters[1:]
        miss = expit(odds) - wrong
        value = np.logaddexp(0, odds).sum() - wrong @ odds
        value += RIDGE / 2 * parameters[1:] @ parameters[1:]
        slope = np.concatenate([[miss.sum()], standard.T @ miss + RIDGE * parameters[1:]])
        return value, slope

    best = minimize(loss, np.zeros(1 + found.shape[1]), jac=True).x
    slopes = best[1:] / spread
    return float(best[0] - slopes @ mean), tuple(map(float, slopes))
