"""The launch file, with the real launch where it is installed."""

import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys

import pytest

LAUNCH_FILE = Path(__file__).parents[2] / 'launch' / 'relocalize.launch.py'
REPOSITORY = LAUNCH_FILE.parents[1]
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
    shutil.copytree(REPOSITORY / 'config', share / 'relpose_ros' / 'config')
    lib.mkdir(parents=True)
    executable = lib / 'relocalizer_node'
    executable.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m relpose_ros.nodes.relocalizer_node "$@"\n'
    )
    executable.chmod(0o755)
    return prefix


def test_launch(rig, prefix: Path, wall_map: Path, photograph):
    """Map, topics, namespace and parameters reach the node; Ctrl-C ends it."""
    pytest.importorskip('launch_ros', reason='launch and launch_ros come with a distribution')
    arguments = (f'map:={wall_map}', 'image:=/cam/image', 'camera_info:=/cam/info')
    more = ('namespace:=robot', 'device:=cpu', 'log_level:=warn')
    paths = [str(prefix), os.environ.get('AMENT_PREFIX_PATH', sys.prefix)]
    environment = {**os.environ, 'AMENT_PREFIX_PATH': os.pathsep.join(paths)}
    environment['PYTHONPATH'] = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(LAUNCH_FILE), *arguments, *more],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        rig.until(lambda: rig.node.count_subscribers('/cam/image'))
        rig.until(lambda: rig.node.count_subscribers('/cam/info'))
        rig.until(lambda: rig.node.count_subscribers('/cam/image/compressed'))
        rig.until(lambda: rig.node.count_publishers('/robot/relocalizer/pose'))
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert 'process has finished cleanly' in output, output
    assert 'Traceback' not in output, output
