"""What was measured of an estimator, applied to its poses."""

import json
from math import exp, log

import numpy as np
import pytest
from relpose_ros.core.calibration import Calibration, read_calibration
from relpose_ros.core.confidence import evidence, worst_sigma_m
from relpose_ros.core.estimator import Matches, RelativePose
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.fusion import fuse, KeyframeEstimate

NO_MATCHES = Matches(np.zeros((0, 2)), np.zeros((0, 2)))
SURE = np.diag([1e-4] * 6)


def estimate(x_m: float, support: float) -> KeyframeEstimate:
    """Return what a keyframe at the origin says of a query that stands x in front of it."""
    keyframe_from_query = np.eye(4)
    keyframe_from_query[0, 3] = x_m
    return KeyframeEstimate(
        np.eye(4), RelativePose(keyframe_from_query, True, SURE, support, NO_MATCHES)
    )


def calibration(**changes) -> Calibration:
    """Return a calibration in which only support counts."""
    given = {
        'weights': None,
        'position_scale': 2.0,
        'rotation_scale': 3.0,
        'slopes': (-2.0, 0.0, 0.0, 0.0),
        'intercept': 4.0,
        'operating_points': ((0.0, 0.0), (0.01, 0.05), (0.2, 1.0)),
    }
    return Calibration(**(given | changes))


def test_covariance_is_scaled_by_block():
    """Standard deviations grow by their factors, correlations stay."""
    covariance = np.eye(6) + 0.5
    scaled = calibration().scaled(covariance)
    assert np.allclose(scaled[:3, :3], 4 * covariance[:3, :3])
    assert np.allclose(scaled[3:, 3:], 9 * covariance[3:, 3:])
    assert np.allclose(scaled[:3, 3:], 6 * covariance[:3, 3:])


def test_more_support_is_less_likely_wrong():
    """The chance is the logistic function of the evidence."""
    few, many = ((log(n), 0.0, 1.0, log(0.01)) for n in (5, 500))
    assert calibration().wrong_chance(few) == pytest.approx(1 / (1 + exp(-4 + 2 * log(5))))
    assert calibration().wrong_chance(many) < 1e-3 < calibration().wrong_chance(few)


def test_share_of_wrong_poses_says_how_far_to_believe():
    """Between the operating points it is interpolated; behind the last all is believed."""
    shares = (0.0, 0.005, 0.01, 0.2, 1.0)
    assert [calibration().largest_chance(s) for s in shares] == pytest.approx(
        [0, 0.025, 0.05, 1, 1]
    )


def test_evidence_counts_for_and_against():
    """Support is counted for and against the pose; the number is of those that agree."""
    estimates = [estimate(1.0, 30), estimate(1.001, 50), estimate(5.0, 20)]
    fused = fuse(estimates)
    agreeing, against, count, sigma_m = np.exp(evidence(fused, estimates))
    assert (agreeing, against, count) == pytest.approx((80, 21, 2))
    assert sigma_m == pytest.approx(worst_sigma_m(fused.covariance))


@pytest.mark.parametrize('name', ['geometric', 'network'])
def test_both_estimators_of_the_package_are_calibrated(name: str):
    """The package's own calibration is of the package's own weights."""
    found = load_estimator(name).calibration
    assert found.position_scale > 0
    assert found.rotation_scale > 0


def test_other_weights_are_not_calibrated(tmp_path):
    """What was measured of other weights says nothing of these, nor does a file without them."""
    weights, path = tmp_path / 'mine.safetensors', tmp_path / 'calibration.json'
    assert read_calibration('network', 'abc', weights) is None
    entry = {'position_scale': 1, 'rotation_scale': 1, 'slopes': [0] * 4, 'intercept': 0}
    entry['operating_points'] = [[0, 0], [0.2, 1]]
    for content in ({}, {'network': entry | {'weights': 'other'}}):
        path.write_text(json.dumps(content))
        assert read_calibration('network', 'abc', weights) is None
    path.write_text(json.dumps({'network': entry | {'weights': 'abc'}}))
    assert read_calibration('network', 'abc', weights).position_scale == 1


@pytest.mark.parametrize('text', ['', '[]', '{"network": {"slopes": 1}}', '{"network": 3}'])
def test_broken_file_is_named(tmp_path, text: str):
    """A file that is no calibration is refused in one sentence."""
    (tmp_path / 'calibration.json').write_text(text)
    with pytest.raises(ValueError, match='calibration.json: is no calibration'):
        read_calibration('network', 'abc', tmp_path / 'mine.safetensors')
