"""The rendered apartment: its folder, its poses and that the same seed makes the same."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from relpose_ros.core.geometry import checked_transform
from relpose_ros.learning import apartment
from relpose_ros.learning.apartment_rooms import build_apartment
from relpose_ros.learning.textures import make_textures, MAKERS, Textures
from relpose_ros.learning.worlds import World
import yaml

CLEARANCE_M = 0.12
SIZE = (80, 60)


@pytest.fixture(scope='module')
def textures() -> Textures:
    return make_textures(0)


@pytest.fixture(scope='module')
def runs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        'seq-01': apartment.keyframe_path(apartment.KEYFRAMES, rng),
        'seq-02': apartment.query_path(apartment.REPLAY, rng),
    }


@pytest.fixture
def small(tmp_path: Path, runs: dict, textures: Textures) -> Path:
    world, camera = build_apartment(textures, 0), apartment.camera_of(SIZE)
    few = {'seq-01': runs['seq-01'][::24], 'seq-02': runs['seq-02'][::40]}
    apartment.write_runs(tmp_path / 'flat', world, few, camera, 0, progress=False)
    return tmp_path / 'flat'


def test_folder_is_complete_and_readable(small: Path) -> None:
    split = yaml.safe_load((small / 'split.yaml').read_text())
    assert split['layout'] == '7scenes'
    assert split['camera']['focal_px'] == pytest.approx(80 * 525 / 640)
    assert split['camera']['principal_point_px'] == [39.5, 29.5]
    assert split['queries'] == {'sequence': 'seq-02', 'start': 0, 'stop': 2, 'step': 2}
    for run, count in (('seq-01', 3), ('seq-02', 2)):
        assert len(list((small / run).iterdir())) == 3 * count
        for frame in range(count):
            stem = small / run / f'frame-{frame:06d}'
            rgb = cv2.imread(f'{stem}.color.jpg')
            depth = cv2.imread(f'{stem}.depth.png', cv2.IMREAD_UNCHANGED)
            assert rgb.shape == (60, 80, 3) and 40 < rgb.mean() < 215 and rgb.std() > 15
            assert depth.dtype == np.uint16 and depth.shape == (60, 80)
            assert 500 < np.median(depth) < 6000 and (depth > 0).mean() > 0.7
            checked_transform('pose', np.loadtxt(f'{stem}.pose.txt'))
    assert not small.with_name('flat.partial').exists()


def test_existing_folder_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match='exists already'):
        apartment.write_apartment(tmp_path)


def gap_m(world: World, position: np.ndarray) -> float:
    """Return a lower bound of the distance from a point to the nearest primitive's box."""
    gaps = []
    for primitive in world.primitives:
        half = np.linalg.norm(primitive.half_axes, axis=1)
        local = (primitive.half_axes / half[:, None]) @ (position - primitive.centre)
        gaps.append(np.linalg.norm(np.maximum(np.abs(local) - half, 0)))
    return min(gaps)


def test_cameras_move_in_free_space(textures: Textures, runs: dict) -> None:
    world = build_apartment(textures, 0)
    for poses in runs.values():
        for pose in poses:
            checked_transform('world_from_camera', pose)
            assert gap_m(world, pose[:3, 3]) > CLEARANCE_M, pose[:3, 3]


def test_a_seed_makes_one_world(textures: Textures) -> None:
    first, again, other = (build_apartment(textures, seed) for seed in (3, 3, 4))
    assert len(first.primitives) == len(again.primitives)
    for a, b in zip(first.primitives, again.primitives, strict=True):
        assert a.shape == b.shape and a.material == b.material
        assert np.array_equal(a.half_axes, b.half_axes) and np.array_equal(a.centre, b.centre)
    assert [p.material for p in first.primitives] != [p.material for p in other.primitives]


def test_textures_repeat_by_seed_and_have_levels(textures: Textures) -> None:
    number = list(MAKERS).index('poster')
    first = textures.images[textures.kinds['poster'][0]]
    again = MAKERS['poster'][0](np.random.default_rng((0, number, 0)))
    assert np.array_equal(first, np.clip(again, 0, 255).astype(np.uint8))
    assert not np.array_equal(first, textures.images[textures.kinds['poster'][1]])
    levels = textures.pyramid()
    side = textures.images.shape[1]
    assert levels.shape == (len(textures.images) * (4 * side * side - 1) // 3, 3)
    mean = textures.images[0].mean((0, 1))
    np.testing.assert_allclose(levels[-len(textures.images)], mean, atol=3)
