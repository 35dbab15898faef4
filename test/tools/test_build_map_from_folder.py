"""build-map from folders that name no keyframes, and after it was killed."""

from pathlib import Path
import resource
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from relpose_ros.__main__ import main
from relpose_ros.core.geometry import inverse, quaternion_xyzw
from relpose_ros.core.keyframe_map import KeyframeMap, MapError

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str | Path) -> int:
    """Run a command in this process."""
    return main([str(argument) for argument in arguments])


def positions_m(path: Path) -> list[float]:
    """Return how far along the wall the keyframes are."""
    with KeyframeMap.open(path) as keyframe_map:
        return [round(keyframe_map.pose(i)[0, 3], 6) for i in keyframe_map.ids]


def write_tum(folder: Path, views: list) -> Path:
    """Write a picture a second in the layout of TUM RGB-D."""
    (folder / 'rgb').mkdir(parents=True)
    lines = []
    for i, view in enumerate(views):
        cv2.imwrite(str(folder / 'rgb' / f'{1000 + i}.000000.png'), view.rgb[..., ::-1])
        pose = view.map_from_camera
        numbers = (*pose[:3, 3], *quaternion_xyzw(pose[:3, :3]))
        lines.append(f'{1000 + i}.000000 {" ".join(map(str, numbers))}')
    (folder / 'groundtruth.txt').write_text('\n'.join(lines))
    return folder


def test_tum_keyframes_stand_apart_and_are_sharp(tmp_path, photograph, capsys):
    views = [photograph(0.1 * i) for i in range(9)]
    folder = write_tum(tmp_path / 'tum', views)
    streak = np.full((1, 21), 1 / 21, np.float32)
    blurred = cv2.filter2D(views[6].rgb, -1, streak)
    cv2.imwrite(str(folder / 'rgb' / '1006.000000.png'), blurred[..., ::-1])
    path = tmp_path / 'a.relmap'
    options = ('--min-distance', '0.25', '--vocabulary', 'shipped')
    assert run('build-map', path, folder, *options) == 0
    assert positions_m(path) == [0.0, 0.3, 0.7]
    assert capsys.readouterr().out.splitlines()[1:] == [
        'depth was added to 3 keyframes, from those around them',
        'left out 5: not moved',
        'left out 1: blurred (rgb/1006.000000.png)',
    ]


def test_colmap_scale(tmp_path, photograph, caplog):
    """Without a scale the user hears that there is none."""
    views = [photograph(0.5 * i) for i in range(3)]
    model = tmp_path / 'project' / 'sparse'
    model.mkdir(parents=True)
    (tmp_path / 'photos').mkdir()
    (model / 'cameras.txt').write_text('1 PINHOLE 320 240 280 280 160.5 120.5')
    lines = []
    for i, view in enumerate(views):
        cv2.imwrite(str(tmp_path / 'photos' / f'{i}.png'), view.rgb[..., ::-1])
        pose = inverse(view.map_from_camera)
        x, y, z, w = quaternion_xyzw(pose[:3, :3])
        lines += [' '.join(map(str, (i, w, x, y, z, *pose[:3, 3], 1, f'{i}.png'))), '']
    (model / 'images.txt').write_text('\n'.join(lines))
    options = ('--images', tmp_path / 'photos', '--vocabulary', 'shipped')
    assert run('build-map', tmp_path / 'a.relmap', tmp_path / 'project', *options) == 0
    assert positions_m(tmp_path / 'a.relmap') == [0.0, 0.5, 1.0]
    assert 'the scale of a COLMAP model is arbitrary' in caplog.text
    caplog.clear()
    more = ('--scale', '2')
    assert run('build-map', tmp_path / 'b.relmap', tmp_path / 'project', *options, *more) == 0
    assert positions_m(tmp_path / 'b.relmap') == [0.0, 1.0, 2.0]
    assert not caplog.text


def test_the_same_command_goes_on_after_kill_9(tmp_path, photograph, capsys):
    folder = write_tum(tmp_path / 'tum', [photograph(0.05 * i) for i in range(30)])
    path, whole = tmp_path / 'killed.relmap', tmp_path / 'whole.relmap'
    options = ('--min-distance', '0.08', '--vocabulary', 'shipped')
    command = [sys.executable, '-m', 'relpose_ros', 'build-map', path, folder, *options]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        while keyframes_of(path) < 3 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    before = positions_m(path)
    assert 3 <= len(before) < 15
    assert run('build-map', path, folder, '--min-distance', '0.3') == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert 'was begun with other arguments' in error and '"min_distance": 0.08' in error
    assert positions_m(path) == before

    assert run('build-map', path, folder, *options) == 0
    assert run('build-map', whole, folder, *options) == 0
    assert positions_m(path) == positions_m(whole)
    assert len(positions_m(path)) == 15
    capsys.readouterr()
    assert run('build-map', path, folder, *options) == 1
    assert 'exists already' in capsys.readouterr().err


def keyframes_of(path: Path) -> int:
    """Return how many keyframes are in a map that is being written; 0 before it is one."""
    try:
        with KeyframeMap.open(path) as keyframe_map:
            return len(keyframe_map)
    except MapError:
        return 0


def test_pose_topic_and_trajectory_exclude_each_other(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run('build-map', 'a.relmap', tmp_path, '--pose-topic', '/odom', '--trajectory', 'a.txt')
    assert 'not allowed with' in capsys.readouterr().err


def test_full_disk(tmp_path, photograph):
    """One sentence; what was added stays readable, and the same command goes on where it ended."""
    random = np.random.default_rng(0)
    views = [photograph(0.3 * i) for i in range(6)]
    for view in views:  # noise makes large keyframes
        view.rgb[:] = random.integers(0, 256, view.rgb.shape, np.uint8)
    folder, path = write_tum(tmp_path / 'tum', views), tmp_path / 'a.relmap'
    command = [sys.executable, '-m', 'relpose_ros', 'build-map', path, folder]
    command += ['--vocabulary', 'shipped', '--min-sharpness', '0']

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    result = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, preexec_fn=limit_files
    )
    assert result.returncode == 1
    assert result.stderr.count('relpose_ros: ') == 1, result.stderr
    assert f'relpose_ros: {path}: cannot write: ' in result.stderr
    assert 'Traceback' not in result.stderr
    kept = positions_m(path)
    assert 0 < len(kept) < len(views)
    assert run(*command[3:]) == 0
    assert positions_m(path) == [round(0.3 * i, 6) for i in range(len(views))]
