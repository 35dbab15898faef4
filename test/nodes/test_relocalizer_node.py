"""The relocalizer at work: poses, TF, diagnostics, lifecycle, newest frame first."""

from pathlib import Path
import subprocess
import time

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
import pytest
from relpose_ros.core.geometry import (
    inverse,
    position_error_m,
    rotation_error_rad,
    rotation_from_quaternion,
    transform,
)
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.evaluation.match_picture import GAP_PX
from relpose_ros.nodes.conversions import stamp_ns
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker

CAPTURE = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}


def matrix(translation: object, rotation: object) -> np.ndarray:
    """Return (4, 4) of a message's vector and quaternion."""
    quaternion = [rotation.x, rotation.y, rotation.z, rotation.w]
    vector = np.array([translation.x, translation.y, translation.z])
    return transform(rotation_from_quaternion(quaternion), vector)


def change_state(rig, transition_id: int) -> bool:
    """Ask for a lifecycle transition."""
    request = ChangeState.Request(transition=Transition(id=transition_id))
    return rig.call(ChangeState, 'change_state', request).success


def state(rig) -> str:
    """Return the lifecycle state."""
    return rig.call(GetState, 'get_state', GetState.Request()).current_state.label


def test_pose_of_an_image(rig, relocalizer, photograph, wall_map, stages):
    """Pose, relative pose and TF agree with the truth and bear the image's stamp and frames."""
    view = photograph(0.2, 0.1, 6.0)
    msg, info = rig.image(view)
    report = rig.report_of(msg, info)
    assert report['result'] == 'accepted'
    assert report['level'] == b'\x00'
    assert report['estimator'] == 'geometric'
    assert 'weights' not in report
    for key in ('map', 'descriptor', 'device', 'inliers', 'candidates'):
        assert report[key]
    latencies_ms = [float(report[f'latency_{stage}_ms']) for stage in stages]
    assert min(latencies_ms) >= 0
    assert sum(latencies_ms) == pytest.approx(float(report['latency_ms']), abs=2.0)
    assert float(report['age_ms']) >= 0
    keyframe_frame = f'keyframe_{report["keyframe_id"]}'

    pose = rig.until(lambda: rig.heard['/relocalizer/pose'])[-1]
    assert pose.header.stamp == msg.header.stamp
    assert pose.header.frame_id == 'map'
    map_from_query = matrix(pose.pose.pose.position, pose.pose.pose.orientation)
    assert position_error_m(map_from_query, view.map_from_camera) < 0.01
    assert rotation_error_rad(map_from_query, view.map_from_camera) < np.radians(0.3)
    covariance = np.array(pose.pose.covariance).reshape(6, 6)
    assert np.allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0

    relative = rig.until(lambda: rig.heard['/relocalizer/relative_pose'])[-1]
    assert relative.header.stamp == msg.header.stamp
    assert relative.header.frame_id == keyframe_frame
    with KeyframeMap.open(wall_map) as keyframe_map:
        map_from_keyframe = keyframe_map.pose(int(report['keyframe_id']))
    keyframe_from_query = matrix(relative.pose.position, relative.pose.orientation)
    assert np.allclose(keyframe_from_query, inverse(map_from_keyframe) @ map_from_query)

    static = rig.until(lambda: rig.heard['/tf_static'])[-1].transforms[-1]
    moving = rig.until(lambda: rig.heard['/tf'])[-1].transforms[0]
    assert (static.header.frame_id, static.child_frame_id) == ('map', keyframe_frame)
    assert (moving.header.frame_id, moving.child_frame_id) == (keyframe_frame, 'lens_relocalized')
    assert moving.header.stamp == msg.header.stamp
    chain = [matrix(t.transform.translation, t.transform.rotation) for t in (static, moving)]
    assert np.allclose(chain[0] @ chain[1], map_from_query)


def test_only_matched_keyframes_on_tf_static(rig, relocalizer, photograph):
    """Keyframes come once each, and the latched message has all of them."""
    reports = [rig.report_of(*rig.image(photograph(x))) for x in (-1.2, 1.2, -1.2)]
    matched = {f'keyframe_{each["keyframe_id"]}' for each in reports}
    assert len(matched) == 2

    def frames() -> list[str]:
        return [t.child_frame_id for t in rig.heard['/tf_static'][-1].transforms]

    rig.until(lambda: matched <= set(frames()))
    assert len(frames()) == len(set(frames())) < 5


def shown(rig) -> dict[str, int]:
    """Return the number of points of each marker that the last result left in rviz."""
    clear, *markers = rig.heard['/relocalizer/result_markers'][-1].markers
    assert clear.action == Marker.DELETEALL
    return {each.ns: len(each.points) for each in markers}


def test_markers(rig, relocalizer, photograph):
    """The map is sent once as one marker; each result takes the place of the one before."""
    view = photograph(0.0)
    report = rig.report_of(*rig.image(view))
    agreeing = report['agreeing'].split(', ')
    assert report['keyframe_id'] == agreeing[0]
    rig.until(lambda: 'query' in shown(rig))
    frustum = 16  # points: 8 lines
    assert shown(rig) == {
        'candidates': 5 * frustum,
        'agreeing': len(agreeing) * frustum,
        'rays': 2 * len(agreeing),
        'query': frustum,
    }
    markers = {each.ns: each for each in rig.heard['/relocalizer/result_markers'][-1].markers}
    assert len({(c.r, c.g, c.b) for c in markers['candidates'].colors}) > 1
    first = markers['query'].points[0]
    assert np.allclose((first.x, first.y, first.z), view.map_from_camera[:3, 3], atol=0.01)
    for heard in (rig.heard['/relocalizer/markers'][-1].markers, markers.values()):
        assert {each.header.frame_id for each in heard} == {'map'}

    rig.report_of(*rig.image(photograph(0.2, seed=1)))
    rig.until(lambda: 'query' not in shown(rig))
    assert shown(rig) == {'candidates': 5 * frustum}
    maps = rig.until(lambda: rig.heard['/relocalizer/markers'])
    assert len(maps) == 1
    assert [(each.ns, len(each.points)) for each in maps[0].markers] == [
        ('', 0),
        ('keyframes', 5 * frustum),
    ]


def test_nothing_stays_after_an_error(rig, relocalizer, photograph):
    """An image that cannot be used leaves the map alone."""
    msg, info = rig.image(photograph(0.0))
    rig.report_of(msg, info)
    rig.until(lambda: 'query' in shown(rig))
    broken, info = rig.image(photograph(0.0))
    broken.step = 1
    assert rig.report_of(broken, info)['result'] == 'bad_input'
    rig.until(lambda: shown(rig) == {})


def test_path(rig, relocalizer, photograph):
    """The path has the accepted poses, and begins anew where stamps jump back."""

    def path() -> list[int]:
        messages = rig.heard['/relocalizer/path']
        return [stamp_ns(each.header.stamp) for each in messages[-1].poses] if messages else []

    stamps = []
    for x in (-0.2, 0.0, 0.2):
        msg, info = rig.image(photograph(x))
        rig.report_of(msg, info)
        stamps.append(stamp_ns(msg.header.stamp))
    rig.until(lambda: path()[-3:] == stamps)
    last = rig.heard['/relocalizer/path'][-1]
    assert last.header.frame_id == last.poses[-1].header.frame_id == 'map'
    assert abs(last.poses[-1].pose.position.x - 0.2) < 0.01
    foreign, info = rig.image(photograph(0.2, seed=1))
    rig.report_of(foreign, info)
    early, info = rig.image(photograph(0.1))
    early.header.stamp = Time(sec=7)
    rig.report_of(early, info)
    rig.until(lambda: path() == [7_000_000_000])
    later, info = rig.image(photograph(0.1))
    rig.report_of(later, info)
    rig.until(lambda: path() == [7_000_000_000, stamp_ns(later.header.stamp)])


def test_foreign_image(rig, relocalizer, photograph):
    """Another wall has no pose but a reason."""
    msg, info = rig.image(photograph(0.2, seed=1))
    report = rig.report_of(msg, info)
    assert report['result'] in ('no_similar_keyframe', 'few_matches', 'no_consistent_pose')
    assert report['level'] == b'\x01'
    assert report['detail']
    rig.spin(0.3)
    for topic in ('/relocalizer/pose', '/relocalizer/relative_pose'):
        assert stamp_ns(msg.header.stamp) not in rig.stamps(topic)


def test_debug_image(rig, relocalizer, photograph):
    """The picture is made while somebody looks, also of a rejected image."""
    pictures = []
    subscription = rig.node.create_subscription(
        Image, '/relocalizer/debug_image', pictures.append, 5
    )
    # Until the relocalizer has noticed it has no reason to make any.
    rig.until(lambda: pictures, lambda: rig.report_of(*rig.image(photograph(0.2))), again_s=1.0)
    for seed in (0, 1):
        pictures.clear()
        msg, info = rig.image(photograph(0.2, seed=seed))
        rig.report_of(msg, info)
        rig.until(lambda msg=msg: pictures and pictures[-1].header.stamp == msg.header.stamp)
        assert pictures[-1].width == 2 * 480 + GAP_PX
    rig.node.destroy_subscription(subscription)


def test_newest_frame_wins(rig, relocalizer, photograph):
    """A 30 Hz camera outruns the node: frames are dropped, and the delay does not grow."""
    _, info = rig.image(photograph(0.0))
    view = photograph(0.1)
    frames, before = 60, set(rig.stamps('/relocalizer/pose'))
    delays_s: dict[int, float] = {}
    sent_s: dict[int, float] = {}
    rig.send(info)
    for _ in range(frames):
        msg, info = rig.image(view)
        sent_s[stamp_ns(msg.header.stamp)] = time.monotonic()
        rig.send(info, msg)
        rig.spin(1 / 30)
        for stamp in set(rig.stamps('/relocalizer/pose')) & set(sent_s) - set(delays_s):
            delays_s[stamp] = time.monotonic() - sent_s[stamp]
    last, info = rig.image(view)
    rig.report_of(last, info)
    sent_s[stamp_ns(last.header.stamp)] = time.monotonic()
    rig.until(lambda: stamp_ns(last.header.stamp) in rig.stamps('/relocalizer/pose'))
    poses = [stamp for stamp in rig.stamps('/relocalizer/pose') if stamp not in before]
    assert set(poses) <= set(sent_s)
    assert poses == sorted(set(poses))
    latencies_s = [float(each['latency_ms']) / 1000 for each in rig.reports()[-len(poses) :]]
    # Waiting for the frame in work and then its own turn: a queue would add to this.
    assert max(delays_s.values()) < 2 * max(latencies_s) + 0.5


def test_lifecycle(rig, relocalizer, photograph):
    """Without activity there are no topics; parameters can be set once cleaned up."""
    assert state(rig) == 'active'
    refused = rig.set_parameters(tf_mode='none')
    assert not refused.successful
    assert 'clean up' in refused.reason

    assert change_state(rig, Transition.TRANSITION_DEACTIVATE)
    rig.until(lambda: rig.node.count_publishers('/relocalizer/pose') == 0)
    rig.until(lambda: rig.node.count_subscribers('/image') == 0)
    assert change_state(rig, Transition.TRANSITION_CLEANUP)
    assert rig.set_parameters(tf_mode='none').successful
    assert not rig.set_parameters(tf_mode='sideways').successful

    assert change_state(rig, Transition.TRANSITION_CONFIGURE)
    assert change_state(rig, Transition.TRANSITION_ACTIVATE)
    rig.until(lambda: rig.node.count_publishers('/relocalizer/pose') == 1)
    msg, info = rig.image(photograph(0.1))
    assert rig.report_of(msg, info)['result'] == 'accepted'
    rig.spin(0.3)
    transforms = [each for tf in rig.heard['/tf'] for each in tf.transforms]
    assert msg.header.stamp not in [each.header.stamp for each in transforms]


def test_without_a_map(start, tmp_path: Path, wall_map: Path):
    """A missing, damaged or empty map ends the process with one sentence."""
    damaged, empty = tmp_path / 'damaged.relmap', tmp_path / 'empty.relmap'
    damaged.write_bytes(wall_map.read_bytes()[:5000])
    with KeyframeMap.open(wall_map) as keyframe_map:
        KeyframeMap.create(empty, keyframe_map.vocabulary).close()
    expect_refusals(
        start, {f'map_path:={p}': str(p) for p in (tmp_path / 'nowhere.relmap', damaged, empty)}
    )


def test_wrong_parameters(start):
    """A wrong parameter ends the process with one sentence."""
    expect_refusals(
        start,
        {
            "map_path:=''": 'map_path: expected a map file',
            'estimator:=guess': "estimator: expected one of network, geometric, got 'guess'",
            'max_rate_hz:=-1.0': 'max_rate_hz',
            'max_rate_hz:=often': 'max_rate_hz',
        },
    )


def expect_refusals(start, expected: dict[str, str]) -> None:
    """Check that the node ends with an error that a user understands, for each parameter."""
    processes = {each: start('relocalizer_node', '-p', each, **CAPTURE) for each in expected}
    for each, process in processes.items():
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 1, each
        assert expected[each] in output
        assert 'Traceback' not in output
