"""The launch files, with the real launch where it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys

import pytest
from rcl_interfaces.srv import GetParameters
from relpose_ros.core.keyframe_map import KeyframeMap

REPOSITORY = Path(__file__).parents[2]
PROGRAM = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

arguments = [word.split(':=') for word in sys.argv[2:]]
source = PythonLaunchDescriptionSource(sys.argv[1])
include = IncludeLaunchDescription(source, launch_arguments=arguments)
service = LaunchService()
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Lay the package out as colcon installs it, with this interpreter's executables."""
    prefix = tmp_path / 'install'
    share, lib = prefix / 'share', prefix / 'lib' / 'relpose_ros'
    (share / 'ament_index/resource_index/packages').mkdir(parents=True)
    (share / 'ament_index/resource_index/packages/relpose_ros').touch()
    for folder in ('config', 'launch'):
        shutil.copytree(REPOSITORY / folder, share / 'relpose_ros' / folder)
    lib.mkdir(parents=True)
    for name in ('relocalizer_node', 'mapper_node'):
        executable = lib / name
        executable.write_text(
            f'#!/bin/sh\nexec {sys.executable} -m relpose_ros.nodes.{name} "$@"\n'
        )
        executable.chmod(0o755)
    return prefix


def started(prefixes: str, launch_file: str, *arguments: str) -> subprocess.Popen:
    """Launch a file, with the packages that are installed under these paths."""
    pytest.importorskip('launch_ros', reason='launch and launch_ros come with a distribution')
    environment = {**os.environ, 'AMENT_PREFIX_PATH': prefixes}
    environment['PYTHONPATH'] = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(REPOSITORY / 'launch' / launch_file), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def launched(prefix: Path, launch_file: str, *arguments: str) -> Iterator[None]:
    """Launch a file, press Ctrl-C at the end, and check that all has ended well."""
    paths = [str(prefix), os.environ.get('AMENT_PREFIX_PATH', sys.prefix)]
    process = started(os.pathsep.join(paths), launch_file, *arguments)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=100)
    assert 'process has finished cleanly' in output, output
    assert 'Traceback' not in output, output


def test_relocalize(rig, prefix: Path, wall_map: Path):
    """Map, topics, namespace and parameters reach the node; Ctrl-C ends it."""
    arguments = (f'map:={wall_map}', 'image:=/cam/image', 'camera_info:=/cam/info')
    more = ('namespace:=robot', 'device:=cpu', 'log_level:=warn', 'confirm:=true')
    with launched(prefix, 'relocalize.launch.py', *arguments, *more):
        rig.until(lambda: rig.node.count_subscribers('/cam/image'))
        rig.until(lambda: rig.node.count_subscribers('/cam/info'))
        rig.until(lambda: rig.node.count_subscribers('/cam/image/compressed'))
        rig.until(lambda: rig.node.count_publishers('/robot/relocalizer/pose'))
        # Nothing but `confirm` makes it listen to TF.
        rig.until(lambda: rig.node.count_subscribers('/tf') > 1)


def test_navigation(rig, prefix: Path, wall_map: Path):
    """The relocalizer stands in AMCL's place; Nav2 is not here and left out."""
    arguments = (f'map:={wall_map}', 'image:=/cam/image', 'camera_info:=/cam/info')
    with launched(prefix, 'navigation.launch.py', *arguments, 'nav2:=false'):
        rig.until(lambda: rig.node.count_publishers('/relocalizer/pose'))
        request = GetParameters.Request(names=['tf_mode', 'pose_frame', 'base_frame'])
        values = rig.call(GetParameters, 'get_parameters', request).values
        assert [each.string_value for each in values] == ['odom', 'base', 'base_link']


@pytest.mark.parametrize(
    ('launch_file', 'argument', 'package'),
    [
        ('navigation.launch.py', 'nav2:=true', 'nav2_bringup'),
        ('relocalize.launch.py', 'rviz:=true', 'rviz2'),
    ],
)
def test_without_nav2_and_rviz(prefix: Path, launch_file, argument, package):
    """Launch says what is missing before it starts a node, which it would leave behind."""
    process = started(str(prefix), launch_file, argument)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert f"package '{package}' not found" in output
    assert 'process started' not in output


def test_map(rig, prefix: Path, tmp_path: Path):
    """Map file, frame, topics and namespace reach the node; Ctrl-C ends it."""
    path = tmp_path / 'new.relmap'
    arguments = (f'map:={path}', 'image:=/cam/image', 'camera_info:=/cam/info')
    more = ('depth:=/cam/depth', 'map_frame:=hall', 'namespace:=robot', 'device:=cpu')
    with launched(prefix, 'map.launch.py', *arguments, *more):
        for topic in ('/cam/image', '/cam/info', '/cam/image/compressed', '/cam/depth'):
            rig.until(lambda topic=topic: rig.node.count_subscribers(topic))
        services = {'/robot/mapper/add_keyframe', '/robot/mapper/save'}
        rig.until(lambda: services <= {n for n, _ in rig.node.get_service_names_and_types()})
    with KeyframeMap.open(path) as keyframe_map:
        assert keyframe_map.map_frame == 'hall'
