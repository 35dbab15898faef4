"""Another map, and other settings, while the node runs: all at once or not at all."""

from collections.abc import Callable
from pathlib import Path
import shutil
import sqlite3

import pytest
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.vlad import DenseVlad
from relpose_ros.nodes.conversions import stamp_ns
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker

SHIFT_M = 100.0
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope='module')
def hall_map(tmp_path_factory, wall_map: Path) -> Path:
    """Return a map of the same wall in another frame, backwards and without the last keyframe."""
    path = tmp_path_factory.mktemp('hall') / 'hall.relmap'
    with (
        KeyframeMap.open(wall_map) as wall,
        KeyframeMap.create(path, wall.vocabulary, 'hall') as hall,
    ):
        describer = DenseVlad(wall.vocabulary)
        for keyframe_id in wall.ids[:0:-1]:
            keyframe = wall.keyframe(keyframe_id)
            hall_from_camera = keyframe.map_from_camera.copy()
            hall_from_camera[0, 3] += SHIFT_M
            hall.add(
                keyframe.stamp_ns,
                hall_from_camera,
                keyframe.camera,
                keyframe.rgb,
                describer.describe(keyframe.rgb),
                keyframe.depth_m,
            )
    return path


def map_path(rig) -> str:
    """Return what the relocalizer's parameter says."""
    request = GetParameters.Request(names=['map_path'])
    return rig.call(GetParameters, 'get_parameters', request).values[0].string_value


def late_transforms(rig) -> list:
    """Return what a listener that comes now hears on the latched topic."""
    node, heard = rclpy.create_node('late'), []
    node.create_subscription(TFMessage, '/tf_static', heard.append, LATCHED)
    rig.executor.add_node(node)
    rig.until(lambda: heard)
    rig.executor.remove_node(node)
    node.destroy_node()
    return heard[-1].transforms


def test_nothing_of_the_old_map_is_left(rig, relocalizer, photograph, wall_map, hall_map):
    """Poses, markers, TF, diagnostics and the keyframes' features are those of the new map."""
    for x_m in (-1.2, 0.6):
        assert rig.report_of(*rig.image(photograph(x_m)))['result'] == 'accepted'
    result = rig.set_parameters(map_path=str(hall_map))
    assert result.successful, result.reason
    assert map_path(rig) == str(hall_map)

    markers = rig.until(
        lambda: [
            msg.markers
            for msg in rig.heard['/relocalizer/markers']
            if msg.markers[-1].header.frame_id == 'hall'
        ]
    )[-1]
    assert markers[0].action == Marker.DELETEALL
    assert len(markers[1].points) == 4 * 16
    assert min(point.x for point in markers[1].points) > SHIFT_M / 2
    results = rig.heard['/relocalizer/result_markers']
    rig.until(lambda: [each.action for each in results[-1].markers] == [Marker.DELETEALL])
    transforms = late_transforms(rig)
    assert {each.header.frame_id for each in transforms} <= {'hall'}
    assert all(each.transform.translation.x > SHIFT_M / 2 for each in transforms)

    for x_m in (-0.5, 0.1, 1.1):
        msg, info = rig.image(photograph(x_m))
        report = rig.report_of(msg, info)
        assert report['result'] == 'accepted', report
        assert report['map'] == f'{hall_map} (4 keyframes)'
        pose = pose_of(rig, stamp_ns(msg.header.stamp))
        assert pose.header.frame_id == 'hall'
        assert pose.pose.pose.position.x == pytest.approx(SHIFT_M + x_m, abs=0.02)
    assert {each.header.frame_id for each in late_transforms(rig)} == {'hall'}
    assert rig.set_parameters(map_path=str(wall_map)).successful


def pose_of(rig, stamp: int):
    """Return the pose of an image."""
    rig.until(lambda: stamp in rig.stamps('/relocalizer/pose'))
    return rig.heard['/relocalizer/pose'][rig.stamps('/relocalizer/pose').index(stamp)]


def execute(statement: str) -> Callable[[Path], None]:
    """Return a function that changes a map file."""

    def change(path: Path) -> None:
        connection = sqlite3.connect(path)
        with connection:
            connection.execute(statement)
        connection.close()

    return change


DAMAGES = {
    'no such map file': lambda path: path.unlink(),
    'is no map file': lambda path: path.write_bytes(b'nothing' * 100),
    'is truncated': lambda path: path.write_bytes(path.read_bytes()[:20_000]),
    'has no keyframes': execute('DELETE FROM keyframe'),
    'has schema version 99': execute("UPDATE manifest SET value='99' WHERE key='schema_version'"),
    'its keyframes are described by': execute(
        "UPDATE manifest SET value='another' WHERE key='descriptor'"
    ),
    'descriptor of keyframe 3': execute("UPDATE keyframe SET descriptor=x'00' WHERE id=3"),
    'the pose of a keyframe': execute("UPDATE keyframe SET map_from_camera=x'00' WHERE id=3"),
}


@pytest.mark.parametrize('expected', DAMAGES)
def test_a_bad_map_is_refused(rig, relocalizer, photograph, wall_map, tmp_path, expected: str):
    """The parameter says why, stays as it was, and so does everything else."""
    path = Path(shutil.copy(wall_map, tmp_path / 'bad.relmap'))
    DAMAGES[expected](path)
    result = rig.set_parameters(map_path=str(path), max_sigma_m=0.0)
    assert not result.successful
    assert expected in result.reason
    assert map_path(rig) == str(wall_map)
    report = rig.report_of(*rig.image(photograph(0.3)))
    assert report['result'] == 'accepted', report
    assert report['map'] == f'{wall_map} (5 keyframes)'


def test_no_map_is_refused(rig, relocalizer):
    """There is no running without a map."""
    assert rig.set_parameters(map_path='').reason == "map_path: expected a map file, got ''"


def test_a_change_during_inference_is_whole(rig, relocalizer, photograph, wall_map, hall_map):
    """Map and setting change together under a running camera: no image sees only one."""
    view = photograph(0.2)
    wall, hall = (str(path) for path in (wall_map, hall_map))
    sent: set[int] = set()

    def shoot() -> None:
        msg, info = rig.image(view)
        sent.add(stamp_ns(msg.header.stamp))
        rig.publish(info, msg)

    timer = rig.node.create_timer(0.02, shoot)
    try:
        for _ in range(6):
            for path, max_sigma_m, expected in (
                (hall, 0.0, 'uncertain_pose'),
                (wall, 0.5, 'accepted'),
            ):
                assert rig.set_parameters(map_path=path, max_sigma_m=max_sigma_m).successful
                heard = len(rig.reports())
                rig.until(
                    lambda n=heard, expected=expected: (
                        expected in [each['result'] for each in rig.reports()[n:]]
                    )
                )
    finally:
        rig.node.destroy_timer(timer)
    reports = [each for each in rig.reports() if int(each.get('image_stamp', 0)) in sent]
    assert {(each['map'].split(' ')[0], each['result']) for each in reports} == {
        (hall, 'uncertain_pose'),
        (wall, 'accepted'),
    }
    poses = [
        pose for pose in rig.heard['/relocalizer/pose'] if stamp_ns(pose.header.stamp) in sent
    ]
    assert poses
    assert {pose.header.frame_id for pose in poses} == {'map'}


def test_settings_change_at_run_time(rig, relocalizer, photograph):
    """What is cheap changes at once; a value out of its range or of its choices is refused."""
    image = rig.image(photograph(0.2))
    assert rig.set_parameters(candidates=2, cached_keyframes=1).successful
    report = rig.report_of(*image)
    assert report['candidates'].count(':') == 2
    assert not rig.set_parameters(candidates=0).successful
    assert rig.set_parameters(candidates=30, cached_keyframes=500).successful
    assert "got 'guess'" in rig.set_parameters(estimator='guess').reason
    assert 'no such weights' in rig.set_parameters(weights='/nowhere', estimator='network').reason
    assert rig.set_parameters(device='cpu').successful
    report = rig.report_of(*rig.image(photograph(0.2)))
    assert (report['result'], report['estimator']) == ('accepted', 'geometric')
