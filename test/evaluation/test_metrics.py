"""Properties of the figures: what may not change them, and what must."""

import json
from math import inf, isnan

import numpy as np
import pytest
from relpose_ros.core.geometry import transform
from relpose_ros.evaluation.metrics import Outcome, summary, table, undefined_directions
from scipy.spatial.transform import Rotation

KEYS = [
    'queries',
    'rejected',
    'position_cm_median',
    'direction_deg_median',
    'rotation_deg_median',
    'within_5cm_5deg',
    'within_25cm_5deg',
    'wrong',
    *(f'{part}_coverage_{level}' for part in ('position', 'rotation') for level in (50, 68, 95)),
    'retrieval_recall_at_1',
    'estimator',
    'weights',
    'latency_ms_median',
]


def random_pose(rng: np.random.Generator) -> np.ndarray:
    return transform(Rotation.random(random_state=rng).as_matrix(), rng.normal(size=3))


def found(offset_m: float, turn_deg: float = 0, seed: int = 0, **fields) -> Outcome:
    """Build an outcome whose position and orientation are wrong by so much."""
    rng = np.random.default_rng(seed)
    true = random_pose(rng)
    axis, aside = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    turn = Rotation.from_rotvec(np.radians(turn_deg) * axis).as_matrix()
    estimated = transform(true[:3, :3] @ turn, true[:3, 3] + offset_m * aside)
    return Outcome(
        str(seed),
        true,
        estimated,
        keyframe_id=1,
        map_from_keyframe=random_pose(rng),
        **fields,
    )


def rejected(**fields) -> Outcome:
    return Outcome('rejected', np.eye(4), reason='few_matches', **fields)


@pytest.mark.parametrize('seed', range(5))
def test_errors_are_the_displacement(seed: int) -> None:
    outcome = found(0.3, 7, seed)
    assert outcome.position_error_m == pytest.approx(0.3)
    assert outcome.rotation_error_deg == pytest.approx(7)


@pytest.mark.parametrize('seed', range(5))
def test_errors_do_not_depend_on_the_map_frame(seed: int) -> None:
    outcome = found(0.3, 7, seed)
    other_from_map = random_pose(np.random.default_rng(seed + 100))
    moved = Outcome(
        outcome.name,
        other_from_map @ outcome.map_from_query,
        other_from_map @ outcome.estimated_map_from_query,
        keyframe_id=1,
        map_from_keyframe=other_from_map @ outcome.map_from_keyframe,
    )
    for name in ('position_error_m', 'rotation_error_deg', 'direction_error_deg'):
        assert getattr(moved, name) == pytest.approx(getattr(outcome, name), abs=1e-9)


@pytest.mark.parametrize(('factor', 'error_deg'), [(1, 0), (2, 0), (0.1, 0), (-1, 180), (0, 180)])
def test_direction(factor: float, error_deg: float) -> None:
    """A longer way is the same direction; a flipped or missing one is as wrong as can be."""
    map_from_keyframe = random_pose(np.random.default_rng(3))
    keyframe_from_query = transform(np.eye(3), (0.3, -0.2, 0.5))
    estimated = transform(np.eye(3), factor * keyframe_from_query[:3, 3])
    outcome = Outcome(
        'a',
        map_from_keyframe @ keyframe_from_query,
        map_from_keyframe @ estimated if factor else map_from_keyframe,
        keyframe_id=1,
        map_from_keyframe=map_from_keyframe,
    )
    assert outcome.direction_error_deg == pytest.approx(error_deg, abs=1e-5)


def test_direction_of_a_query_at_its_keyframe_is_left_out() -> None:
    pose = random_pose(np.random.default_rng(0))
    here = Outcome('here', pose, pose, keyframe_id=1, map_from_keyframe=pose)
    assert isnan(here.direction_error_deg)
    both = [here, found(0.2)]
    assert undefined_directions(both) == 1
    expected = pytest.approx(both[1].direction_error_deg, abs=1e-3)
    assert summary(both, 'geometric', None)['direction_deg_median'] == expected
    assert summary([here], 'geometric', None)['direction_deg_median'] is None


def test_rejected_queries_stay_in_the_denominator() -> None:
    outcomes = [found(0.01, 1, seed) for seed in range(3)]
    assert summary(outcomes, 'network', 'abc')['within_5cm_5deg'] == 1
    result = summary([*outcomes, rejected()], 'network', 'abc')
    assert (result['queries'], result['rejected']) == (4, 1)
    assert result['within_5cm_5deg'] == result['within_25cm_5deg'] == 0.75
    assert result['position_cm_median'] == pytest.approx(1)
    assert (result['estimator'], result['weights']) == ('network', 'abc')


def test_a_median_among_rejections_is_null_in_json() -> None:
    assert rejected().position_error_m == rejected().direction_error_deg == inf
    result = summary([found(0.01), rejected(), rejected()], 'geometric', None)
    assert list(result) == KEYS
    reread = json.loads(json.dumps(result, allow_nan=False))
    for key in ('position_cm_median', 'rotation_deg_median', 'direction_deg_median', 'weights'):
        assert reread[key] is None


def test_both_bounds_must_hold() -> None:
    outcomes = [found(0.04, 1), found(0.04, 6), found(0.06, 1), found(0.2, 4), found(0.3, 1)]
    result = summary(outcomes, 'geometric', None)
    assert (result['within_5cm_5deg'], result['within_25cm_5deg']) == (0.2, 0.6)


def test_recall_is_of_the_queries_whose_view_is_known() -> None:
    views = [0.4, 0.39, 0.9, None]
    outcomes = [found(0.1, shared_view=view) for view in views] + [rejected(shared_view=0.0)]
    result = summary(outcomes, 'geometric', None)
    assert result['retrieval_recall_at_1'] == 0.5
    assert summary(outcomes[3:4], 'geometric', None)['retrieval_recall_at_1'] is None


def test_latency_is_the_sum_of_the_stages() -> None:
    outcomes = [found(0.1, latency_s={'describe': 0.1, 'match': 0.02}), rejected()]
    assert summary(outcomes, 'geometric', None)['latency_ms_median'] == pytest.approx(120)
    assert summary([rejected()], 'geometric', None)['latency_ms_median'] is None


def test_table_says_what_is_missing() -> None:
    text = table(summary([found(0.123, 2), found(0.123, 2)], 'geometric', None))
    assert 'position error, median   12.30 cm' in text
    assert 'first keyframe right     none' in text
    assert 'rejected                 0 (0.0 %)' in text


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match='outcome a: expected a pose with its keyframe, or a'):
        Outcome('a', np.eye(4))
    with pytest.raises(ValueError, match='outcome b: expected'):
        Outcome('b', np.eye(4), np.eye(4))
    with pytest.raises(ValueError, match='outcome c: expected'):
        Outcome('c', np.eye(4), np.eye(4), 'few_matches', 1, np.eye(4))
    with pytest.raises(ValueError, match='expected at least one, got none'):
        summary([], 'geometric', None)
