"""The ablation takes the node's road, once for each number of keyframes."""

import numpy as np
import pytest
from relpose_ros.core.geometric_pose import GeometricEstimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.relocalizer import Relocalizer
from relpose_ros.evaluation.ablation import ablate, figures, KEYFRAMES, Method, OURS, Variant
from relpose_ros.evaluation.metrics import Outcome


class Counted(GeometricEstimator):
    """Counts the pairs that it is asked about."""

    pairs = 0

    def estimate(self, query, keyframes):
        self.pairs += len(keyframes)
        return super().estimate(query, keyframes)


def test_it_answers_as_the_relocalizer_and_matches_once_for_each_k(wall_map, photograph):
    view, estimator = photograph(0.2, 0.1), Counted()
    query = PosedImage('query', 0, view.rgb, view.camera, view.map_from_camera)
    with KeyframeMap.open(wall_map) as keyframe_map:
        methods = [Method('SIFT', estimator, estimator, depth=True)]
        outcomes = ablate(keyframe_map, [query], methods, 'cpu')
        assert estimator.pairs == sum(min(k, len(keyframe_map)) for k in KEYFRAMES)
        localized = Relocalizer(keyframe_map, estimator).localize(view.rgb, view.camera)
    (outcome,) = outcomes[Variant('SIFT', None, True, 5, OURS)]
    # MAGSAC draws its samples anew.
    np.testing.assert_allclose(
        outcome.estimated_map_from_query, localized.map_from_query, atol=2e-3
    )
    assert outcome.keyframe_id in localized.agreeing_ids
    for variant, each in outcomes.items():
        # Baselines that vote nobody out may err.
        assert len(each) == 1
        assert variant.fusion != OURS or each[0].position_error_m < 0.05


class Backwards(GeometricEstimator):
    """Takes what retrieval found last for the likeliest."""

    def likeness(self, query, keyframes):
        return np.arange(len(keyframes))


def test_methods_take_keyframes_ranked_or_as_they_are_retrieved(wall_map, photograph):
    view, estimator = photograph(0.2, 0.1), Backwards()
    query = PosedImage('query', 0, view.rgb, view.camera, view.map_from_camera)
    methods = [
        Method('ranked', estimator, estimator, depth=True),
        Method('not ranked', estimator, estimator, depth=True, ranked=False),
    ]
    with KeyframeMap.open(wall_map) as keyframe_map:
        outcomes = ablate(keyframe_map, [query], methods, 'cpu')
    first = {v.estimator: each[0].keyframe_id for v, each in outcomes.items() if v.k == 1}
    assert first['not ranked'] == 3  # at 0.0
    assert first['ranked'] != 3


def test_a_rejection_is_no_wrong_answer_but_a_failure():
    off = np.eye(4)
    off[0, 3] = 0.6
    took = {'match': 0.02, 'fuse': 0.001}
    found = {'keyframe_id': 1, 'map_from_keyframe': np.eye(4), 'latency_s': took}
    outcomes = [
        Outcome('right', np.eye(4), estimated_map_from_query=np.eye(4), **found),
        Outcome('wrong', np.eye(4), estimated_map_from_query=off, **found),
        Outcome('none', np.eye(4), reason='no_pose', latency_s=took),
    ]
    result = figures(Variant('SIFT', None, False, 5, OURS), outcomes)
    assert (result['queries'], result['rejected'], result['wrong']) == (3, 1, 1)
    assert result['position_cm_median'] == pytest.approx(60)
    assert result['within_25cm_5deg'] == pytest.approx(1 / 3, abs=1e-4)
    assert (result['match_ms_median'], result['fuse_ms_median']) == (20, 1)
