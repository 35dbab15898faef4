"""Calibration finds what answers were made with; risk and coverage count as defined."""

from math import inf

import numpy as np
import pytest
from relpose_ros.evaluation.calibration import Answer, fitted
from relpose_ros.evaluation.metrics import coverage, Outcome, summary
from relpose_ros.evaluation.risk import risk_coverage
from scipy.spatial.transform import Rotation
from scipy.special import expit
from scipy.stats import chi2


def outcome(off_m: float = 0.0, sigma_m: float = 0.01, chance: float | None = None) -> Outcome:
    """Return an answer that is off along x."""
    estimated = np.eye(4)
    estimated[0, 3] = off_m
    return Outcome(
        'query',
        np.eye(4),
        estimated_map_from_query=estimated,
        keyframe_id=1,
        map_from_keyframe=np.eye(4),
        covariance=np.diag([sigma_m**2] * 6),
        wrong_chance=chance,
    )


def noisy_outcomes(position_scale: float, rotation_scale: float) -> list[Outcome]:
    """Return answers whose errors are larger than they say."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(6, 6)) * 0.01
    covariance = factor @ factor.T + 1e-5 * np.eye(6)
    result = []
    for error in rng.multivariate_normal(np.zeros(6), covariance, 4000):
        estimated = np.eye(4)
        estimated[:3, 3] = position_scale * error[:3]
        estimated[:3, :3] = Rotation.from_rotvec(rotation_scale * error[3:]).as_matrix()
        result.append(
            Outcome('query', np.eye(4), estimated, None, 1, np.eye(4), covariance=covariance)
        )
    return result


def test_coverage_of_a_true_covariance():
    """Errors that a covariance tells truly lie in its ellipsoids as often as these say."""
    shares = coverage(noisy_outcomes(1, 1))
    for part in ('position', 'rotation'):
        for level in (50, 68, 95):
            assert shares[f'{part}_coverage_{level}'] == pytest.approx(level / 100, abs=0.025)


def test_coverage_of_one_that_is_too_small():
    """Errors twice as large as said show: of the positions alone where only they are."""
    shares = coverage(noisy_outcomes(2, 1))
    assert shares['position_coverage_95'] < 0.7
    assert shares['rotation_coverage_95'] == pytest.approx(0.95, abs=0.025)


def test_wrong_answers_are_counted_apart():
    """An answer in another place is wrong, not badly covered."""
    outcomes = [outcome(0.001), outcome(3.0), Outcome('lost', np.eye(4), reason='few_matches')]
    assert coverage(outcomes)['position_coverage_95'] == 1
    assert summary(outcomes, 'geometric', None)['wrong'] == 1
    assert coverage(outcomes[1:])['position_coverage_95'] is None


def test_fit_finds_scales_and_slope():
    """Scales and logistic regression come back as answers were drawn."""
    rng = np.random.default_rng(1)
    found = rng.normal(size=(3000, 4))
    wrong = rng.random(3000) < expit(2 * found[:, 0] - 1)
    distances = rng.chisquare(3, (3000, 2)) * (4, 9)
    answers = [
        Answer(tuple(e), bool(w), tuple(d))
        for e, w, d in zip(found, wrong, distances, strict=True)
    ]
    fit = fitted({'office': answers}, 'abc')
    assert fit.weights == 'abc'
    assert (fit.position_scale, fit.rotation_scale) == pytest.approx((2, 3), rel=0.1)
    assert fit.slopes == pytest.approx((2, 0, 0, 0), abs=0.2)
    assert fit.intercept == pytest.approx(-1, abs=0.2)
    believed = np.array([fit.wrong_chance(e) for e in found]) < fit.largest_chance(0.05)
    assert wrong[believed].mean() == pytest.approx(0.05, abs=0.02)
    assert believed.mean() > 0.2


def test_fit_needs_right_answers():
    right = Answer((3.0, 0.0, 1.0, -4.0), False, (3.0, 3.0))
    for answers in ([right] * 5 + [right._replace(wrong=True)] * 100, []):
        with pytest.raises(ValueError, match='hall: . right answers, 20 are needed'):
            fitted({'office': [right] * 100, 'hall': answers}, None)


def test_where_nothing_was_wrong_all_answers_are_as_sure_as_their_number_says():
    rng = np.random.default_rng(2)
    answers = [Answer(tuple(rng.normal(size=4)), False, (3.0, 3.0)) for _ in range(198)]
    fit = fitted({'office': answers}, 'abc')
    chances = [fit.wrong_chance(each.evidence) for each in answers]
    assert chances == pytest.approx([1 / 200] * 198)
    assert fit.largest_chance(0.01) >= max(chances)
    assert fit.largest_chance(0.004) < min(chances)


def test_scales_hold_in_every_recording():
    """A recording whose poses hide its errors does not speak for the others."""
    wrong = Answer((0.0, 0.0, 0.0, 0.0), True, (inf, inf))
    small, large = (Answer((3.0, 0.0, 0.0, -4.0), False, (d, d)) for d in (1.0, 100.0))
    fit = fitted({'office': [large] * 30, 'hall': [small] * 300 + [wrong]}, None)
    assert fit.position_scale == pytest.approx((100 / chi2.ppf(0.95, 3)) ** 0.5)


def test_risk_against_coverage():
    """Answers count from the surest on; a query without one counts as not answered."""
    outcomes = [outcome(0, chance=0.1), outcome(0, chance=0.2), outcome(3, chance=0.5)]
    outcomes.append(Outcome('lost', np.eye(4), reason='few_matches'))
    curve = risk_coverage(outcomes)
    assert curve.answered == pytest.approx([0.25, 0.5, 0.75])
    assert curve.risk == pytest.approx([0, 0, 1 / 3])
    assert curve.area == pytest.approx(1 / 9)
    assert (curve.answered_at(0.01), curve.answered_at(0.5)) == (0.5, 0.75)
