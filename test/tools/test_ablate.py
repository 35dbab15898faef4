"""The table of what each part gives, as users ask for it, on a small recording of the wall."""

from itertools import product
import json
from pathlib import Path

import pytest
from relpose_ros.__main__ import main
from relpose_ros.baselines.fusion_baselines import FUSIONS

SPLIT = """
layout: 7scenes
camera: {focal_px: 280, principal_point_px: [160, 120]}
keyframes: {sequence: seq-01, start: 0, stop: 3}
queries: {sequence: seq-01, start: 3, stop: 6}
"""
PLACES = ((-0.3, 0), (0, 0), (0.3, 0), (-0.2, 0.05), (0.1, -0.1), (0.25, 0.05))
NETWORK = ('regression', 'coarse geometry', 'geometry', 'blend', 'blend, not ranked')
OTHERS = [f'network, {name}' for name in NETWORK[1:]] + ['SIFT']
KS = [(1, 'ours'), (2, 'ours'), (5, 'ours'), *((5, name) for name in FUSIONS), (10, 'ours')]


@pytest.fixture(scope='module')
def recording(tmp_path_factory, photograph, write_recording) -> Path:
    """Write three keyframes and a query near each."""
    folder = tmp_path_factory.mktemp('recording')
    return write_recording(folder, SPLIT, [photograph(*place) for place in PLACES])


@pytest.fixture(scope='module')
def table(tmp_path_factory, recording) -> tuple[list[dict], Path]:
    """Run the command; return its rows and the folder it fills."""
    out = tmp_path_factory.mktemp('out')
    assert main(['ablate', str(recording), '--out', str(out), '--device', 'cpu']) == 0
    return json.loads((out / 'ablation.json').read_text()), out


def test_every_variant_has_its_row(table):
    rows, out = table
    methods = [('network, regression', False), *product(OTHERS, (False, True))]
    expected = {(*method, *k) for method, k in product(methods, KS)}
    found = [(row['estimator'], row['depth'], row['k'], row['fusion']) for row in rows]
    assert len(found) == len(expected) and set(found) == expected
    for row in rows:
        assert row['metrics']['queries'] == 3
        assert 0 <= row['metrics']['rejected'] + row['metrics']['wrong'] <= 3
        assert row['metrics']['match_ms_median'] > 0 and row['metrics']['fuse_ms_median'] >= 0
        assert (row['weights'] is None) == (row['estimator'] == 'SIFT')
    assert (out / 'index.html').read_text().count('<tr>') == 1 + len(rows)


def test_matches_give_more_than_the_head(table):
    metrics = {
        (row['estimator'], row['depth'], row['k'], row['fusion']): row['metrics']
        for row in table[0]
    }
    exact = metrics['network, geometry', True, 2, 'ours']
    regressed = metrics['network, regression', False, 2, 'ours']
    assert exact['within_5cm_5deg'] == 1
    assert exact['position_cm_median'] < (regressed['position_cm_median'] or 100)
    # One ray alone has no range.
    assert metrics['network, geometry', False, 1, 'ours']['rejected'] == 3


def test_a_folder_without_queries(tmp_path, capfd):
    assert main(['ablate', str(tmp_path)]) == 1
    error = capfd.readouterr().err
    assert error.startswith('relpose_ros: ') and error.count('\n') == 1
    assert 'no split.yaml' in error
