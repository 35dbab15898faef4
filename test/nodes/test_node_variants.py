"""The node where not all is as usual: a map that breaks, one without depth, image_rect."""

import os
from pathlib import Path
import shutil
import signal
import sqlite3
import subprocess

import numpy as np
import pytest
from relpose_ros.core.matcher import MatcherConfig
from relpose_ros.core.network_pose import untrained_network
from relpose_ros.core.network_weights import save_network
from relpose_ros.core.relative_pose import NetworkConfig
from relpose_ros.nodes.conversions import stamp_ns
from sensor_msgs.msg import Image

GEOMETRIC = ('-p', 'estimator:=geometric')
CAPTURE = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
ERROR = b'\x02'
NO_DEPTH = 'the map has no depth: the geometric estimator finds only directions'


@pytest.fixture
def path(tmp_path: Path, wall_map: Path) -> Path:
    """Return a map of the wall that may be damaged."""
    return Path(shutil.copy(wall_map, tmp_path))


def change(path: Path, statement: str) -> None:
    """Change the map behind the node's back."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def expect_accepted(rig, view) -> None:
    """Check that an image is localized."""
    report = rig.report_of(*rig.image(view))
    assert report['result'] == 'accepted', report


def expect_unreadable(rig, view) -> None:
    """Check that an image is reported with an error and gives no pose."""
    msg, info = rig.image(view)
    report = rig.report_of(msg, info)
    assert (report['result'], report['level']) == ('map_unreadable', ERROR), report
    assert 'damaged' in report['detail']
    rig.spin(0.3)
    for topic in ('/relocalizer/pose', '/relocalizer/relative_pose'):
        assert stamp_ns(msg.header.stamp) not in rig.stamps(topic)


def output_of(process: subprocess.Popen) -> str:
    """End a node that runs on and return what it has said."""
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    return output


def test_map_truncated_while_running(rig, start, photograph, path: Path):
    """Each image is answered with an error; once the file is whole again, with a pose."""
    parameters = ('-p', f'map_path:={path}', '-p', 'cached_keyframes:=1', *GEOMETRIC)
    process = start('relocalizer_node', *parameters, **CAPTURE)
    expect_accepted(rig, photograph(-1.1))
    whole = path.read_bytes()
    os.truncate(path, len(whole) // 2)
    expect_unreadable(rig, photograph(1.1))
    expect_unreadable(rig, photograph(-1.1))
    path.write_bytes(whole)
    expect_accepted(rig, photograph(1.1))
    output = output_of(process)
    assert 'is damaged' in output
    assert NO_DEPTH not in output


def test_picture_of_a_damaged_keyframe(rig, start, photograph, path: Path):
    """A keyframe that is only needed for the debug image holds back the pose as well."""
    process = start('relocalizer_node', '-p', f'map_path:={path}', *GEOMETRIC, **CAPTURE)
    expect_accepted(rig, photograph(0.1))
    change(path, "UPDATE keyframe SET image = x'00'")
    expect_accepted(rig, photograph(0.1))  # all features are in memory
    looking = rig.node.create_subscription(Image, '/relocalizer/debug_image', [].append, 5)
    # Until the relocalizer has noticed it localizes as before.
    rig.until(lambda: rig.report_of(*rig.image(photograph(0.1)))['result'] == 'map_unreadable')
    expect_unreadable(rig, photograph(0.1))
    rig.node.destroy_subscription(looking)
    output_of(process)


def test_map_without_depth(rig, start, photograph, path: Path):
    """The node says once, at the start, that such a map gives no poses, and why each time."""
    change(path, 'UPDATE keyframe SET depth = NULL')
    process = start('relocalizer_node', '-p', f'map_path:={path}', *GEOMETRIC, **CAPTURE)
    for _ in range(2):
        assert rig.report_of(*rig.image(photograph(0.3)))['result'] == 'scale_unknown'
    assert output_of(process).count(NO_DEPTH) == 1


def test_rectified_images(rig, start, photograph, wall_map: Path):
    """P is used; K and D are the lens's and would give another pose."""
    process = start(
        'relocalizer_node',
        *('-p', f'map_path:={wall_map}', '-p', 'rectified:=true'),
        *GEOMETRIC,
        **CAPTURE,
    )
    view = photograph(0.2, 0.1, 6.0)
    msg, info = rig.image(view)
    info.k = (view.camera.K * [[1.3], [1.3], [1]]).ravel()
    info.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    report = rig.report_of(msg, info)
    assert report['result'] == 'accepted', report
    stamp = stamp_ns(msg.header.stamp)
    rig.until(lambda: stamp in rig.stamps('/relocalizer/pose'))
    pose = rig.heard['/relocalizer/pose'][rig.stamps('/relocalizer/pose').index(stamp)]
    position = pose.pose.pose.position
    found = np.array([position.x, position.y, position.z])
    assert np.linalg.norm(found - view.map_from_camera[:3, 3]) < 0.01
    output_of(process)


def test_weights_in_diagnostics(rig, start, photograph, wall_map: Path, tmp_path: Path):
    """With the network every report says which weights it has."""
    matcher = MatcherConfig(
        stem_channels=8, block_channels=(8, 12, 16), attention_heads=4, layer_pairs=1
    )
    network = untrained_network(NetworkConfig(matcher=matcher, longest_side_px=128))
    file = tmp_path / 'weights.safetensors'
    content_hash = save_network(file, network, {})
    parameters = (f'map_path:={wall_map}', 'estimator:=network', f'weights:={file}')
    words = [word for each in parameters for word in ('-p', each)]
    process = start('relocalizer_node', *words, **CAPTURE)
    report = rig.report_of(*rig.image(photograph(0.1)))
    assert (report['estimator'], report['weights']) == ('network', content_hash)
    output_of(process)
