"""Evaluates the running node: player, relocalizer and recorder are processes on topics."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
from relpose_ros.core.geometry import rotation_from_quaternion, transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.evaluation.localization import first_shared_view
from relpose_ros.evaluation.metrics import Outcome

ACCEPTED = 'accepted'
LATENCY_PREFIX, LATENCY_SUFFIX = 'latency_', '_ms'
STOP_S = 10.0  # from SIGINT to a process's end
IDLE_S = 120.0  # without a processed image the recorder gives up: no start takes so long


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What the node published for one image.

    :param result: 'accepted' or the reason of the rejection.
    :param candidates: ids of the retrieved keyframes, most similar first.
    :param latency_s: duration of each stage [s].
    :param map_from_query: (4, 4) from ~/pose; None if rejected.
    :param covariance: (6, 6) from ~/pose; None if rejected.
    :param keyframe_id: from ~/relative_pose; None if rejected.
    :param agreeing_ids: keyframes that agree on the pose, best supported first.
    """

    result: str
    candidates: tuple[int, ...]
    latency_s: dict[str, float]
    map_from_query: np.ndarray | None = None
    covariance: np.ndarray | None = None
    keyframe_id: int | None = None
    agreeing_ids: tuple[int, ...] = ()


def play(
    data: Path, part: str, rate_hz: float, folder: Path, parameters: dict[str, object]
) -> dict[str, Answer]:
    """
    Start the three processes, play images and read what was published.

    :param data: folder in 7-Scenes layout.
    :param part: 'queries' or 'replay'.
    :param rate_hz: of the camera; 0 to send each image when the one before has been answered.
    :param folder: existing; records and logs are left there.
    :param parameters: of the relocalizer.
    :return: answers by the images' names; at a rate, only the images that the node took.
    :raises ValueError: if a process fails; names its log.
    """
    record, stamps = folder / f'{part}.jsonl', folder / f'{part}_stamps.jsonl'
    player = {
        'data': data,
        'part': part,
        'rate_hz': float(rate_hz),
        'stamps_file': stamps,
        'timeout_s': IDLE_S / 2,  # it sends an image twice
    }
    count = 0 if rate_hz else len(getattr(read_split(data), part))
    recording = {'output': record, 'count': count, 'idle_s': IDLE_S}
    record.unlink(missing_ok=True)
    with (
        _process('pose_recorder', recording, folder) as recorder,
        _process('relocalizer_node', parameters, folder) as relocalizer,
    ):
        running = {'pose_recorder': recorder, 'relocalizer_node': relocalizer}
        _wait(lambda: record.exists() and record.stat().st_size, running, folder)
        with _process('image_player', player, folder) as camera:
            running['image_player'] = camera
            _wait(lambda: camera.poll() == 0, running, folder)
        if count:
            _wait(lambda: recorder.poll() == 0, running, folder)
    names = {line['stamp_ns']: line['name'] for line in _lines(stamps)}
    return {names[stamp_ns]: answer for stamp_ns, answer in _answers(record).items()}


def outcomes(
    queries: Sequence[PosedImage], answers: dict[str, Answer], keyframe_map: KeyframeMap
) -> Iterator[Outcome]:
    """
    Compare answers with the truth.

    :raises ValueError: if a query was not answered.
    """
    for query in queries:
        answer = answers.get(query.name)
        if answer is None:
            raise ValueError(f'{query.name}: the relocalizer did not answer')
        accepted = answer.result == ACCEPTED
        yield Outcome(
            query.name,
            query.map_from_camera,
            estimated_map_from_query=answer.map_from_query,
            reason=None if accepted else answer.result,
            keyframe_id=answer.keyframe_id,
            map_from_keyframe=keyframe_map.pose(answer.keyframe_id) if accepted else None,
            shared_view=first_shared_view(query, answer.candidates, keyframe_map),
            latency_s=answer.latency_s,
            covariance=answer.covariance,
            agreeing_ids=answer.agreeing_ids,
        )


def shared_file(name: str) -> Path:
    """Return a file of the config folder, in the source tree or where it is installed."""
    beside = Path(__file__).parents[2] / 'config' / name
    if beside.exists():
        return beside
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory('relpose_ros')) / 'config' / name


def _wait(
    condition: Callable[[], object], processes: dict[str, subprocess.Popen], folder: Path
) -> None:
    """
    Wait until a condition holds.

    :raises ValueError: if a process fails meanwhile.
    """
    while not condition():
        for name, process in processes.items():
            if process.poll():
                log = folder / f'{name}.log'
                raise ValueError(f'the {name.replace("_", " ")} failed: see {log}')
        time.sleep(0.05)


@contextmanager
def _process(name: str, parameters: dict[str, object], folder: Path) -> Iterator[subprocess.Popen]:
    """Run one of the package's nodes until the block ends, then interrupt it."""
    command = [sys.executable, '-m', f'relpose_ros.nodes.{name}', '--ros-args']
    for key, value in parameters.items():
        command += ['-p', f'{key}:={value}']
    with (folder / f'{name}.log').open('w') as log:
        process = subprocess.Popen(
            command, env=_environment(folder), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Keep the demo's topics apart from those of a robot on the same network."""
    return {
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(folder / 'ros_log'),
        'FASTDDS_DEFAULT_PROFILES_FILE': str(shared_file('fastdds_large_images.xml')),
        'AMENT_PREFIX_PATH': sys.prefix,
        **os.environ,
    }


def _answers(record: Path) -> dict[int, Answer]:
    """Put together by stamp what the recorder heard on three topics."""
    poses, covariances, keyframe_ids, answers = {}, {}, {}, {}
    for line in _lines(record):
        if line['kind'] == 'pose':
            rotation = rotation_from_quaternion(np.array(line['quat_xyzw']))
            poses[line['stamp_ns']] = transform(rotation, np.array(line['position_m']))
            covariances[line['stamp_ns']] = np.reshape(line['covariance'], (6, 6))
        elif line['kind'] == 'relative_pose':
            keyframe_ids[line['stamp_ns']] = int(line['frame_id'].removeprefix('keyframe_'))
    for line in _lines(record):
        values = line.get('values', {})
        if 'image_stamp' in values:
            stamp_ns = int(values['image_stamp'])
            answers[stamp_ns] = Answer(
                result=values['result'],
                candidates=_ids(values.get('candidates', '')),
                latency_s=_latency_s(values),
                map_from_query=poses.get(stamp_ns),
                covariance=covariances.get(stamp_ns),
                keyframe_id=keyframe_ids.get(stamp_ns),
                agreeing_ids=_ids(values.get('agreeing', '')),
            )
    return answers


def _ids(text: str) -> tuple[int, ...]:
    """Read a list of ids, each with or without a similarity after a colon."""
    return tuple(int(each.partition(':')[0]) for each in text.split(', ') if each)


def _latency_s(values: dict[str, str]) -> dict[str, float]:
    return {
        key.removeprefix(LATENCY_PREFIX).removesuffix(LATENCY_SUFFIX): float(value) / 1000
        for key, value in values.items()
        if key.startswith(LATENCY_PREFIX) and key != 'latency_ms'
    }


def _lines(path: Path) -> Iterator[dict]:
    with path.open() as file:
        yield from map(json.loads, file)
