"""The running node is evaluated: three processes on topics, and the truth beside them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from relpose_ros.core.geometry import position_error_m, rotation_error_rad
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.datasets.seven_scenes import read_split
from relpose_ros.evaluation.live import Answer, outcomes, play, shared_file
from relpose_ros.evaluation.metrics import summary

FOREIGN = 'seq-01/frame-000002'  # of another wall
SPLIT = """
layout: 7scenes
camera: {focal_px: 280, principal_point_px: [160, 120]}
keyframes: {sequence: seq-01, start: 0, stop: 1}
queries: {sequence: seq-01, start: 0, stop: 4}
"""


@pytest.fixture(scope='module')
def recording(tmp_path_factory, photograph, write_recording) -> Path:
    """Write four queries; the map comes from elsewhere."""
    views = [photograph(-0.9, 0.1, 4), photograph(0.3), photograph(0, seed=1), photograph(1.0)]
    return write_recording(tmp_path_factory.mktemp('recording'), SPLIT, views)


@pytest.fixture
def out(tmp_path, monkeypatch) -> Path:
    """Return a folder for records and logs, with a space in its name."""
    pytest.importorskip('rclpy')
    if 'AMENT_PREFIX_PATH' not in os.environ:
        monkeypatch.setenv('AMENT_PREFIX_PATH', sys.prefix)
    folder = tmp_path / 'my records'
    folder.mkdir()
    return folder


def node_processes() -> Iterator[str]:
    """Yield the command lines of this process's children that are nodes."""
    for status in Path('/proc').glob('[0-9]*/stat'):
        try:
            parent = int(status.read_text().rpartition(')')[2].split()[1])
            command = (status.parent / 'cmdline').read_text().replace('\0', ' ')
        except OSError:
            continue  # has ended meanwhile
        if parent == os.getpid() and 'relpose_ros.nodes.' in command:
            yield command


@pytest.fixture
def late_recorder(monkeypatch) -> None:
    """Let the recorder start when the others are long there."""
    popen = subprocess.Popen

    def late(command: list[str], **options: Any) -> subprocess.Popen:
        if 'relpose_ros.nodes.pose_recorder' in command:
            command = ['sh', '-c', 'sleep 10; exec "$@"', 'sh', *command]
        return popen(command, **options)

    monkeypatch.setattr(subprocess, 'Popen', late)


def test_every_query_is_answered_over_topics(recording, wall_map, out, late_recorder, stages):
    parameters = {'map_path': wall_map, 'estimator': 'geometric', 'reliability': 'reliable'}
    with ThreadPoolExecutor() as pool:
        playing = pool.submit(play, recording, 'queries', 0.0, out, parameters)
        at_once = 0
        while not playing.done():
            at_once = max(at_once, len(list(node_processes())))
            time.sleep(0.2)
    answers = playing.result()
    assert at_once == 3
    assert list(node_processes()) == []
    queries = read_split(recording).queries
    assert list(answers) == [query.name for query in queries]
    for query in queries:
        answer = answers[query.name]
        assert set(answer.candidates) == {1, 2, 3, 4, 5}
        assert tuple(answer.latency_s) == stages
        assert 0 < sum(answer.latency_s.values()) < 20
        if query.name == FOREIGN:
            assert answer.result in ('few_matches', 'no_consistent_pose', 'uncertain_pose')
            assert answer.map_from_query is None and answer.keyframe_id is None
            assert answer.covariance is None and answer.agreeing_ids == ()
            continue
        assert answer.result == 'accepted'
        assert position_error_m(answer.map_from_query, query.map_from_camera) < 0.02
        assert rotation_error_rad(answer.map_from_query, query.map_from_camera) < np.radians(0.5)
        assert answer.keyframe_id == answer.agreeing_ids[0]
        assert set(answer.agreeing_ids) <= set(answer.candidates)
        assert np.linalg.eigvalsh(answer.covariance).min() > 0

    with KeyframeMap.open(wall_map) as keyframe_map:
        judged = list(outcomes(queries, answers, keyframe_map))
    for each in judged:
        assert each.reason == (answers[FOREIGN].result if each.name == FOREIGN else None)
        assert each.rejected or each.shared_view > 0.4
        assert each.agreeing_ids == answers[each.name].agreeing_ids
    result = summary(judged, 'geometric', None)
    assert (result['queries'], result['rejected'], result['within_5cm_5deg']) == (4, 1, 0.75)


def test_a_relocalizer_that_cannot_start_is_reported_with_its_log(recording, out):
    log = out / 'relocalizer_node.log'
    with pytest.raises(ValueError, match='the relocalizer node failed: see') as caught:
        play(recording, 'queries', 0.0, out, {'map_path': out / 'absent.relmap'})
    assert str(log) in str(caught.value)
    assert 'absent.relmap: no such map file' in log.read_text()
    assert list(node_processes()) == []


def test_a_query_without_an_answer_is_an_error(recording, wall_map):
    queries = read_split(recording).queries
    answers = {queries[0].name: Answer('few_matches', (), {})}
    with KeyframeMap.open(wall_map) as keyframe_map:
        judged = outcomes(queries, answers, keyframe_map)
        first = next(judged)
        assert (first.reason, first.shared_view) == ('few_matches', 0)
        with pytest.raises(ValueError, match='frame-000001: the relocalizer did not answer'):
            next(judged)


def test_shared_files_are_found_in_the_source_tree():
    assert shared_file('fastdds_large_images.xml').is_file()
