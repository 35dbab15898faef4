"""`make bench` in small: the rows and what they say."""

import json
from pathlib import Path
import subprocess
import sys
import time

import pytest

REPOSITORY = Path(__file__).parents[1]


def test_rows_are_timed_beside_a_reference(tmp_path: Path):
    out = tmp_path / 'new' / 'bench.json'
    command = [sys.executable, 'benchmarks/bench.py', '--out', out, '--repeat', '1']
    result = subprocess.run(
        [*map(str, command), '--map-sizes', '1000'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    rows = json.loads(out.read_text())
    names = [row['id'] for row in rows if row['id'].endswith('/cpu')]
    assert names == [
        'describe a 640x480 image/cpu',
        'network features of a 640x480 image/cpu',
        'query against 1 cached keyframe/cpu',
        'query against 5 cached keyframes/cpu',
        'query against 5 cached keyframes, refined and fused/cpu',
        'search 1000 keyframes/cpu',
    ]
    for row in rows:
        assert list(row) == ['id', 'device', 'median_ms', 'beside', 'ratio']
        assert row['median_ms'] > 0 and row['ratio'] > 0 and row['beside']
    times_ms = {row['id']: row['median_ms'] for row in rows}
    assert times_ms[names[1]] < times_ms[names[3]]


def test_a_ratio_is_work_to_reference(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'benchmarks')
    from timing import row

    found = row('nap', 'cpu', lambda: time.sleep(0.2), 'a nod', lambda: time.sleep(0.05), 3)
    assert found['id'] == 'nap/cpu' and found['beside'] == 'a nod'
    assert 200 <= found['median_ms'] < 400
    assert 2 < found['ratio'] <= 4.1
