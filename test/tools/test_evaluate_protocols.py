"""The protocols of `evaluate` as users type them, on small recordings of the wall."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from relpose_ros.__main__ import main
from relpose_ros.core.geometry import inverse
from relpose_ros.core.network_pose import untrained_network
from relpose_ros.core.network_weights import save_network

SPLIT = """
layout: 7scenes
camera: {focal_px: 280, principal_point_px: [160, 120]}
keyframes: {sequence: seq-01, start: 0, stop: 3}
queries: {sequence: seq-01, start: 3, stop: 6}
"""
PLACES = ((-0.6, 0), (0, 0), (0.6, 0), (-0.5, 0.05), (0.1, -0.1), (0.7, 0.05))
GEOMETRIC = ('--estimator', 'geometric')
TRIVIAL = ["keyframe's own pose", 'mean motion']


@pytest.fixture(scope='module')
def recording(tmp_path_factory, photograph, write_recording) -> Path:
    """Write three keyframes and a query near each."""
    folder = tmp_path_factory.mktemp('recordings') / 'red_kitchen'
    folder.mkdir()
    return write_recording(folder, SPLIT, [photograph(*place) for place in PLACES])


@pytest.fixture(scope='module')
def weights(tmp_path_factory) -> tuple[Path, str]:
    """Return random weights and their content hash."""
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    return path, save_network(path, untrained_network(), {'data': 'none'})


def rows_of(tmp_path: Path, *arguments: str | Path) -> list[dict]:
    """Run `evaluate` and return the rows it writes."""
    path = tmp_path / 'rows.json'
    assert main([str(each) for each in ('evaluate', *arguments, '--json', path)]) == 0
    return json.loads(path.read_text())['rows']


def test_nearest(tmp_path, recording, capsys):
    rows = rows_of(
        tmp_path, recording, '--protocol', 'nearest', '--report', tmp_path / 'page', *GEOMETRIC
    )
    assert [row['estimator'] for row in rows[:3]] == ['geometric', *TRIVIAL]
    assert [row['estimator'][:5] for row in rows[3:]] == ['paper'] * 3
    ours, still, mean = (row['metrics'] for row in rows[:3])
    assert rows[0]['depth'] and rows[0]['k'] == 1
    assert (ours['pairs'], ours['rejected']) == (3, 0)
    assert ours['position_cm_median'] < 1 < still['position_cm_median']
    assert ours['pose_auc_20'] > mean['pose_auc_20']
    # Queries stand 11.2, 14.1 and 11.2 cm from the keyframe before them.
    assert still['position_cm_median'] == pytest.approx(11.2, abs=0.05)
    text = capsys.readouterr().out
    assert 'red_kitchen  geometric with keyframe depth' in text
    assert str(tmp_path / 'page' / 'red_kitchen_nearest.png') in text


def test_nearest_in_several_scenes(tmp_path, recording, weights):
    (tmp_path / 'all').mkdir()
    for name in ('attic', 'cellar'):
        (tmp_path / 'all' / name).symlink_to(recording)
    network = ('--estimator', 'network', '--weights', weights[0])
    rows = rows_of(tmp_path, tmp_path / 'all', '--protocol', 'nearest', *network)
    assert [row['dataset'] for row in rows[::3]] == ['attic', 'cellar', 'average']
    assert [row['weights'] for row in rows[:3]] == [weights[1], None, None]
    assert rows[6]['metrics']['pairs'] == 6
    assert not rows[0]['depth']


def test_the_closest_keyframe_instead_of_the_retrieved(tmp_path, recording):
    rows = rows_of(tmp_path, recording, '--protocol', 'nearest', '--closest', *GEOMETRIC)
    assert {row['split'] for row in rows} == {'nearest, closest keyframe'}
    assert (rows[0]['metrics']['pairs'], rows[0]['metrics']['rejected']) == (3, 0)


def test_trajectory(tmp_path, recording):
    rows = rows_of(tmp_path, recording, '--protocol', 'trajectory', '--min-frames', 2, *GEOMETRIC)
    assert rows[0]['split'] == 'trajectory, at least 2 images apart'
    assert 0 < rows[0]['metrics']['pairs'] <= 6


def test_pairs_of_a_list(tmp_path, photograph):
    folder = tmp_path / 'scannet_of_mine'
    folder.mkdir()
    views = [photograph(0.0), photograph(0.2, 0.1)]
    for name, view in zip('ab', views, strict=True):
        cv2.imwrite(str(folder / f'{name}.jpg'), view.rgb[..., ::-1])
    b_from_a = inverse(views[1].map_from_camera) @ views[0].map_from_camera
    numbers = [*[*views[0].camera.K.ravel()] * 2, *b_from_a.ravel()]
    words = ('a.jpg', 'b.jpg', 0, 0, *numbers)
    (folder / 'my_pairs_with_gt.txt').write_text(' '.join(map(str, words)) + '\n')
    ours, still, _, paper = rows_of(tmp_path, folder, '--protocol', 'pairs', *GEOMETRIC)
    assert ours['metrics']['pairs'] == ours['metrics']['without_scale'] == 1
    assert ours['metrics']['position_cm_median'] is None  # no depth, no scale
    assert not ours['depth']
    assert still['metrics']['position_cm_median'] == pytest.approx(22.36, abs=0.01)
    assert 'ScanNet-1500' in paper['estimator']


def test_map_free_scene_by_scene(tmp_path, photograph):
    """Each scene has one keyframe; the second scene's query is of another wall."""
    for scene, query_seed in (('s00460', 0), ('s00461', 1)):
        folder = tmp_path / 'val' / scene
        views = {'seq0': photograph(0.0), 'seq1': photograph(0.3, 0.1, seed=query_seed)}
        cameras, poses = [], []
        for sequence, view in views.items():
            name = f'{sequence}/frame_00000.jpg'
            (folder / sequence).mkdir(parents=True)
            cv2.imwrite(str(folder / name), view.rgb[..., ::-1])
            t_camera_from_map = -(
                view.map_from_camera[:3, 3] - views['seq0'].map_from_camera[:3, 3]
            )
            cameras.append(f'{name} 280 280 160 120 320 240')
            poses.append(' '.join(map(str, (name, 1, 0, 0, 0, *t_camera_from_map))))
        (folder / 'intrinsics.txt').write_text('\n'.join(cameras) + '\n')
        (folder / 'poses.txt').write_text('\n'.join(poses) + '\n')
    rows = rows_of(tmp_path, tmp_path / 'val', '--protocol', 'map-free', *GEOMETRIC)
    scenes = [row['dataset'] for row in rows[::4]]
    assert scenes == ['s00460', 's00461', 'average']
    assert rows[3]['metrics']['vcre_px_median'] == 155.3
    still = rows[1]['metrics']
    assert still['position_cm_median'] == pytest.approx(31.62, abs=0.01)
    # A tenth of the diagonal of 320x240 is 40 px.
    assert still['within_vcre'] == (still['vcre_px_median'] < 40)
    assert rows[4]['metrics']['rejected'] == 1 and rows[8]['metrics']['rejected'] == 1
    assert rows[8]['metrics']['pairs'] == 2


def test_matches(tmp_path, recording, weights):
    network = ('--estimator', 'network', '--weights', weights[0])
    rows = rows_of(
        tmp_path, recording, '--protocol', 'matches', *network, '--report', tmp_path / 'page'
    )
    assert [row['estimator'] for row in rows] == ['network', 'dense RootSIFT']
    assert rows[0]['metrics']['pairs'] == 3
    assert rows[1]['metrics']['visible_within_cell'] > 0.8
    assert rows[0]['metrics']['visible_within_cell'] < rows[1]['metrics']['visible_within_cell']
    assert (tmp_path / 'page' / 'index.html').exists()


def test_folders_that_do_not_suit_the_protocol(tmp_path, recording, capfd):
    for protocol, words in (
        ('nearest', 'no split.yaml'),
        ('pairs', 'no layout of image pairs fits'),
        ('map-free', 'no layout of image pairs fits'),
        ('trajectory', 'no layout of posed images fits'),
        ('matches', 'choose --estimator network'),
    ):
        assert main(['evaluate', str(tmp_path), '--protocol', protocol, *GEOMETRIC]) == 1
        error = capfd.readouterr().err
        assert error.startswith('relpose_ros: ') and error.count('\n') == 1
        assert words in error


@pytest.fixture(scope='module')
def flat(tmp_path_factory, photograph) -> Path:
    """Write a recording without depth in TUM's layout, one step of 20 cm after the other."""
    folder = tmp_path_factory.mktemp('flat') / 'tum_long_office'
    (folder / 'rgb').mkdir(parents=True)
    poses = ['# stamp tx ty tz qx qy qz qw']
    for i in range(4):
        view = photograph(0.2 * i)
        cv2.imwrite(str(folder / 'rgb' / f'{i + 1}.000000.png'), view.rgb[..., ::-1])
        x, y, z = view.map_from_camera[:3, 3]
        poses.append(f'{i + 1}.0 {x} {y} {z} 0 0 0 1')
    (folder / 'groundtruth.txt').write_text('\n'.join(poses) + '\n')
    return folder


def test_a_recording_without_depth_is_judged_by_its_neighbours(tmp_path, flat):
    ours, still, _ = rows_of(tmp_path, flat, '--protocol', 'trajectory', *GEOMETRIC)
    assert ours['metrics']['pairs'] == ours['metrics']['without_scale'] == 4
    assert np.isclose(still['metrics']['position_cm_median'] % 20, 0, atol=1e-3)


def test_figures_of_all_that_is_there(tmp_path, recording, flat, weights, capsys):
    data, out = tmp_path / 'data', tmp_path / 'figures'
    data.mkdir()
    for each in (recording, flat):
        (data / each.name).symlink_to(each)
    assert main(['figures', str(data), '--out', str(out), '--weights', str(weights[0])]) == 0
    rows = json.loads((out / 'figures.json').read_text())
    assert len({row['id'] for row in rows}) == len(rows)
    ids = [row['id'] for row in rows if row['weights'] or row['estimator'] == 'geometric']
    assert ids == [
        'red_kitchen/localization/network',
        'red_kitchen/localization/geometric',
        'red_kitchen/localization/network/keyframe depth',
        'red_kitchen/localization/geometric/keyframe depth',
        'red_kitchen/nearest/network',
        'red_kitchen/nearest/network/keyframe depth',
        'red_kitchen/nearest/geometric',
        'red_kitchen/nearest/geometric/keyframe depth',
        'red_kitchen/nearest/network, regression',
        'red_kitchen/matches/network',
        'red_kitchen/nearest, closest keyframe/network',
        'red_kitchen/nearest, closest keyframe/network/keyframe depth',
        'red_kitchen/nearest, closest keyframe/geometric',
        'red_kitchen/nearest, closest keyframe/geometric/keyframe depth',
        'red_kitchen/nearest, closest keyframe/network, regression',
        'red_kitchen/matches, closest keyframe/network',
        'tum_long_office/trajectory/network',
        'tum_long_office/trajectory/geometric',
        'tum_long_office/trajectory/network, regression',
    ]
    assert {row['weights'] for row in rows} == {weights[1], None}
    assert all(row['metrics'].get('pairs') or 'paper' in row['estimator'] for row in rows[4:])
    assert rows[3]['metrics']['within_5cm_5deg'] == 1
    for name in ('index.html', 'red_kitchen_nearest.png', 'tum_long_office_trajectory.png'):
        assert (out / name).stat().st_size > 1000
    assert 'left out kitti_clip: it is not in' in capsys.readouterr().out


def test_figures_of_nothing(tmp_path, weights, capfd):
    assert main(['figures', str(tmp_path), '--weights', str(weights[0])]) == 1
    assert 'holds none of red_kitchen, scannet_pairs' in capfd.readouterr().err
