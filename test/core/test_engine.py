"""The engine: its parts are replaced as one, and a device that fails is left for the CPU."""

from dataclasses import replace
from functools import partial
from pathlib import Path
import shutil

import pytest
from relpose_ros.core.engine import DeviceError, Engine, open_map
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.keyframe_map import KeyframeMap, MapError
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.relocalizer import RelocalizerConfig

GEOMETRIC = partial(load_estimator, 'geometric', '')
# A device that torch knows and that cannot compute: it fails at work, like a GPU that is lost.
FAILING = 'meta'


@pytest.fixture
def keyframe_map(wall_map: Path):
    with open_map(str(wall_map)) as keyframe_map:
        yield keyframe_map


def test_identity(keyframe_map, wall_map):
    identity = Engine(keyframe_map, GEOMETRIC, 'cpu', RelocalizerConfig()).identity
    assert identity == {
        'map': f'{wall_map} (5 keyframes)',
        'descriptor': keyframe_map.vocabulary.identity,
        'estimator': 'geometric',
        'device': 'cpu',
    }


def test_another_setting_keeps_the_estimator(keyframe_map, photograph):
    view = photograph(0.3)
    engine = Engine(keyframe_map, GEOMETRIC, 'cpu', RelocalizerConfig())
    strict = replace(engine, config=RelocalizerConfig(max_sigma_m=0.0))
    assert strict.estimator is engine.estimator
    assert isinstance(strict.localize(view.rgb, view.camera), Rejection)
    assert isinstance(engine.localize(view.rgb, view.camera), Localization)


@pytest.mark.parametrize('estimator', ['geometric', 'network'])
def test_a_device_that_fails_is_left_for_the_cpu(keyframe_map, photograph, estimator: str):
    view = photograph(0.3)
    load = partial(load_estimator, estimator, '')
    engine = Engine(keyframe_map, load, FAILING, RelocalizerConfig())
    with pytest.raises(DeviceError, match="^device 'meta' fails: ") as failure:
        engine.localize(view.rgb, view.camera)
    assert '\n' not in str(failure.value)
    rescued = engine.on_cpu(failure.value)
    assert rescued.identity['device'] == 'cpu'
    assert rescued.identity['device_fault'] == str(failure.value)
    assert rescued.localize(view.rgb, view.camera).candidates
    # Another map or setting does not try the device again.
    assert replace(rescued, config=RelocalizerConfig(batch=1)).identity['device'] == 'cpu'


def test_an_error_that_is_not_the_devices_is_raised_as_it_is(keyframe_map, photograph):
    view = photograph(0.3)

    def from_another_device(device: str):
        return load_estimator('geometric', '', FAILING)

    engine = Engine(keyframe_map, from_another_device, 'cpu', RelocalizerConfig())
    with pytest.raises(RuntimeError):
        engine.localize(view.rgb, view.camera)


def test_open_map(tmp_path: Path, wall_map: Path):
    with pytest.raises(ValueError, match="^map_path: expected a map file, got ''"):
        open_map('')
    empty = tmp_path / 'empty.relmap'
    with KeyframeMap.open(wall_map) as wall:
        KeyframeMap.create(empty, wall.vocabulary).close()
    with pytest.raises(MapError, match='has no keyframes'):
        open_map(str(empty))


def test_open_map_with_a_damaged_descriptor(tmp_path: Path, wall_map: Path):
    path = Path(shutil.copy(wall_map, tmp_path))
    with KeyframeMap.edit(path) as edited:
        edited._write("UPDATE keyframe SET descriptor = x'00' WHERE id = ?", (2,))
    with pytest.raises(MapError, match='descriptor of keyframe 2'):
        open_map(str(path))
