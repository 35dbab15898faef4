"""Options of build-map that tell what a bag's topics mean."""

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, quaternion_xyzw, transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.tools import build_map
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_typestore, Stores
from scipy.spatial.transform import Rotation

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types
HEAD_FROM_CAMERA = transform(Rotation.from_euler('z', 0.3).as_matrix(), (0.1, 0.2, 0.3))


def header(stamp_ns: int, frame: str):
    time = TYPES['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    return TYPES['std_msgs/msg/Header'](time, frame)


def parts(matrix: np.ndarray):
    """Return the fields of a pose or of a transform."""
    rotation = TYPES['geometry_msgs/msg/Quaternion'](*quaternion_xyzw(matrix[:3, :3]))
    return matrix[:3, 3], rotation


def messages_of(view, stamp_ns: int) -> dict:
    """Return image_rect, its camera info with the lens's K and D, and the pose of the head."""
    camera = view.camera
    roi = TYPES['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    k = (camera.K * [[1.3], [1.3], [1]]).ravel()
    d = np.array([-0.3, 0.1, 0, 0, 0])
    p = np.hstack((camera.K, np.zeros((3, 1)))).ravel()
    position, rotation = parts(view.map_from_camera @ inverse(HEAD_FROM_CAMERA))
    pose = TYPES['geometry_msgs/msg/Pose'](TYPES['geometry_msgs/msg/Point'](*position), rotation)
    return {
        '/cam/camera_info': TYPES['sensor_msgs/msg/CameraInfo'](
            header(stamp_ns, 'camera'), camera.height, camera.width, 'plumb_bob', d, k,
            np.eye(3).ravel(), p, 0, 0, roi,
        ),
        '/cam/image_rect': TYPES['sensor_msgs/msg/Image'](
            header(stamp_ns, 'camera'), camera.height, camera.width, 'rgb8', 0,
            3 * camera.width, view.rgb.ravel(),
        ),
        '/pose': TYPES['geometry_msgs/msg/PoseStamped'](header(stamp_ns, 'world'), pose),
    }  # fmt: skip


def write_bag(path: Path, views: list) -> None:
    """Write one set of messages a second, and where the camera sits on the head."""
    offset, rotation = parts(HEAD_FROM_CAMERA)
    mounting = TYPES['geometry_msgs/msg/TransformStamped'](
        header(0, 'head'),
        'camera',
        TYPES['geometry_msgs/msg/Transform'](
            TYPES['geometry_msgs/msg/Vector3'](*offset), rotation
        ),
    )
    written = [(0, '/tf_static', TYPES['tf2_msgs/msg/TFMessage']([mounting]))]
    for index, view in enumerate(views):
        stamp_ns = (index + 1) * 1_000_000_000
        written += [(stamp_ns, *entry) for entry in messages_of(view, stamp_ns).items()]
    with Writer(path, version=9) as writer:
        connections = {}
        for at, topic, message in written:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], at, STORE.serialize_cdr(message, kind))


def test_rectified_images_and_the_pose_of_another_frame(tmp_path, photograph):
    views = [photograph(x_m) for x_m in (-0.5, 0.5)]
    write_bag(tmp_path / 'bag', views)
    parser = ArgumentParser()
    build_map.add_arguments(parser)
    options = '--image-topic /cam/image_rect --rectified --pose-topic /pose --pose-frame head'
    more = '--vocabulary shipped --device cpu'
    words = [str(tmp_path / 'a.relmap'), str(tmp_path / 'bag'), *options.split(), *more.split()]
    build_map.run(parser.parse_args(words))
    with KeyframeMap.open(tmp_path / 'a.relmap') as keyframe_map:
        assert keyframe_map.map_frame == 'world'
        for keyframe_id, view in zip(keyframe_map.ids, views, strict=True):
            keyframe = keyframe_map.keyframe(keyframe_id)
            assert keyframe.camera == Camera(320, 240, 280.0, 280.0, 160.0, 120.0)
            np.testing.assert_allclose(keyframe.map_from_camera, view.map_from_camera, atol=1e-9)
            # Not bent by the lens's D: no more than JPEG's loss.
            assert np.abs(keyframe.rgb.astype(int) - view.rgb).mean() < 4
