"""Three processes as in the demo: player, relocalizer, recorder."""

import json
from pathlib import Path
import subprocess

import cv2
import numpy as np


def lines(path: Path) -> list[dict]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lock_step(rig, relocalizer, start, photograph, tmp_path: Path):
    """Each image is sent once the one before is processed: all are, and their poses recorded."""
    views = {f'{i}.png': photograph(x, 0.05, 5.0) for i, x in enumerate((-1.0, 0.1, 0.9))}
    views['3.png'] = photograph(0.1, seed=1)  # a foreign one
    images = tmp_path / 'images'
    images.mkdir()
    for name, view in views.items():
        cv2.imwrite(str(images / name), view.rgb[..., ::-1])
    output, stamps = tmp_path / 'poses.jsonl', tmp_path / 'stamps.jsonl'
    recorder = start(
        'pose_recorder', '-p', f'output:={output}', '-p', 'count:=4', '-p', 'idle_s:=60.0'
    )
    rig.until(lambda: output.exists() and output.stat().st_size)
    player = start(
        'image_player',
        *('-p', f'data:={images}', '-p', 'intrinsics:=[280.0, 280.0, 160.0, 120.0]'),
        *('-p', f'stamps_file:={stamps}'),
    )
    assert player.wait(timeout=100) == 0
    assert recorder.wait(timeout=100) == 0

    names = {each['stamp_ns']: each['name'] for each in lines(stamps)}
    assert list(names.values()) == list(views)
    records = lines(output)
    processed = {
        int(each['values']['image_stamp']): each['values']['result']
        for each in records
        if each['kind'] == 'diagnostics' and 'image_stamp' in each['values']
    }
    assert set(processed) == set(names)
    poses = {each['stamp_ns']: each for each in records if each['kind'] == 'pose'}
    assert [names[stamp] for stamp in poses] == ['0.png', '1.png', '2.png']
    assert set(poses) == {stamp for stamp, result in processed.items() if result == 'accepted'}
    for stamp, pose in poses.items():
        true_m = views[names[stamp]].map_from_camera[:3, 3]
        assert np.linalg.norm(pose['position_m'] - true_m) < 0.02
        assert np.isclose(np.linalg.norm(pose['quat_xyzw']), 1)
        assert len(pose['covariance']) == 36
    relative = {each['stamp_ns']: each for each in records if each['kind'] == 'relative_pose'}
    assert set(relative) == set(poses)
    assert all(each['frame_id'].startswith('keyframe_') for each in relative.values())


def test_recorder_without_images(start, tmp_path: Path):
    """A recorder that waits in vain says so."""
    parameters = ('-p', f'output:={tmp_path / "poses.jsonl"}', '-p', 'idle_s:=0.5')
    capture = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
    recorder = start('pose_recorder', *parameters, '-p', 'count:=4', **capture)
    output, _ = recorder.communicate(timeout=100)
    assert recorder.returncode == 1
    assert '0 of at least 4 images processed' in output


def test_player_says_what_is_wrong(start, tmp_path: Path):
    """No folder, no images, nobody who listens: one sentence and exit code 1."""
    capture = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
    image = tmp_path / 'one.png'
    cv2.imwrite(str(image), np.zeros((24, 32, 3), np.uint8))
    pinhole = 'intrinsics:=[30.0, 30.0, 16.0, 12.0]'
    expected = {
        (f'data:={tmp_path / "nowhere"}',): 'no such folder',
        (f'data:={tmp_path / "nowhere"}', pinhole): 'no images',
        (f'data:={tmp_path}', pinhole, 'timeout_s:=0.5'): 'no relocalizer listens',
    }
    processes = {}
    for arguments in expected:
        pairs = [word for argument in arguments for word in ('-p', argument)]
        remaps = ('-r', 'image:=/nobody/image')
        processes[arguments] = start('image_player', *pairs, *remaps, **capture)
    for arguments, process in processes.items():
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 1, arguments
        assert expected[arguments] in output
        assert 'Traceback' not in output
