"""Signals in every state of a node: it ends by itself, at once, and leaves nothing behind."""

import os
from pathlib import Path
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

GEOMETRIC = ('-p', 'estimator:=geometric')
OUTPUT = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
CAPTURE = {**OUTPUT, 'start_new_session': True}


@pytest.fixture
def path(tmp_path: Path, wall_map: Path) -> Path:
    """Return a map of its own, which may be locked."""
    return Path(shutil.copy(wall_map, tmp_path))


def configuring(rig, process: subprocess.Popen, path: Path, photograph) -> None:
    """Wait until the node opens its map, which the caller holds back."""
    rig.until(lambda: 'relocalizer' in rig.node.get_node_names())


def waiting(rig, process: subprocess.Popen, path: Path, photograph) -> None:
    """Wait until the node is active and has no image."""
    heard = len(rig.heard['/diagnostics'])
    rig.until(lambda: len(rig.heard['/diagnostics']) > heard)


def localizing(rig, process: subprocess.Popen, path: Path, photograph) -> None:
    """Keep the node busy, with more images underway when the signal comes."""
    assert rig.report_of(*rig.image(photograph(0.1)))['result'] == 'accepted'
    for _ in range(3):
        rig.publish(*reversed(rig.image(photograph(0.2))))


def end(process: subprocess.Popen, kind: signal.Signals, again: bool) -> None:
    """Send a signal; again and again until the process is gone, as impatient users do."""
    process.send_signal(kind)
    while again and process.poll() is None:
        time.sleep(0.01)
        process.send_signal(kind)


@pytest.mark.parametrize(('kind', 'again'), [(signal.SIGINT, True), (signal.SIGTERM, False)])
@pytest.mark.parametrize('reach', [configuring, waiting, localizing])
def test_signals(rig, start, photograph, path, reach, kind, again):
    """The exit code is 0, the log has no traceback, and no process is left."""
    rig.until(lambda: 'relocalizer' not in rig.node.get_node_names())
    lock = sqlite3.connect(path, isolation_level=None)
    if reach is configuring:
        lock.execute('BEGIN EXCLUSIVE')
    process = start('relocalizer_node', '-p', f'map_path:={path}', *GEOMETRIC, **CAPTURE)
    reach(rig, process, path, photograph)
    if reach is configuring:
        process.send_signal(kind)
        lock.rollback()
    end(process, kind, again)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    assert 'Error' not in output, output
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


HANGING_NODE = """
import sys
import time
from rclpy.node import Node
from relpose_ros.nodes.process import run

class Hanging(Node):
    def __init__(self):
        super().__init__('hanging')
        self.create_timer(0.01, self.hang)

    def start(self):
        pass

    def hang(self):
        print('hangs', flush=True)
        while True:
            time.sleep(0.01)

sys.exit(run(Hanging))
"""


def test_a_callback_that_does_not_end_is_interrupted():
    process = subprocess.Popen([sys.executable, '-c', HANGING_NODE], text=True, **CAPTURE)
    assert process.stdout.readline() == 'hangs\n'
    begin_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=100)
    assert (process.returncode, output) == (0, '')
    assert time.monotonic() - begin_s > 1  # callbacks have some time to end by themselves


STOPPED_NODE = """
import gc
import os
import signal
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from relpose_ros.nodes.process import run

class Stopped(Node):
    def __init__(self):
        super().__init__('stopped')
        self.create_timer(0.01, self.stop)

    def start(self):
        pass

    def stop(self):
        os.kill(os.getpid(), signal.SIGINT)

gc.disable()
run(Stopped)
print(sum(type(each) is SingleThreadedExecutor for each in gc.get_objects()))
"""


def test_no_executor_is_left_to_the_garbage_collector():
    """It takes the executor's parts down in any order: tracebacks at the end, now and then."""
    command = [sys.executable, '-c', STOPPED_NODE]
    output = subprocess.run(command, text=True, check=True, timeout=300, **OUTPUT).stdout
    assert output == '0\n'
