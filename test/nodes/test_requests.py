"""Localizing when asked: modes, and `~/relocalize` with callers of every kind."""

from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
import signal
import subprocess
import sys
import time

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
import pytest
from relpose_ros.nodes.conversions import camera_info_message, image_message
from std_srvs.srv import Trigger

CAPTURE = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
PATIENT = ('-p', 'request_timeout_s:=500.0', '-p', 'mode:=on_demand')
CALLER = """
import rclpy
from std_srvs.srv import Trigger
rclpy.init()
node = rclpy.create_node('caller')
client = node.create_client(Trigger, '/relocalizer/relocalize')
client.wait_for_service()
future = client.call_async(Trigger.Request())
print('asked', flush=True)
rclpy.spin_until_future_complete(node, future)
print(future.result().message, flush=True)
"""


@pytest.fixture(scope='module')
def wall_relocalizer(relocalizer):
    """Run the relocalizer of the module."""
    return relocalizer


@pytest.fixture
def on_demand(rig, wall_relocalizer) -> Iterator[None]:
    """Have nothing localized but what is asked for."""
    assert rig.set_parameters(mode='on_demand', request_timeout_s=500.0).successful
    yield
    assert rig.set_parameters(mode='continuous', request_timeout_s=5.0).successful


def shoot(rig, view, stamp_ns: int | None = None, **changed) -> None:
    """Publish a picture as taken now."""
    stamp = time.time_ns() if stamp_ns is None else stamp_ns
    msg = image_message(view.rgb, 'lens', stamp)
    for name, value in changed.items():
        setattr(msg, name, value)
    rig.publish(camera_info_message(view.camera, 'lens', stamp), msg)


@contextmanager
def camera(rig, view, **changed) -> Iterator[None]:
    """Publish a picture again and again."""
    timer = rig.node.create_timer(0.05, lambda: shoot(rig, view, **changed))
    yield
    rig.node.destroy_timer(timer)


@contextmanager
def callers(rig, count: int = 1) -> Iterator[list]:
    """Ask from several clients at once; give the futures of their answers."""
    clients = [rig.node.create_client(Trigger, '/relocalizer/relocalize') for _ in range(count)]
    for client in clients:
        rig.until(client.service_is_ready)
    yield [client.call_async(Trigger.Request()) for client in clients]
    for client in clients:
        rig.node.destroy_client(client)


def ask(rig) -> tuple[bool, dict]:
    """Ask and return the answer."""
    answer = rig.call(Trigger, 'relocalize', Trigger.Request())
    return answer.success, json.loads(answer.message)


def localized(rig) -> list[str]:
    """Return the stamps of images that the relocalizer has worked on."""
    return [each['image_stamp'] for each in rig.reports() if 'image_stamp' in each]


def idle(rig) -> bool:
    """Return whether images come and the relocalizer leaves them alone."""
    return rig.messages('relocalizer')[-1:] == ['waiting: for a request (~/relocalize)']


def test_only_what_is_asked_for(rig, on_demand, photograph):
    """Images pass unseen until somebody asks; the next is answered and published."""
    view = photograph(0.2, 0.1, 6.0)
    with camera(rig, view):
        rig.until(lambda: idle(rig))
        before = localized(rig)
        rig.spin(1.0)
        assert localized(rig) == before
        asked_ns = time.time_ns()
        success, answer = ask(rig)
    assert success
    assert answer['stamp_ns'] > asked_ns
    assert answer['frame_id'] == 'map'
    assert np.linalg.norm(answer['position_m'] - view.map_from_camera[:3, 3]) < 0.01
    assert np.linalg.norm(answer['quat_xyzw']) == pytest.approx(1, abs=1e-5)
    assert 1 <= answer['keyframe_id'] <= 5
    assert 0 < answer['sigma_m'] < 0.1
    rig.until(lambda: answer['stamp_ns'] in rig.stamps('/relocalizer/pose'))
    assert localized(rig) == [*before, str(answer['stamp_ns'])]


def test_several_callers_at_once(rig, on_demand, photograph):
    """All are answered, each with an image that was taken after it asked."""
    asked_ns = time.time_ns()
    with callers(rig, 7) as futures, camera(rig, photograph(-0.4)):
        rig.until(lambda: all(future.done() for future in futures))
    answers = [json.loads(future.result().message) for future in futures]
    assert all(future.result().success for future in futures)
    assert all(answer['stamp_ns'] > asked_ns for answer in answers)
    assert len({answer['stamp_ns'] for answer in answers}) < 7


def test_no_pose_has_a_reason(rig, on_demand, photograph):
    """Another wall and a truncated image are answered as diagnostics report them."""
    with camera(rig, photograph(0.2, seed=1)):
        success, answer = ask(rig)
    assert not success
    assert answer['rejected'] in ('few_matches', 'no_consistent_pose', 'no_similar_keyframe')
    assert answer['detail']
    with camera(rig, photograph(0.2), step=5):
        success, answer = ask(rig)
    assert not success
    assert answer['rejected'] == 'bad_input'
    assert 'step is 5' in answer['detail']


def test_no_image(rig, on_demand, photograph):
    """Nobody waits for ever: not for a camera that is off, nor for one with another clock."""
    assert rig.set_parameters(request_timeout_s=0.5).successful
    success, answer = ask(rig)
    assert (success, answer['rejected']) == (False, 'no_image')
    assert 'none came within 0.5 s' in answer['detail']
    before = localized(rig)
    with camera(rig, photograph(0.2), stamp_ns=time.time_ns() - 10**9):
        rig.until(lambda: idle(rig))
        success, answer = ask(rig)
    assert (success, answer['rejected']) == (False, 'no_image')
    assert 'use_sim_time' in answer['detail']
    assert localized(rig) == before


def test_a_caller_that_goes_away(rig, on_demand, photograph):
    """Its image is localized, its answer lost, and the next caller is served."""
    caller = subprocess.Popen([sys.executable, '-c', CALLER], text=True, **CAPTURE)
    assert caller.stdout.readline().strip() == 'asked'
    before = localized(rig)
    rig.spin(0.5)
    caller.send_signal(signal.SIGKILL)
    caller.communicate(timeout=100)
    with camera(rig, photograph(0.2)):
        rig.until(lambda: len(localized(rig)) > len(before))
        success, _ = ask(rig)
    assert success


def test_a_caller_in_another_process(rig, on_demand, photograph):
    """A program of its own is answered."""
    caller = subprocess.Popen([sys.executable, '-c', CALLER], text=True, **CAPTURE)
    assert caller.stdout.readline().strip() == 'asked'
    with camera(rig, photograph(0.2)):
        rig.until(lambda: caller.poll() is not None)
    assert json.loads(caller.stdout.read())['frame_id'] == 'map'


def test_asked_beside_a_slow_rate(rig, wall_relocalizer, photograph):
    """A request does not wait for its turn."""
    with camera(rig, photograph(0.2)):
        rig.until(lambda: localized(rig))
        assert rig.set_parameters(max_rate_hz=0.001).successful
        rig.spin(0.5)
        before = localized(rig)
        success, answer = ask(rig)
    assert success
    assert localized(rig) in (before, [*before, str(answer['stamp_ns'])])
    assert rig.set_parameters(max_rate_hz=0.0).successful


def test_until_the_first_pose(rig, wall_relocalizer, photograph):
    """Image after image is tried until one has a pose; then the node waits to be asked."""
    assert rig.set_parameters(mode='until_fix').successful
    with camera(rig, photograph(0.2, seed=1)):
        before = len(localized(rig))
        rig.until(lambda: len(localized(rig)) > before + 3)
        assert not idle(rig)
    for _ in range(2):
        poses = len(rig.heard['/relocalizer/pose'])
        with camera(rig, photograph(0.2)):
            rig.until(lambda n=poses: len(rig.heard['/relocalizer/pose']) > n)
            rig.until(lambda: idle(rig))
            rig.spin(0.5)
        assert len(rig.heard['/relocalizer/pose']) == poses + 1
        # Said again, it begins again.
        assert rig.set_parameters(mode='until_fix').successful
    assert rig.set_parameters(mode='continuous').successful


def test_while_the_node_is_not_active(rig, on_demand):
    """Who waits is told when the node is deactivated, who asks later, too."""

    def change(transition_id: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition_id))
        assert rig.call(ChangeState, 'change_state', request).success

    with callers(rig, 2) as futures:
        rig.call(GetState, 'get_state', GetState.Request())
        change(Transition.TRANSITION_DEACTIVATE)
        rig.until(lambda: all(future.done() for future in futures))
    for success, answer in [ask(rig)] + [
        (each.result().success, json.loads(each.result().message)) for each in futures
    ]:
        assert (success, answer['rejected']) == (False, 'inactive')
    change(Transition.TRANSITION_ACTIVATE)


def test_the_process_ends_with_callers_waiting(rig, start, wall_map):
    """Ctrl-C ends it as always."""
    parameters = ('-p', f'map_path:={wall_map}', *PATIENT, '-r', '__node:=other')
    process = start('relocalizer_node', *parameters, **CAPTURE)
    client = rig.node.create_client(Trigger, '/other/relocalize')
    rig.until(client.service_is_ready)
    rig.until(lambda: rig.messages('other'))
    futures = [client.call_async(Trigger.Request()) for _ in range(3)]
    rig.spin(1.0)
    assert not any(future.done() for future in futures)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    assert 'never' not in output, output
    rig.node.destroy_client(client)
