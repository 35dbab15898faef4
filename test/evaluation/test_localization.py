"""Queries of the wall, whose poses are known, through the method and against the truth."""

import numpy as np
import pytest
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.geometry import inverse, transform_points
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.relocalizer import Relocalizer
from relpose_ros.evaluation.localization import (
    evaluate,
    first_shared_view,
    match_picture,
    outcome,
)
from relpose_ros.evaluation.metrics import summary


@pytest.fixture(scope='module')
def keyframe_map(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        yield keyframe_map


@pytest.fixture(scope='module')
def relocalizer(keyframe_map):
    return Relocalizer(keyframe_map, load_estimator('geometric'))


@pytest.fixture
def query(photograph):
    """Return `(name, x_m, ..., with_depth) -> PosedImage`."""

    def take(name: str, *place: float, with_depth: bool = True, seed: int = 0) -> PosedImage:
        view = photograph(*place, seed=seed)
        depth_m = view.depth_m if with_depth else None
        return PosedImage(name, 1, view.rgb, view.camera, view.map_from_camera, depth_m)

    return take


def test_an_evaluation_from_images_to_figures(relocalizer, keyframe_map, query):
    queries = [
        query('left', -0.9, 0.1, 5.0),
        query('right', 0.7, -0.1, -6.0),
        query('elsewhere', 0.1, seed=1),
        query('without depth', 0.3, with_depth=False),
    ]
    outcomes = list(evaluate(relocalizer, keyframe_map, iter(queries)))
    assert [each.name for each in outcomes] == [each.name for each in queries]
    assert [each.reason is None for each in outcomes] == [True, True, False, True]
    assert outcomes[2].reason in ('few_matches', 'no_consistent_pose', 'uncertain_pose')
    for each, image in zip(outcomes, queries, strict=True):
        np.testing.assert_array_equal(each.map_from_query, image.map_from_camera)
        assert each.latency_ms > 0
        if not each.rejected:
            assert each.position_error_m < 0.02
            assert each.rotation_error_deg < 0.5
            assert each.direction_error_deg < 5
            pose = keyframe_map.pose(each.keyframe_id)
            np.testing.assert_array_equal(each.map_from_keyframe, pose)
    assert min(outcomes[0].shared_view, outcomes[1].shared_view) > 0.5
    assert outcomes[3].shared_view is None
    result = summary(outcomes, 'geometric', None)
    assert (result['queries'], result['rejected'], result['within_5cm_5deg']) == (4, 1, 0.75)


def test_shared_view_is_that_of_the_first_keyframe(keyframe_map, query):
    """The camera is 0.3 m from keyframe 3; its picture is 1.71 m wide at 1.5 m from the wall."""
    image = query('a', 0.3)
    width_m = 1.5 * 320 / 280
    near = first_shared_view(image, [3, 1], keyframe_map)
    assert near == pytest.approx(1 - 0.3 / width_m, abs=0.02)
    assert first_shared_view(image, [1, 3], keyframe_map) == pytest.approx(
        max(0, 1 - 1.5 / width_m), abs=0.02
    )
    assert first_shared_view(image, [], keyframe_map) == 0


def test_a_false_answer_is_measured(relocalizer, keyframe_map, query, photograph):
    """The picture was taken at 0.3 m; the truth is said to be elsewhere."""
    view, claimed = photograph(0.3), photograph(0.3, 0.4)
    image = PosedImage('a', 1, view.rgb, view.camera, claimed.map_from_camera)
    judged = outcome(image, relocalizer.localize(view.rgb, view.camera), keyframe_map)
    assert judged.position_error_m == pytest.approx(0.4, abs=0.02)
    assert not judged.within(0.25, 5)


def test_matches_in_a_picture_join_the_same_spots_of_the_wall(relocalizer, keyframe_map, query):
    image = query('a', 0.25, 0.1, 8.0)
    result = relocalizer.localize(image.rgb, image.camera)
    assert isinstance(result, Localization)
    picture = match_picture(image, result, keyframe_map)
    similarity = {each.keyframe_id: each.similarity for each in result.candidates}
    assert picture.title.startswith(
        f'a, keyframe {result.keyframe_id}, similarity {similarity[result.keyframe_id]:.2f}: '
        f'{len(picture.pixels_query)} matches, '
    )
    keyframe = keyframe_map.keyframe(result.keyframe_id)
    np.testing.assert_array_equal(picture.query, image.rgb)
    np.testing.assert_array_equal(picture.keyframe, keyframe.rgb)
    u, v = np.rint(picture.pixels_query).astype(int).T
    points = image.camera.rays(picture.pixels_query) * image.depth_m[v, u, None]
    keyframe_from_query = inverse(keyframe.map_from_camera) @ image.map_from_camera
    expected = keyframe.camera.project(transform_points(keyframe_from_query, points))
    assert len(expected) > 30
    off_px = np.linalg.norm(expected - picture.pixels_keyframe, axis=1)
    assert np.median(off_px) < 1.5


def test_a_rejected_query_is_shown_beside_the_most_similar_keyframe(
    relocalizer, keyframe_map, query
):
    image = query('elsewhere', 0.1, seed=1)
    result = relocalizer.localize(image.rgb, image.camera)
    assert isinstance(result, Rejection)
    picture = match_picture(image, result, keyframe_map)
    first = result.candidates[0]
    assert picture.title == (
        f'elsewhere, keyframe {first.keyframe_id}, similarity {first.similarity:.2f}: '
        f'rejected, {result.reason.value}'
    )
    assert len(picture.pixels_query) == len(picture.pixels_keyframe) == 0
    np.testing.assert_array_equal(picture.keyframe, keyframe_map.keyframe(first.keyframe_id).rgb)
