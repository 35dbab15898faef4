"""Bags written here by a real writer, in both storages, with each source of poses."""

from pathlib import Path
import sqlite3

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import quaternion_xyzw, transform
from relpose_ros.datasets.rosbag import BagImages, NO_POSE
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from scipy.spatial.transform import Rotation

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types
WIDTH, HEIGHT = 16, 12
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
IMAGES = 6
BASE_FROM_CAMERA = transform(Rotation.from_euler('yx', (0.3, -1.5)).as_matrix(), (0.2, 0, 0.5))
TOPICS = ('/camera/image', '/camera/camera_info')


def map_from_base(stamp_ns: int) -> np.ndarray:
    """Drive at 0.5 m/s and turn at 0.2 rad/s; poses of the even images are in the bag."""
    time_s = (stamp_ns - START_NS) * 1e-9
    return transform(Rotation.from_euler('z', 0.2 * time_s).as_matrix(), (0.5 * time_s, 1, 0))


def stamp(index: float) -> int:
    return START_NS + round(index * PERIOD_NS)


def header(stamp_ns: int, frame: str):
    time = TYPES['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    return TYPES['std_msgs/msg/Header'](time, frame)


def image(stamp_ns: int, value: int, **changes):
    data = np.full((HEIGHT, WIDTH, 3), value, np.uint8)
    fields = {'encoding': 'rgb8', 'step': WIDTH * 3, 'data': data.ravel()} | changes
    return TYPES['sensor_msgs/msg/Image'](
        header(stamp_ns, 'camera'), height=HEIGHT, width=WIDTH, is_bigendian=0, **fields
    )


def compressed(stamp_ns: int, value: int):
    data = cv2.imencode('.png', np.full((HEIGHT, WIDTH, 3), value, np.uint8))[1].ravel()
    return TYPES['sensor_msgs/msg/CompressedImage'](header(stamp_ns, 'camera'), 'png', data)


def depth(stamp_ns: int, value_mm: int):
    data = np.full((HEIGHT, WIDTH), value_mm, np.uint16).view(np.uint8)
    return image(stamp_ns, 0, encoding='16UC1', step=WIDTH * 2, data=data.ravel())


def camera_info(stamp_ns: int, focal_px: float = 20.0, **changes):
    k = np.array([focal_px, 0, 7.5, 0, focal_px, 5.5, 0, 0, 1])
    roi = TYPES['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    fields = {'d': np.zeros(5), 'k': k, 'r': np.eye(3).ravel(), 'p': np.zeros(12)} | changes
    return TYPES['sensor_msgs/msg/CameraInfo'](
        header(stamp_ns, 'camera'), HEIGHT, WIDTH, 'plumb_bob', **fields,
        binning_x=0, binning_y=0, roi=roi,
    )  # fmt: skip


def pose_message(target_from_source: np.ndarray):
    point = TYPES['geometry_msgs/msg/Point'](*target_from_source[:3, 3])
    quaternion = quaternion_xyzw(target_from_source[:3, :3])
    return TYPES['geometry_msgs/msg/Pose'](
        point, TYPES['geometry_msgs/msg/Quaternion'](*quaternion)
    )


def tf(stamp_ns: int, parent: str, child: str, parent_from_child: np.ndarray):
    pose = pose_message(parent_from_child)
    t = TYPES['geometry_msgs/msg/Vector3'](*parent_from_child[:3, 3])
    moved = TYPES['geometry_msgs/msg/Transform'](t, pose.orientation)
    stamped = TYPES['geometry_msgs/msg/TransformStamped'](header(stamp_ns, parent), child, moved)
    return TYPES['tf2_msgs/msg/TFMessage']([stamped])


def with_covariance(kind: str, target_from_source: np.ndarray):
    return TYPES[kind](pose_message(target_from_source), np.zeros(36))


def odometry(stamp_ns: int, pose: np.ndarray):
    zero = TYPES['geometry_msgs/msg/Vector3'](0, 0, 0)
    twist = TYPES['geometry_msgs/msg/Twist'](zero, zero)
    return TYPES['nav_msgs/msg/Odometry'](
        header(stamp_ns, 'odom'),
        'base',
        with_covariance('geometry_msgs/msg/PoseWithCovariance', pose),
        TYPES['geometry_msgs/msg/TwistWithCovariance'](twist, np.zeros(36)),
    )


def recording() -> list:
    """(log time, topic, message): images 0..5, poses at 0, 2 and 4."""
    messages = [(0, '/tf_static', tf(0, 'base', 'camera', BASE_FROM_CAMERA))]
    for index in range(IMAGES):
        at = stamp(index)
        messages.append((at, '/camera/camera_info', camera_info(at)))
        messages.append((at, '/camera/image', image(at, 10 * index)))
        messages.append((at, '/camera/image/compressed', compressed(at, 10 * index)))
        messages.append((at, '/camera/depth', depth(stamp(index + 0.1), 1000 + index)))
    for index in (0, 2, 4):
        at, pose = stamp(index), map_from_base(stamp(index))
        messages.append((at, '/tf', tf(at, 'map', 'base', pose)))
        messages.append((at, '/odom', odometry(at, pose)))
        stamped = TYPES['geometry_msgs/msg/PoseStamped']
        messages.append((at, '/pose', stamped(header(at, 'world'), pose_message(pose))))
        covariant = with_covariance('geometry_msgs/msg/PoseWithCovariance', pose)
        stamped = TYPES['geometry_msgs/msg/PoseWithCovarianceStamped']
        messages.append((at, '/pose_cov', stamped(header(at, 'world'), covariant)))
    return messages


def write_bag(path: Path, messages: list, storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for at, topic, message in sorted(messages, key=lambda entry: entry[0]):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], at, STORE.serialize_cdr(message, kind))
    return path


@pytest.fixture(scope='module', params=list(StoragePlugin), ids=lambda plugin: plugin.name)
def bag(request, tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp('bags') / 'bag', recording(), request.param)


def check(images: list, source_from_camera: np.ndarray) -> None:
    assert [image.stamp_ns for image in images] == [stamp(index) for index in range(5)]
    for index, posed in enumerate(images):
        assert posed.name == str(stamp(index))
        assert posed.camera == Camera(WIDTH, HEIGHT, 20.0, 20.0, 7.5, 5.5)
        np.testing.assert_array_equal(posed.rgb, 10 * index)
        expected = map_from_base(stamp(index)) @ source_from_camera
        np.testing.assert_allclose(posed.map_from_camera, expected, atol=1e-9)


def test_tf_chain(bag: Path) -> None:
    source = BagImages(bag, *TOPICS, depth_topic='/camera/depth')
    assert (source.image_count, source.map_frame) == (IMAGES, 'map')
    images = list(source)
    check(images, BASE_FROM_CAMERA)
    for index, posed in enumerate(images):
        np.testing.assert_allclose(posed.depth_m, 1 + index / 1000, rtol=1e-6)
    assert source.skipped == {NO_POSE: 1}
    check(list(source), BASE_FROM_CAMERA)


def test_odometry_is_carried_on_to_the_camera(bag: Path) -> None:
    source = BagImages(bag, *TOPICS, pose_topic='/odom')
    assert source.map_frame == 'odom'
    images = list(source)
    check(images, BASE_FROM_CAMERA)
    assert images[0].depth_m is None


@pytest.mark.parametrize('topic', ['/pose', '/pose_cov'])
def test_pose_topic(bag: Path, topic: str) -> None:
    source = BagImages(bag, '/camera/image/compressed', TOPICS[1], pose_topic=topic)
    assert source.map_frame == 'world'
    check(list(source), np.eye(4))
    check(list(BagImages(bag, *TOPICS, pose_topic=topic, pose_frame='base')), BASE_FROM_CAMERA)


def test_trajectory_file(bag: Path, tmp_path: Path) -> None:
    """It says where a frame of the robot is, and TF leads on to the camera."""
    lines = ['# timestamp tx ty tz qx qy qz qw']
    for index in (0, 2, 4):
        at, pose = stamp(index), map_from_base(stamp(index))
        numbers = (*pose[:3, 3], *quaternion_xyzw(pose[:3, :3]))
        lines.append(f'{at // 10**9}.{at % 10**9:09d} {" ".join(map(str, numbers))}')
    file = tmp_path / 'trajectory.txt'
    file.write_text('\n'.join(lines))
    source = BagImages(bag, *TOPICS, trajectory=file, map_frame='hall', pose_frame='base')
    assert source.map_frame == 'hall'
    check(list(source), BASE_FROM_CAMERA)
    check(list(BagImages(bag, *TOPICS, trajectory=file, map_frame='hall')), np.eye(4))
    with pytest.raises(ValueError, match='nowhere.txt: no such file'):
        BagImages(bag, *TOPICS, trajectory=tmp_path / 'nowhere.txt')


def test_motion_behind_the_last_pose(bag: Path) -> None:
    """By default the last image has no pose; it has one as far as its user dares to guess."""
    images = list(BagImages(bag, *TOPICS, max_extrapolation_s=0.1))
    assert [image.stamp_ns for image in images] == [stamp(index) for index in range(6)]
    expected = map_from_base(stamp(5)) @ BASE_FROM_CAMERA
    np.testing.assert_allclose(images[-1].map_from_camera, expected, atol=1e-3)
    assert len(list(BagImages(bag, *TOPICS, max_extrapolation_s=0.09))) == 5


def test_humble_bags_hold_no_message_definitions(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recording(), StoragePlugin.SQLITE3)
    with sqlite3.connect(next(bag.glob('*.db3'))) as database:
        database.execute('DELETE FROM message_definitions')
    check(list(BagImages(bag, *TOPICS)), BASE_FROM_CAMERA)


def test_gap_between_poses(bag: Path) -> None:
    images = list(BagImages(bag, *TOPICS, max_gap_s=0.15))
    assert [image.stamp_ns for image in images] == [stamp(0), stamp(2), stamp(4)]


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'image_topic': '/img'}, "no topic '/img'; topics of a fitting type are /camera/depth, "),
        ({'image_topic': '/tf'}, '/tf: expected .* got tf2_msgs/msg/TFMessage'),
        ({'depth_topic': '/camera/image/compressed'}, 'got sensor_msgs/msg/CompressedImage'),
        ({'pose_topic': '/camera/image'}, 'expected nav_msgs/msg/Odometry or '),
        ({'map_frame': 'moon'}, "'camera' with 'moon'; known frames are base, camera, map"),
        ({'pose_topic': '/pose', 'pose_frame': 'tag'}, "'camera' with 'world'; known frames"),
    ],
)
def test_wrong_topic_or_frame(bag: Path, changes: dict, sentence: str) -> None:
    topics = {'image_topic': TOPICS[0], 'camera_info_topic': TOPICS[1]}
    with pytest.raises(ValueError, match=sentence):
        BagImages(bag, **(topics | changes))


def test_broken_images_are_left_out(tmp_path: Path) -> None:
    messages = recording()
    for index, entry in enumerate(messages):
        if entry[1] == '/camera/image' and entry[0] == stamp(2):
            messages[index] = (*entry[:2], image(stamp(2), 0, encoding='rgb9'))
    source = BagImages(write_bag(tmp_path / 'bag', messages), *TOPICS)
    assert [image.stamp_ns for image in source] == [stamp(index) for index in (0, 1, 3, 4)]
    assert sum(source.skipped.values()) == 2


def test_camera_info_may_change(tmp_path: Path) -> None:
    messages = [entry for entry in recording() if entry[1] != '/camera/camera_info']
    messages.append((stamp(0.5), '/camera/camera_info', camera_info(stamp(0.5))))
    messages.append((stamp(2.5), '/camera/camera_info', camera_info(stamp(2.5), 30.0)))
    images = list(BagImages(write_bag(tmp_path / 'bag', messages), *TOPICS))
    assert [image.camera.fx for image in images] == [20, 20, 20, 30, 30]


def test_rectified_images(tmp_path: Path) -> None:
    p = np.array([18.0, 0, 7, 0, 0, 19, 5, 0, 0, 0, 1, 0])
    lens = camera_info(stamp(0), d=np.array([0.1, -0.2, 0, 0, 0]), p=p)
    messages = [entry for entry in recording() if entry[1] != '/camera/camera_info']
    bag = write_bag(tmp_path / 'bag', [*messages, (stamp(0), '/camera/camera_info', lens)])
    images = list(BagImages(bag, *TOPICS, rectified=True))
    assert [image.camera for image in images] == [Camera(WIDTH, HEIGHT, 18.0, 19.0, 7.0, 5.0)] * 5
    assert next(iter(BagImages(bag, *TOPICS))).camera.distortion[:2] == (0.1, -0.2)


def test_depth_too_far_in_time_is_none(tmp_path: Path) -> None:
    messages = [entry for entry in recording() if entry[1] != '/camera/depth']
    messages.append((stamp(2), '/camera/depth', depth(stamp(1.9), 1000)))
    source = BagImages(write_bag(tmp_path / 'bag', messages), *TOPICS, depth_topic='/camera/depth')
    assert [image.depth_m is not None for image in source] == [False, False, True, False, False]


def test_no_image_can_be_used(tmp_path: Path) -> None:
    messages = [entry for entry in recording() if entry[1] != '/camera/camera_info']
    messages.append((stamp(0), '/camera/camera_info', camera_info(stamp(0), 0.0)))
    source = BagImages(write_bag(tmp_path / 'bag', messages), *TOPICS)
    with pytest.raises(ValueError, match='none of the images can be used: 5 x camera: focal'):
        list(source)


def test_not_a_bag(tmp_path: Path, bag: Path) -> None:
    with pytest.raises(ValueError, match='nowhere: not a readable rosbag2 folder'):
        BagImages(tmp_path / 'nowhere', *TOPICS)
    with pytest.raises(ValueError, match='not a readable rosbag2 folder'):
        BagImages(tmp_path, *TOPICS)
    with pytest.raises(ValueError, match='a.bag: is of ROS 1'):
        BagImages(tmp_path / 'a.bag', *TOPICS)
    broken = tmp_path / 'broken'
    broken.mkdir()
    for path in bag.iterdir():
        data = path.read_bytes()
        (broken / path.name).write_bytes(data if path.suffix == '.yaml' else data[:2000])
    with pytest.raises(ValueError, match='not a readable rosbag2 folder'):
        list(BagImages(broken, *TOPICS))
