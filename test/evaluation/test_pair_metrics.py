"""The figures against hand-made errors, other formulas and what may not change them."""

from dataclasses import replace
import json
from math import inf

import numpy as np
import pytest
from relpose_ros.core.geometry import transform
from relpose_ros.evaluation.pair_metrics import (
    area_by_confidence,
    area_under_curve,
    overall,
    pair_metrics,
    without_direction,
)
from relpose_ros.evaluation.pairwise import keyframe_poses, mean_motions
from relpose_ros.evaluation.vcre import GRID_M, vcre_px
from scipy.spatial.transform import Rotation


def test_area_of_hand_made_curves():
    """One error in the middle: a ramp to 1, then level; at 2 of 4: a triangle and a rectangle."""
    assert area_under_curve([2.0], 4) == pytest.approx((2 / 2 + 2) / 4)
    assert area_under_curve([2.0, inf], 4) == pytest.approx((2 / 4 + 2 / 2) / 4)
    assert area_under_curve([0.0, 0.0], 5) == pytest.approx(1)
    assert area_under_curve([5.0, 7.0, inf], 5) == 0
    assert area_under_curve([], 5) is None


def test_area_is_that_of_the_curve_on_a_fine_grid():
    """Many errors: the polygon is the step curve, to the size of a step."""
    errors = np.random.default_rng(0).gamma(2, 5, 2000)
    grid = np.linspace(0, 10, 5000)
    share = (errors[:, None] < grid).mean(axis=0)
    assert area_under_curve(errors, 10) == pytest.approx(share.mean(), abs=2e-3)


def test_area_by_confidence(judged, rejected):
    """Right, wrong, right in order of confidence, and one that has no pose: by hand."""
    outcomes = [judged(seed=i, confidence=c) for i, c in enumerate((2.0, 9.0, 5.0))]
    right = [True, True, False, False]
    # precision 1, 1/2, 2/3 over steps of a quarter; the fourth pair is never kept
    expected = (1 + 1 / 2 + 2 / 3) / 4
    assert area_by_confidence([*outcomes, rejected], right) == pytest.approx(expected, abs=1e-4)
    equal = [replace(each, confidence=1.0) for each in outcomes]
    assert area_by_confidence(equal, right[:3]) == pytest.approx(2 / 3, abs=1e-4)
    assert area_by_confidence([rejected], [False]) == 0


def test_rejected_pairs_count_everywhere(judged, rejected):
    good = [judged(0.01, 1, seed) for seed in range(3)]
    without, with_one = pair_metrics(good), pair_metrics([*good, rejected])
    assert (with_one['pairs'], with_one['rejected']) == (4, 1)
    for key, value in without.items():
        if '_auc_' in key or key.startswith('within'):
            # A pair without a pose takes its quarter of every share.
            assert with_one[key] == pytest.approx(0.75 * value, abs=0.02), key
            assert value > 0
    hopeless = pair_metrics([good[0], rejected, rejected])
    assert json.loads(json.dumps(hopeless, allow_nan=False)) == hopeless
    for key in ('position_cm', 'direction_deg', 'rotation_deg', 'vcre_px'):
        assert hopeless[f'{key}_median'] is None


def test_a_direction_without_length_is_no_position(judged):
    outcome = judged(0.0, 2, metric=False)
    metrics = pair_metrics([outcome])
    assert (metrics['rejected'], metrics['without_scale']) == (0, 1)
    assert metrics['position_cm_median'] is None and metrics['vcre_px_median'] is None
    assert metrics['within_25cm_5deg'] == metrics['within_vcre_by_confidence'] == 0
    assert metrics['rotation_deg_median'] == pytest.approx(2)
    assert metrics['direction_deg_median'] == pytest.approx(0, abs=1e-3)
    assert metrics['pose_auc_10'] == pytest.approx(0.9)
    assert metrics['within_10deg_10deg'] == 1


def test_a_flipped_direction_is_not_folded(judged):
    outcome = judged()
    flipped = outcome.keyframe_from_query.copy()
    flipped[:3, 3] *= -1
    metrics = pair_metrics([replace(outcome, estimated=flipped)])
    assert metrics['direction_deg_median'] == pytest.approx(180)
    assert metrics['direction_auc_20'] == metrics['pose_auc_20'] == 0
    assert metrics['rotation_auc_5'] == 1


def test_pairs_from_one_place_have_no_direction(judged):
    here = replace(judged(), keyframe_from_query=np.eye(4), estimated=np.eye(4))
    metrics = pair_metrics([here, judged(turn_deg=1)])
    assert metrics['without_true_direction'] == 1
    assert metrics['direction_auc_5'] == pytest.approx(1)
    assert pair_metrics([here])['direction_deg_median'] is None
    assert pair_metrics([here])['pose_auc_5'] == 1  # by its rotation


def test_pose_is_the_larger_of_rotation_and_direction(judged):
    metrics = pair_metrics([judged(0.03, 3, seed) for seed in range(20)])
    for bound in (5, 10, 20):
        least = min(metrics[f'rotation_auc_{bound}'], metrics[f'direction_auc_{bound}'])
        assert metrics[f'pose_auc_{bound}'] <= least
    assert metrics['rotation_auc_10'] == pytest.approx(0.7 + 0.3 / 2, abs=0.16)


def test_virtual_points_stand_where_the_benchmark_puts_them():
    assert GRID_M.shape == (196, 3)
    np.testing.assert_allclose(GRID_M.min(axis=0), (-0.9, -0.45, 1.8))
    np.testing.assert_allclose(GRID_M.max(axis=0), (0.9, 0.45, 3.6))
    np.testing.assert_allclose(GRID_M.mean(axis=0), (0, 0, 2.7), atol=1e-12)


def test_vcre_of_a_shift_and_of_a_turn(judged):
    """A camera that is said to stand 1 cm too far left shifts points by f * 1 cm / z."""
    outcome = judged()
    true = outcome.keyframe_from_query
    assert vcre_px(true, true, outcome.camera) == pytest.approx(0, abs=1e-9)
    shifted = true @ transform(np.eye(3), (-0.01, 0, 0))
    expected = (outcome.camera.fx * 0.01 / GRID_M[:, 2]).mean()
    # Points that leave the image are clamped, and some are outside already.
    inside = np.abs(GRID_M[:, 0] / GRID_M[:, 2]) < 265 / 590
    share = (outcome.camera.fx * 0.01 / GRID_M[inside, 2]).sum() / len(GRID_M)
    assert share * 0.99 < vcre_px(shifted, true, outcome.camera) < expected
    rolled = true @ transform(Rotation.from_euler('z', 180, degrees=True).as_matrix(), np.zeros(3))
    assert vcre_px(rolled, true, outcome.camera) > 90
    backwards = true @ transform(np.diag((-1.0, 1, -1)), np.zeros(3))
    assert np.isfinite(vcre_px(backwards, true, outcome.camera))


def test_vcre_does_not_depend_on_the_map_but_on_the_image(judged):
    outcome = judged(0.1, 3)
    assert 0 < outcome.vcre_px < 90 and outcome.virtually_right
    half = replace(outcome, camera=outcome.camera.resized(270, 360))
    assert half.vcre_px == pytest.approx(outcome.vcre_px / 2, rel=0.02)
    other = transform(Rotation.random(random_state=1).as_matrix(), (1, 2, 3))
    moved = replace(
        outcome,
        keyframe_from_query=other @ outcome.keyframe_from_query,
        estimated=other @ outcome.estimated,
    )
    assert moved.vcre_px == pytest.approx(outcome.vcre_px)
    assert not judged(3.0, 60).virtually_right


def test_trivial_predictors(judged, rejected):
    outcomes = [judged(0.2, 9, seed) for seed in range(5)] + [rejected]
    still, mean = keyframe_poses(outcomes), mean_motions(outcomes)
    for each, of_still in zip(outcomes, still, strict=True):
        assert of_still.position_error_m == pytest.approx(0.5)  # the pairs' baseline
        turned = Rotation.from_matrix(each.keyframe_from_query[:3, :3]).magnitude()
        assert of_still.rotation_error_deg == pytest.approx(np.degrees(turned))
    metrics = without_direction(pair_metrics(still))
    assert metrics['rejected'] == 0
    assert metrics['direction_deg_median'] is metrics['pose_auc_20'] is None
    assert metrics['position_cm_median'] == pytest.approx(50)
    assert metrics['rotation_auc_20'] is not None
    centre = np.mean([each.keyframe_from_query[:3, 3] for each in outcomes], axis=0)
    for each in mean:
        np.testing.assert_allclose(each.estimated[:3, 3], centre)
        np.testing.assert_array_equal(each.estimated, mean[0].estimated)


def test_the_mean_motion_of_equal_pairs_is_their_motion(judged):
    assert mean_motions([judged(0.3, 8)] * 3)[1].position_error_m == pytest.approx(0)


def test_several_scenes(judged, rejected):
    near, far = [judged(0.1, 1, i) for i in range(3)], [judged(0.4, 1, i) for i in range(7)]
    both = overall([near, far])
    assert both['position_cm_median'] == pytest.approx(25)
    assert (both['pairs'], both['within_25cm_5deg']) == (10, 0.3)
    assert overall([near, [rejected]])['position_cm_median'] is None
    with pytest.raises(ValueError, match='expected at least one, got none'):
        pair_metrics([])


def test_contradictions_are_refused(judged):
    with pytest.raises(ValueError, match='pair k, 0: expected a pose, or a reason'):
        judged(reason='few_matches')
    with pytest.raises(ValueError, match='pair k, 0: expected a pose'):
        judged(estimated=None)
