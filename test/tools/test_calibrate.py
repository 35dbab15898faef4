"""How sure an estimator is, measured by the command on recordings of two walls."""

import json
from pathlib import Path

import numpy as np
import pytest
from relpose_ros.__main__ import main
from relpose_ros.core.calibration import read_calibration

SPLIT = """
layout: 7scenes
camera: {focal_px: 280, principal_point_px: [160, 120]}
keyframes: {sequence: seq-01, start: 0, stop: 12}
queries: {sequence: seq-01, start: 12, stop: 13}
"""
STEPS_M = np.arange(-0.6, 0.61, 0.1)


@pytest.fixture
def recordings(tmp_path, photograph, write_recording) -> list[Path]:
    """Walk along two walls."""
    folders = []
    for seed, name in enumerate(('north', 'south')):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        views = [photograph(float(x_m), seed=seed) for x_m in STEPS_M]
        write_recording(folders[-1], SPLIT, views)
    return folders


def calibrate(*arguments: str | Path) -> int:
    """Run the command in this process; return the exit code."""
    return main(['calibrate', *map(str, arguments), '--estimator', 'geometric'])


def test_what_was_measured_is_written_beside_what_was_there(tmp_path, recordings, capsys):
    out = tmp_path / 'calibration.json'
    out.write_text('{"another": {"weights": "abc"}}')
    assert calibrate(*recordings, '--queries', '4', '--out', out) == 0
    entries = json.loads(out.read_text())
    assert entries['another'] == {'weights': 'abc'}
    written = entries['geometric']
    assert written['recordings'] == ['north', 'south']
    # Two recordings, four maps, with depth and without; to no image of the other wall an answer.
    assert 40 <= written['answers'] <= 2 * 4 * 2 * 4
    assert written['wrong'] == 0
    said = capsys.readouterr().out
    assert f'{written["answers"]} answers, 0 of them wrong' in said
    found = read_calibration('geometric', weights=out)
    known = float(said.split('max_wrong_share below ')[1].split()[0].rstrip('.'))
    assert found.largest_chance(known - 1e-3) == 0 < found.largest_chance(known + 1e-3)
    assert 0 < found.position_scale < 10 and 0 < found.rotation_scale < 10


def test_one_recording_has_no_images_of_another_place(tmp_path, recordings, capfd):
    assert calibrate(recordings[0], '--out', tmp_path / 'calibration.json') != 0
    assert 'give several' in capfd.readouterr().err
    assert not (tmp_path / 'calibration.json').exists()
