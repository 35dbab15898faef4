"""Pairs of photographs of the wall: who is judged against whom."""

from dataclasses import replace

import numpy as np
import pytest
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.evaluation.pair_choice import closest_pairs, nearest_pairs, trajectory_pairs


@pytest.fixture
def images(photograph) -> list[PosedImage]:
    """Return a camera that moves 0.25 m to the right eleven times; it sees 1.71 m of the wall."""
    views = [photograph(0.25 * i - 1.5) for i in range(12)]
    return [
        PosedImage(str(i), i, view.rgb, view.camera, view.map_from_camera, view.depth_m)
        for i, view in enumerate(views)
    ]


def gaps(pairs) -> list[int]:
    return [int(pair.query.name) - int(pair.keyframe.name) for pair in pairs]


def test_with_depth_images_that_share_their_view(images):
    pairs = trajectory_pairs(images)
    assert [pair.query.name for pair in pairs] == [image.name for image in images]
    # Four steps are 1 m: 1 - 1 / 1.71 of the view is shared; five are too many.
    assert {abs(gap) for gap in gaps(pairs)} <= {1, 2, 3, 4}
    assert min(gaps(pairs)) < 0 < max(gaps(pairs))
    assert gaps(pairs) == gaps(trajectory_pairs(images)) != gaps(trajectory_pairs(images, seed=1))


def test_a_least_distance_in_images(images):
    pairs = trajectory_pairs(images, min_frames=3)
    assert {abs(gap) for gap in gaps(pairs)} <= {3, 4}
    with pytest.raises(ValueError, match='12 images make no pair at least 6 images apart'):
        trajectory_pairs(images, min_frames=6)


def test_a_keyframe_that_looks_elsewhere_is_not_taken(images, photograph):
    away = photograph(0.0, 0.0, 80.0)
    images[5] = replace(images[5], map_from_camera=away.map_from_camera, depth_m=away.depth_m)
    pairs = trajectory_pairs(images)
    assert '5' not in {image.name for pair in pairs for image in (pair.keyframe, pair.query)}
    assert len(pairs) == 11


def test_without_depth_neighbours_on_both_sides(images):
    plain = [replace(image, depth_m=None) for image in images]
    pairs = trajectory_pairs(plain, min_frames=2)
    assert {abs(gap) for gap in gaps(pairs)} <= {2, 3, 4}
    assert min(gaps(pairs)) < 0 < max(gaps(pairs))
    assert len(pairs) == 12


def test_parts_of_a_list_are_read_alike(images):
    pairs = trajectory_pairs(images)
    assert gaps(pairs[3:6]) == gaps(pairs)[3:6]


def test_the_nearest_keyframe_of_a_map(wall_map, photograph):
    queries = []
    for i, x_m in enumerate((0.55, -1.15)):
        view = photograph(x_m)
        queries.append(PosedImage(str(i), i, view.rgb, view.camera, view.map_from_camera))
    with KeyframeMap.open(wall_map) as keyframe_map:
        pairs = nearest_pairs(keyframe_map, queries, load_estimator('geometric'))
        for pair, query, x_m in zip(pairs, queries, (0.6, -1.2), strict=True):
            assert pair.query is query
            assert pair.keyframe.map_from_camera[0, 3] == pytest.approx(x_m)
            assert pair.keyframe.depth_m is not None
            expected = query.map_from_camera[:3, 3] - pair.keyframe.map_from_camera[:3, 3]
            np.testing.assert_allclose(pair.keyframe_from_query[:3, 3], expected, atol=1e-6)


def test_the_closest_keyframe(images):
    pairs = closest_pairs(images[::4], [images[1], images[7], images[11]])
    assert [pair.keyframe.name for pair in pairs] == ['0', '8', '8']
    with pytest.raises(ValueError, match='at least one'):
        closest_pairs([], images)
