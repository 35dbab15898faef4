"""A map file that changes under a running node: the old map, or a reason, but no wrong pose."""

from collections.abc import Callable
import os
from pathlib import Path
import shutil

from geometry_msgs.msg import PoseWithCovarianceStamped
import numpy as np
import pytest
from relpose_ros.core.map_editing import edit_map

GEOMETRIC = ('-p', 'estimator:=geometric')
SHIFT_M = 100.0
ERROR = b'\x02'


@pytest.fixture(scope='module')
def other_map(tmp_path_factory, wall_map: Path) -> Path:
    """Return a map whose keyframes have the same ids and are 100 m from there."""
    path = tmp_path_factory.mktemp('other') / 'other.relmap'
    there = np.eye(4)
    there[0, 3] = SHIFT_M
    edit_map(path, wall_map, new_from_map=there)
    return path


@pytest.fixture
def localized(rig, open_map, wall_map, photograph) -> Callable[..., None]:
    """Return what checks poses, of a node that has the map of the wall again."""
    renewed(open_map, wall_map)
    assert rig.set_parameters(map_path=str(open_map)).successful

    def check(*places_m: float, shift_m: float = 0.0) -> None:
        for x_m in places_m:
            pose = rig.expect_poses_again(*rig.image(photograph(x_m)))
            assert np.isclose(pose.pose.pose.position.x, x_m + shift_m, atol=0.02)

    check(0.0)
    return check


def renewed(path: Path, source: Path) -> None:
    """Put a copy of a map in the file's place, as who writes files with care does."""
    new = path.with_suffix('.new')
    shutil.copy(source, new)
    os.replace(new, path)


def expect_unreadable(rig, view, expected: str) -> None:
    """Check that there is a reason and no pose."""
    report = rig.report_of(*rig.image(view))
    assert (report['result'], report['level']) == ('map_unreadable', ERROR), report
    assert expected in report['detail']


def test_replaced(rig, open_map, other_map, localized):
    """The node stays with the map it has opened until it is told to open the file again."""
    renewed(open_map, other_map)
    localized(-1.1, 1.1)
    assert rig.set_parameters(map_path=str(open_map)).successful
    localized(-1.1, 1.1, shift_m=SHIFT_M)


def test_deleted(rig, open_map, localized):
    """So it does if there is no file any more."""
    open_map.unlink()
    localized(-1.1, 1.1)
    result = rig.set_parameters(map_path=str(open_map))
    assert not result.successful and 'no such map file' in result.reason
    localized(-1.1, 1.1)


def test_copied_over(rig, open_map, other_map, localized, photograph):
    """No pose is made of two maps."""
    open_map.write_bytes(other_map.read_bytes())
    for x_m in (0.0, 1.1):
        expect_unreadable(rig, photograph(x_m), 'another map has been copied over it')
    assert rig.set_parameters(map_path=str(open_map)).successful
    localized(-1.1, 1.1, shift_m=SHIFT_M)


@pytest.mark.parametrize('share', [0.0, 0.5])
def test_truncated(rig, open_map, wall_map, localized, photograph, share: float):
    """A part of a map gives no pose, is not opened again, and a whole one mends it."""
    os.truncate(open_map, int(share * open_map.stat().st_size))
    for x_m in (-1.1, 1.1):
        expect_unreadable(rig, photograph(x_m), 'damaged')
    assert not rig.set_parameters(map_path=str(open_map)).successful
    expect_unreadable(rig, photograph(1.1), 'damaged')
    renewed(open_map, wall_map)
    assert rig.set_parameters(map_path=str(open_map)).successful
    localized(-1.1, 1.1)


def test_a_storm_of_parameters(rig, open_map, wall_map, other_map, localized, photograph):
    """Right or wrong values under a running camera: all answered, and no pose of half a change."""
    random = np.random.default_rng(67)
    values = {
        'map_path': [str(wall_map), str(other_map), '/nowhere', ''],
        'candidates': [1, 5, 30, 0, 'many'],
        'cached_keyframes': [1, 500, -1],
        'max_sigma_m': [0.0, 0.5, float('nan')],
        'max_rate_hz': [0.0, 1000.0, -1.0],
        'mode': ['continuous', 'on_demand', 'until_fix', 'never'],
        'estimator': ['geometric', 'guess'],
        'weights': ['', '/nowhere'],
        'device': ['cpu', 'abacus'],
        'tf_mode': ['odom'],
        'unheard_of': [True],
    }
    view, heard = photograph(0.2), len(rig.heard['/relocalizer/pose'])
    timer = rig.node.create_timer(0.02, lambda: rig.publish(*reversed(rig.image(view))))
    try:
        for _ in range(40):
            names = random.choice(list(values), random.integers(1, 4), replace=False)
            chosen = {str(name): random.choice(np.array(values[name], object)) for name in names}
            rig.set_parameters(**chosen)
    finally:
        rig.node.destroy_timer(timer)
    defaults = {'candidates': 5, 'cached_keyframes': 1, 'max_sigma_m': 0.5, 'max_rate_hz': 0.0}
    result = rig.set_parameters(map_path=str(open_map), mode='continuous', weights='', **defaults)
    assert result.successful, result.reason
    localized(0.2)
    poses = rig.heard['/relocalizer/pose'][heard:]
    assert poses
    places_m = np.array([each.pose.pose.position.x for each in poses])
    assert np.abs(places_m % SHIFT_M - 0.2).max() < 0.02


def test_two_relocalizers(rig, start, photograph, wall_map):
    """On one map and one camera, in two namespaces: both have a pose of the same image."""
    topics = {name: f'/{name}/relocalizer/pose' for name in ('left', 'right')}
    heard: dict[str, list[PoseWithCovarianceStamped]] = {name: [] for name in topics}
    for name, topic in topics.items():
        rig.node.create_subscription(PoseWithCovarianceStamped, topic, heard[name].append, 10)
        words = ('-p', f'map_path:={wall_map}', '-r', f'__ns:=/{name}', '-r', 'image:=/image')
        start('relocalizer_node', *words, '-r', 'camera_info:=/camera_info', *GEOMETRIC)
    rig.until(lambda: all(rig.messages(f'{name}/relocalizer') for name in topics))
    view = photograph(0.2)
    msg, info = rig.image(view)
    rig.until(
        lambda: all(msg.header.stamp in [p.header.stamp for p in heard[name]] for name in topics),
        again=lambda: rig.publish(info, msg),
    )
    for pose in (heard[name][-1].pose.pose.position for name in topics):
        found = np.array((pose.x, pose.y, pose.z))
        assert np.linalg.norm(found - view.map_from_camera[:3, 3]) < 0.01
