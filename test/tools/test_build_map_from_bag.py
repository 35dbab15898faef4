"""build-map from a recording that a real writer made here."""

from pathlib import Path

import numpy as np
import pytest
from relpose_ros.__main__ import main
from relpose_ros.core.geometry import quaternion_xyzw
from relpose_ros.core.keyframe_map import KeyframeMap
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types


def run(*arguments: str | Path) -> int:
    """Run a command in this process."""
    return main([str(argument) for argument in arguments])


def header(stamp_ns: int, frame: str):
    time = TYPES['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    return TYPES['std_msgs/msg/Header'](time, frame)


def messages_of(view, stamp_ns: int) -> dict:
    """Return by topic what a camera and a localizer publish."""
    height, width = view.depth_m.shape
    camera_header = header(stamp_ns, 'lens')

    def image(encoding, pixels):
        data = np.ascontiguousarray(pixels).view(np.uint8).ravel()
        step = len(data) // height
        return TYPES['sensor_msgs/msg/Image'](
            camera_header, height, width, encoding, 0, step, data
        )

    roi = TYPES['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    k, p = view.camera.K.ravel(), np.zeros(12)
    position = TYPES['geometry_msgs/msg/Point'](*view.map_from_camera[:3, 3])
    quat_xyzw = quaternion_xyzw(view.map_from_camera[:3, :3])
    pose = TYPES['geometry_msgs/msg/Pose'](
        position, TYPES['geometry_msgs/msg/Quaternion'](*quat_xyzw)
    )
    return {
        '/cam/camera_info': TYPES['sensor_msgs/msg/CameraInfo'](
            camera_header, height, width, 'plumb_bob', np.zeros(5), k, np.eye(3).ravel(), p,
            0, 0, roi,
        ),
        '/cam/image': image('rgb8', view.rgb),
        '/cam/depth': image('16UC1', np.rint(view.depth_m * 1000).astype(np.uint16)),
        '/pose': TYPES['geometry_msgs/msg/PoseStamped'](header(stamp_ns, 'hall'), pose),
    }  # fmt: skip


@pytest.fixture(scope='module')
def bag(tmp_path_factory, photograph) -> Path:
    """Drive along the wall in steps of 0.1 m."""
    path = tmp_path_factory.mktemp('bags') / 'drive'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for index in range(8):
            stamp_ns = 1_700_000_000_000_000_000 + index * 100_000_000
            for topic, message in messages_of(photograph(0.1 * index), stamp_ns).items():
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
                writer.write(connections[topic], stamp_ns, STORE.serialize_cdr(message, kind))
    return path


def test_a_bag_becomes_a_map_of_keyframes_that_are_some_way_apart(tmp_path, bag, capsys):
    path = tmp_path / 'a.relmap'
    topics = ('--image-topic', '/cam/image', '--depth-topic', '/cam/depth')
    options = ('--pose-topic', '/pose', '--min-distance', '0.25', '--vocabulary', 'shipped')
    assert run('build-map', path, bag, *topics, *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f'{path}: 3 keyframes of 8 images, ')
    assert lines[1:] == ['left out 5: not moved']
    with KeyframeMap.open(path) as keyframe_map:
        assert keyframe_map.map_frame == 'hall'
        assert keyframe_map.depth_count == 3
        x_m = [keyframe_map.pose(i)[0, 3] for i in keyframe_map.ids]
        np.testing.assert_allclose(x_m, [0.0, 0.3, 0.6], atol=1e-9)


def test_the_topic_of_a_bag_has_to_be_named(tmp_path, bag, capsys):
    path = tmp_path / 'a.relmap'
    for options, words in (
        ((), 'which --image-topic'),
        (('--image-topic', '/cam/picture', '--pose-topic', '/pose'), "no topic '/cam/picture'"),
    ):
        assert run('build-map', path, bag, *options) == 1
        error = capsys.readouterr().err
        assert words in error and error.count('\n') == 1
    assert '/cam/image' in error
    assert not path.exists()
