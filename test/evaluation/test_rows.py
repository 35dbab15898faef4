"""Rows beside each other, in a table, in JSON and on a page."""

import json

import cv2
import numpy as np
import pytest
from relpose_ros.core.network_pose import NetworkEstimator, untrained_network
from relpose_ros.evaluation.match_accuracy import MatchErrors
from relpose_ros.evaluation.paper_rows import paper_rows, TABLE_1, TABLE_2, TABLE_5
from relpose_ros.evaluation.row_table import table, write_page
from relpose_ros.evaluation.rows import Evaluation, Judged, match_rows, pair_rows


@pytest.fixture
def scenes(judged, rejected) -> dict:
    """Return a scene of the paper and another."""
    return {
        'Red_Kitchen': [judged(0.1, 3, seed) for seed in range(9)] + [rejected],
        'attic': [judged(0.3, 9, seed) for seed in range(5)],
    }


def rows_of(scenes: dict) -> list:
    return pair_rows('nearest', 'nearest', [Judged('network', 'abc', False, scenes)])


def test_ours_the_trivial_and_the_papers_stand_together(scenes):
    rows = rows_of(scenes)
    by_scene = {name: [r for r in rows if r.dataset == name] for name in (*scenes, 'average')}
    kitchen = by_scene['Red_Kitchen']
    assert [row.estimator.partition(',')[0] for row in kitchen] == [
        'network',
        "keyframe's own pose",
        'mean motion',
        *['paper'] * 3,
    ]
    assert kitchen[0].metrics['pairs'] == kitchen[1].metrics['pairs'] == 10
    assert kitchen[0].metrics['rejected'] == 1 and kitchen[2].metrics['rejected'] == 0
    assert kitchen[1].metrics['direction_deg_median'] is None
    assert len(by_scene['attic']) == len(by_scene['average']) == 3
    assert by_scene['average'][0].metrics['position_cm_median'] == pytest.approx(20)
    assert by_scene['average'][0].metrics['pairs'] == 15
    assert not any(row.dataset == 'average' for row in rows_of({'one': scenes['attic']}))


def test_rows_in_json(scenes):
    rows = [row.as_json() for row in rows_of(scenes)]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert len({row['id'] for row in rows}) == len(rows)
    assert list(rows[0]) == [
        'id', 'dataset', 'split', 'estimator', 'k', 'depth', 'weights', 'metrics'
    ]  # fmt: skip
    assert rows[0]['id'] == 'Red_Kitchen/nearest/network'
    assert (rows[0]['k'], rows[0]['depth'], rows[0]['weights']) == (1, False, 'abc')


def test_estimators_on_the_same_pairs(scenes):
    several = [Judged('geometric', None, depth, scenes) for depth in (True, False)]
    rows = [row.as_json() for row in pair_rows('nearest', 'nearest', several)]
    assert rows[0]['id'] == 'Red_Kitchen/nearest/geometric/keyframe depth'
    assert rows[1]['id'] == 'Red_Kitchen/nearest/geometric'
    assert [row['estimator'] for row in rows].count('mean motion') == 3
    assert len({row['id'] for row in rows}) == len(rows)


def test_the_table_says_how_many_pairs_and_what_is_undefined(scenes):
    text = table(rows_of(scenes))
    lines = text.splitlines()
    assert lines[0].split()[:3] == ['scene', 'by', 'pairs']
    ours = next(line for line in lines if 'network abc' in line)
    assert ours.split()[3:6] == ['10', '1', '10.0']
    still = next(line for line in lines if "keyframe's own pose" in line)
    assert still.split()[7] == '-'
    assert '12.7' in text and '18.2' in text and '73.0' in text
    assert 'a pair without a pose counts as a failure' in ' '.join(lines)


def test_a_page_with_curves(tmp_path, scenes):
    judged = [Judged('geometric', None, depth, scenes) for depth in (True, False)]
    rows = pair_rows('nearest', 'nearest', judged)
    evaluation = Evaluation('Kitchen & attic: nearest', rows, judged)
    matches = Evaluation('matches', rows_of_matches(), [])
    written = write_page(tmp_path / 'new' / 'page', 'All', [evaluation, matches])
    assert [path.name for path in written] == ['index.html', 'kitchen_attic_nearest.png']
    html = written[0].read_text()
    assert 'Kitchen &amp; attic' in html and 'mean motion' in html and 'Table 2' in html
    assert 'dense RootSIFT' in html
    picture = cv2.imread(str(written[1]))
    assert picture.shape[1] == 1500 and picture.std() > 10


def rows_of_matches() -> list:
    """Return the rows of one pair with four visible cells."""
    errors = [MatchErrors(np.array([0.2, 0.7, 3.0, 9.0]), np.array([True, True, True, False]))]
    network = NetworkEstimator(untrained_network(), 'abc')
    return match_rows('matches', 'kitchen', network, errors, errors)


def test_rows_of_matches():
    ours, sift = rows_of_matches()
    assert (ours.estimator, sift.estimator) == ('network', 'dense RootSIFT')
    assert (ours.weights, sift.weights) == ('abc', None)
    line = table([ours, sift]).splitlines()[1].split()
    assert line[3:] == ['1', '4', '50.0', '25.0', '66.7', '75.0', '50.0', '66.7']


@pytest.mark.parametrize(('paper', 'without'), [(TABLE_1, ()), (TABLE_2, ()), (TABLE_5, ())])
def test_the_papers_averages_are_those_of_its_scenes(paper, without):
    """To the last digit printed: a mistyped figure would show."""
    scenes = [row for name, row in paper.items() if name != 'average']
    for column in zip(paper['average'], *scenes, strict=True):
        if None not in column:
            average, *values = column
            assert average == pytest.approx(np.mean(values), rel=0.01)


def test_the_paper_is_quoted_for_its_own_scenes_only():
    titles = [row.title for row in paper_rows(['redkitchen'], 'pairs')]
    assert [title.split(',')[1] for title in titles] == [' Table 1', ' Table 2']
    all_seven = [name for name in TABLE_1 if name != 'average']
    averages = paper_rows(all_seven, 'pairs')
    assert averages[1].metrics['position_cm_median'] == 20.2
    cambridge = [name for name in TABLE_5 if name != 'average']
    (row,) = paper_rows(cambridge, 'nearest')
    assert row.metrics == {'direction_deg_median': 23.5, 'rotation_deg_median': 5.86}
    assert paper_rows(all_seven[:3], 'pairs') == paper_rows(['attic'], 'nearest') == []
    assert paper_rows(['office'], 'trajectory') == []
    assert paper_rows(['scannet_pairs'], 'pairs')[0].metrics['pairs'] == 1500
    assert paper_rows(['s00460', 's00461'], 'map-free')[0].metrics['vcre_px_median'] == 155.3
