"""A map with every fault there is: each is found where it is, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from relpose_ros.core.geometry import transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.vlad import DenseVlad
from relpose_ros.evaluation.map_check import Kind, suspicious
from relpose_ros.evaluation.map_survey import blur, most_similar, shared_view, survey
from scipy.spatial.transform import Rotation

POSITIONS_M = np.linspace(-1.4, 1.4, 8)
SECOND_NS = 1_000_000_000


@pytest.fixture(scope='module')
def views_of_wall(photograph):
    return [photograph(x_m) for x_m in POSITIONS_M]


@pytest.fixture
def check(tmp_path, wall_map):
    """Return `(views, depth) -> findings` for a map of these views, one a second."""
    with KeyframeMap.open(wall_map) as keyframe_map:
        vocabulary = keyframe_map.vocabulary
    describer = DenseVlad(vocabulary)

    def run(views, depth: bool = True) -> set[tuple[str, int, int | None]]:
        path = tmp_path / 'a.relmap'
        with KeyframeMap.create(path, vocabulary) as keyframe_map:
            for i, view in enumerate(views):
                keyframe_map.add(
                    i * SECOND_NS,
                    view.map_from_camera,
                    view.camera,
                    view.rgb,
                    describer.describe(view.rgb),
                    view.depth_m if depth else None,
                )
            surveyed = survey(keyframe_map, keyframe_map.ids)
            findings = suspicious(surveyed, keyframe_map.descriptors())
        return {(each.kind, each.keyframe_id, each.other_id) for each in findings}

    return run


@pytest.mark.parametrize('depth', [True, False])
def test_nothing_is_wrong_with_a_sound_map(check, views_of_wall, depth):
    assert check(views_of_wall, depth) == set()


def test_poor_images(check, views_of_wall):
    views = list(views_of_wall)
    moved = cv2.blur(views[2].rgb, (15, 1))
    views[2] = replace(views[2], rgb=moved)
    views[4] = replace(views[4], rgb=views[4].rgb // 12)
    views[6] = replace(views[6], rgb=235 + views[6].rgb // 13)
    kinds = {(kind, keyframe_id) for kind, keyframe_id, _ in check(views)}
    assert {(Kind.BLURRED, 3), (Kind.DARK, 5), (Kind.BRIGHT, 7)} <= kinds
    assert {keyframe_id for _, keyframe_id in kinds} == {3, 5, 7}


def test_every_repetition_but_not_what_it_repeats(check, views_of_wall, photograph):
    views = [*views_of_wall, photograph(POSITIONS_M[1] + 0.002), photograph(POSITIONS_M[1])]
    found = {finding for finding in check(views) if finding[0] is Kind.DUPLICATE}
    assert found == {(Kind.DUPLICATE, 9, 2), (Kind.DUPLICATE, 10, 2)}


def test_a_pose_that_jumps_is_told_from_the_step_back(check, views_of_wall):
    views = list(views_of_wall)
    away = transform(np.eye(3), np.array([0.0, 9.0, 0.0])) @ views[4].map_from_camera
    views[4] = replace(views[4], map_from_camera=away)
    jumped = {finding for finding in check(views) if finding[0] is Kind.JUMP}
    assert jumped == {(Kind.JUMP, 5, None)}


def test_a_look_alike_of_another_place(check, views_of_wall):
    elsewhere = transform(Rotation.from_euler('y', 1.0).as_matrix(), np.array([20.0, 0, 0]))
    twin = replace(views_of_wall[3], map_from_camera=elsewhere @ views_of_wall[3].map_from_camera)
    found = {f for f in check([*views_of_wall, twin]) if f[0] is Kind.ALIASED}
    assert found == {(Kind.ALIASED, 4, 9), (Kind.ALIASED, 9, 4)}


def test_a_keyframe_that_nothing_looks_like(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        views = survey(keyframe_map, keyframe_map.ids)
    angle_rad = 0.2 * np.arange(5)  # neighbours are most alike
    alike = np.stack((np.cos(angle_rad), np.sin(angle_rad), np.zeros(5)), axis=1)
    assert suspicious(views, alike) == []
    alike[3] = (0.3, 0.0, 0.954)
    findings = suspicious(views, alike)
    assert [(each.kind, each.keyframe_id) for each in findings] == [(Kind.LONELY, 4)]


@pytest.mark.parametrize('count', [1, 2])
def test_small_maps_are_judged_as_far_as_they_go(check, views_of_wall, count):
    assert check(views_of_wall[:count]) == set()


def test_blur_is_that_of_the_worse_direction(views_of_wall):
    grey = cv2.cvtColor(views_of_wall[0].rgb, cv2.COLOR_RGB2GRAY)
    along_u, along_v = cv2.blur(grey, (15, 1)), cv2.blur(grey, (1, 15))
    assert blur(grey) < 0.5 < 0.7 < min(blur(along_u), blur(along_v))
    assert blur(np.full((30, 40), 7, np.uint8)) == 1


def test_shared_view(tmp_path, wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        views = survey(keyframe_map, keyframe_map.ids)
    # 320 px at 280 px focal length and 1.5 m show 1.71 m of the wall.
    for other, moved_m in ((0, 0.0), (1, 0.6), (2, 1.2), (3, 1.8)):
        expected = max(0.0, 1 - moved_m / (1.5 * 320 / 280))
        assert shared_view(views[0], views[other]) == pytest.approx(expected, abs=0.04)
    wall_before = replace(views[2], depth_m=np.full_like(views[2].depth_m, 0.5))
    assert wall_before.share_seen(views[2].points()) == 0  # hidden behind what it sees


def test_most_similar_equals_sorting():
    descriptors = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    rows, similarities = most_similar(descriptors)
    assert rows.shape == (9, 5)
    for i in range(9):
        products = {j: float(descriptors[i] @ descriptors[j]) for j in range(9) if j != i}
        best = sorted(products, key=products.get, reverse=True)[:5]
        assert rows[i].tolist() == best
        np.testing.assert_allclose(similarities[i], [products[j] for j in best], rtol=1e-5)
    assert most_similar(descriptors[:1])[0].shape == (1, 0)
