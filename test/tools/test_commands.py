"""Commands as users type them: what they write, and one line for what a user can mend."""

import json
import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from relpose_ros.__main__ import COMMANDS, main
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.vlad import default_vocabulary
from scipy.spatial.transform import Rotation

REPOSITORY = Path(__file__).parents[2]
GEOMETRIC = ('--estimator', 'geometric')
INTRINSICS = ('--intrinsics', '280', '280', '160', '120')
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
SPLIT = """
layout: 7scenes
camera: {focal_px: 280, principal_point_px: [160, 120]}
keyframes: {sequence: seq-01, start: 0, stop: 4}
queries: {sequence: seq-01, start: 4, stop: 7}
"""


@pytest.fixture(scope='module')
def views(photograph) -> list:
    """Return three keyframes, a picture without texture, two queries and another wall."""
    keyframes = [photograph(x_m) for x_m in (-0.6, 0.0, 0.6)]
    blank = photograph(0.3)
    blank.rgb[:] = 90
    return [*keyframes, blank, photograph(-0.4, 0.1, 4), photograph(0.3), photograph(0.0, seed=1)]


@pytest.fixture(scope='module')
def recording(tmp_path_factory, views, write_recording) -> Path:
    """Write a folder in 7-Scenes layout."""
    return write_recording(tmp_path_factory.mktemp('recording'), SPLIT, views)


@pytest.fixture(scope='module')
def built(tmp_path_factory, recording) -> tuple[Path, subprocess.CompletedProcess]:
    """Build the map in a process of its own."""
    path = tmp_path_factory.mktemp('built') / 'wall of mine.relmap'
    return path, command('build-map', path, recording)


def command(*arguments: str | Path) -> subprocess.CompletedProcess:
    """Run a command as a user does."""
    return subprocess.run(
        [sys.executable, '-m', 'relpose_ros', *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )


def run(*arguments: str | Path) -> int:
    """Run a command in this process, which saves importing torch; return the exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize('name', COMMANDS)
def test_help_says_what_a_command_does_and_how_to_call_it(name, capsys):
    assert run(name, '--help') == 0
    text = capsys.readouterr().out
    assert COMMANDS[name].__doc__.strip() in text
    assert f'  relpose_ros {name}' in text  # an example


def test_help_names_all_commands(capsys):
    assert run('--help') == 0
    text = capsys.readouterr().out
    for name, module in COMMANDS.items():
        assert name in text
        assert ' '.join(module.__doc__.split('.')[0].split()[:3]) in text


def test_a_folder_becomes_a_map(built, views):
    path, result = built
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    size_mb = path.stat().st_size / 1e6
    assert lines == [
        f'{path}: 3 keyframes of 4 images, {size_mb:.1f} MB',
        'left out 1: no texture (seq-01/frame-000003)',
    ]
    with KeyframeMap.open(path) as keyframe_map:
        assert keyframe_map.depth_count == 3
        assert keyframe_map.vocabulary.identity != default_vocabulary().identity
        for keyframe_id, view in zip(keyframe_map.ids, views[:3], strict=True):
            pose = keyframe_map.pose(keyframe_id)
            np.testing.assert_allclose(pose, view.map_from_camera, atol=1e-6)


def test_the_shipped_vocabulary_can_be_kept(tmp_path, recording):
    path = tmp_path / 'a.relmap'
    assert run('build-map', path, recording, '--vocabulary', 'shipped') == 0
    with KeyframeMap.open(path) as keyframe_map:
        assert keyframe_map.vocabulary.identity == default_vocabulary().identity


def test_inspect_map_lists_the_keyframes(built, views, capsys):
    path, _ = built
    assert run('inspect-map', path) == 0
    summary = capsys.readouterr().out
    assert run('inspect-map', path, '--list') == 0
    text = capsys.readouterr().out
    assert text.startswith(summary)
    head, rows = text.split('[m]\n')
    assert 'keyframes    3, 3 with depth' in head
    assert 'x            -0.60 to 0.60 m' in head
    assert '320x240, fx 280.0 fy 280.0 cx 160.0 cy 120.0 px' in head
    for i, row in enumerate(rows.splitlines()):
        keyframe_id, stamp_s, *position_m = map(float, row.split())
        assert (keyframe_id, stamp_s) == (i + 1, pytest.approx(i / 30, abs=6e-4))
        np.testing.assert_allclose(position_m, views[i].map_from_camera[:3, 3], atol=6e-4)
    assert len(rows.splitlines()) == 3


def test_localize_prints_a_line_of_json_per_image(built, recording, views, capsys):
    images = [recording / 'seq-01' / f'frame-{i:06d}.color.png' for i in (4, 5, 6)]
    assert run('localize', built[0], *images, *INTRINSICS, *GEOMETRIC) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer['image'] for answer in answers] == [str(path) for path in images]
    for answer, view in zip(answers[:2], views[4:6], strict=True):
        assert answer['frame_id'] == 'map'
        np.testing.assert_allclose(answer['position_m'], view.map_from_camera[:3, 3], atol=0.02)
        found = Rotation.from_quat(answer['quat_xyzw'])
        true = Rotation.from_matrix(view.map_from_camera[:3, :3])
        assert (found.inv() * true).magnitude() < np.radians(0.5)
        assert answer['keyframe_id'] in (1, 2, 3)
        assert answer['matches'] > 30
    assert set(answers[2]) == {'image', 'rejected', 'detail'}
    assert answers[2]['rejected'] in ('few_matches', 'no_consistent_pose', 'uncertain_pose')
    assert answers[2]['detail']


def test_evaluate_writes_figures_and_a_page(tmp_path, recording, capsys):
    figures, page = tmp_path / 'result.json', tmp_path / 'out' / 'page'
    assert run('evaluate', recording, '--json', figures, '--report', page, *GEOMETRIC) == 0
    result = json.loads(figures.read_text())
    assert list(result) == KEYS
    assert (result['queries'], result['rejected']) == (3, 1)
    assert (result['estimator'], result['weights']) == ('geometric', None)
    assert result['position_cm_median'] < 2
    assert result['rotation_deg_median'] < 0.5
    assert (
        result['within_5cm_5deg'] == result['within_25cm_5deg'] == pytest.approx(2 / 3, abs=1e-4)
    )
    assert result['retrieval_recall_at_1'] >= 0.66
    assert result['latency_ms_median'] > 0
    text = capsys.readouterr().out
    assert '1 (33.3 %)' in text and str(page / 'index.html') in text
    html = (page / 'index.html').read_text()
    for number in (4, 5, 6):
        assert f'seq-01/frame-{number:06d}, keyframe ' in html


def test_evaluate_can_use_a_map_that_is_there(tmp_path, recording, built):
    before = built[0].read_bytes()
    figures = tmp_path / 'result.json'
    assert run('evaluate', recording, '--map', built[0], '--json', figures, *GEOMETRIC) == 0
    assert json.loads(figures.read_text())['rejected'] == 1
    assert built[0].read_bytes() == before


def test_untrained_weights_are_never_hidden(tmp_path, recording, built, capsys):
    figures = tmp_path / 'result.json'
    network = ('--estimator', 'network', '--weights', 'untrained')
    assert run('evaluate', recording, '--map', built[0], '--json', figures, *network) == 0
    printed = capsys.readouterr()
    assert 'UNTRAINED' in printed.err
    assert 'untrained' in printed.out  # in the table
    result = json.loads(figures.read_text())
    assert list(result) == KEYS
    assert (result['estimator'], result['weights']) == ('network', 'untrained')
    assert result['queries'] == 3

    image = recording / 'seq-01' / 'frame-000004.color.png'
    assert run('localize', built[0], image, *INTRINSICS, *network) == 0
    printed = capsys.readouterr()
    assert 'UNTRAINED' in printed.err
    assert json.loads(printed.out)['image'] == str(image)  # stdout stays JSON


def assert_one_line(code: int, capfd, *words: str) -> None:
    """Check exit code and stderr of a command that a user called wrongly."""
    printed = capfd.readouterr()
    assert code in (1, 2)
    assert printed.err.count('\n') == 1 and printed.err.endswith('\n'), printed.err
    assert printed.err.startswith('relpose_ros')
    assert printed.out == ''
    for word in words:
        assert word in printed.err


def test_errors_in_a_process_of_its_own(tmp_path):
    result = command('inspect-map', tmp_path / 'absent.relmap')
    assert (result.returncode, result.stdout) == (1, '')
    assert result.stderr == f'relpose_ros: {tmp_path}/absent.relmap: no such map file\n'


def test_maps_that_cannot_be_used(tmp_path, recording, built, capfd):
    image = recording / 'seq-01' / 'frame-000004.color.png'
    absent, cut = tmp_path / 'absent.relmap', tmp_path / 'cut.relmap'
    cut.write_bytes(built[0].read_bytes())
    os.truncate(cut, cut.stat().st_size // 2)
    capfd.readouterr()
    for path, words in ((absent, 'no such map file'), (cut, 'is truncated')):
        assert_one_line(run('inspect-map', path), capfd, str(path), words)
        assert_one_line(run('localize', path, image, *INTRINSICS), capfd, str(path), words)
        assert_one_line(run('evaluate', recording, '--map', path), capfd, str(path), words)
        assert not absent.exists()


def test_a_map_is_not_overwritten(recording, built, capfd):
    before = built[0].read_bytes()
    capfd.readouterr()
    assert_one_line(run('build-map', built[0], recording), capfd, str(built[0]), 'exists already')
    assert built[0].read_bytes() == before


def test_folders_that_cannot_be_used(tmp_path, capfd):
    absent = tmp_path / 'absent'
    for arguments in (('evaluate', absent), ('build-map', 'a.relmap', absent)):
        assert_one_line(run(*arguments), capfd, f'{absent}: no such folder')
    assert_one_line(run('evaluate', tmp_path), capfd, f'{tmp_path}: no split.yaml')
    words = (f'{tmp_path}: no layout of posed images fits', 'TUM RGB-D', 'COLMAP')
    assert_one_line(run('build-map', tmp_path / 'a', tmp_path), capfd, *words)
    assert not (tmp_path / 'a').exists()


def test_images_that_cannot_be_read(tmp_path, built, capfd):
    broken = tmp_path / 'broken.png'
    broken.write_text('no image')
    (tmp_path / 'empty.png').touch()
    capfd.readouterr()
    for name in ('broken.png', 'empty.png', 'absent.png', '.'):
        path = tmp_path / name
        code = run('localize', built[0], path, *INTRINSICS)
        assert_one_line(code, capfd, f'{path}: cannot be read as an image')


def test_a_broken_image_of_a_recording_is_named(tmp_path, recording, capfd):
    folder = tmp_path / 'recording'
    (folder / 'seq-01').mkdir(parents=True)
    for path in recording.rglob('*.*'):
        (folder / path.relative_to(recording)).write_bytes(path.read_bytes())
    broken = folder / 'seq-01' / 'frame-000001.color.png'
    broken.write_text('no image')
    assert run('build-map', tmp_path / 'a.relmap', folder) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1] == f'relpose_ros: {broken}: broken image'  # after the progress bar's line
    assert not any('Traceback' in line for line in lines)


def test_estimators_that_cannot_be_used(tmp_path, recording, capfd):
    network = ('evaluate', recording, '--estimator', 'network')
    missing = tmp_path / 'weights.safetensors'
    assert_one_line(run(*network, '--weights', missing), capfd, f'{missing}: no such weights file')
    missing.write_text('no weights')
    assert_one_line(run(*network, '--weights', missing), capfd, 'holds no weights')
    code = run('evaluate', recording, '--estimator', 'magic')
    assert_one_line(code, capfd, "invalid choice: 'magic'", '--help')
    assert_one_line(run(), capfd, 'the following arguments are required: COMMAND')
