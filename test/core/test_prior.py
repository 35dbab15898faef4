"""A prior limits the search to a circle seen from above, and the pose too."""

import numpy as np
import pytest
from relpose_ros.core.estimator import Reason
from relpose_ros.core.geometric_pose import GeometricEstimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Localization
from relpose_ros.core.prior import Prior
from relpose_ros.core.relocalizer import Relocalizer


@pytest.fixture(scope='module')
def keyframe_map(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        yield keyframe_map


@pytest.fixture(scope='module')
def relocalizer(keyframe_map):
    return Relocalizer(keyframe_map, GeometricEstimator())


@pytest.mark.parametrize(
    'numbers', [(np.nan, 0, 1), (0, np.inf, 1), (0, 0, np.nan), (0, 0, 0), (0, 0, -1)]
)
def test_numbers_that_are_no_circle(numbers):
    with pytest.raises(ValueError, match='^prior: expected'):
        Prior(*numbers)


def test_height_does_not_count():
    positions_m = np.array([[3.0, 4.0, 0.0], [3.0, 4.0, -70.0], [0.0, 0.0, 9.0]])
    np.testing.assert_allclose(Prior(0, 0, 1).distance_m(positions_m), [5, 5, 0])


@pytest.mark.parametrize(
    ('x_m', 'expected'), [(0.0, {1, 2, 3, 4, 5}), (2.9, {4, 5}), (9.0, set())]
)
def test_only_keyframes_around_are_searched(keyframe_map, photograph, x_m, expected):
    """Keyframes 1 to 5 stand at -1.2 to 1.2 m; those that are found, in the order of all."""
    random = np.random.default_rng(0)
    descriptor = random.normal(size=keyframe_map.vocabulary.dimensions).astype(np.float32)
    everywhere, similarity_everywhere = keyframe_map.nearest(descriptor, 5)
    ids, similarity = keyframe_map.nearest(descriptor, 5, Prior(x_m, 0.0, 0.5))
    assert set(ids.tolist()) == expected
    kept = np.isin(everywhere, ids)
    np.testing.assert_array_equal(ids, everywhere[kept])
    np.testing.assert_allclose(similarity, similarity_everywhere[kept])


def test_a_prior_that_holds_changes_nothing_but_the_candidates(relocalizer, photograph):
    view = photograph(0.95)
    free = relocalizer.localize(view.rgb, view.camera)
    found = relocalizer.localize(view.rgb, view.camera, Prior(2.2, 0.0, 1.3))
    assert isinstance(found, Localization)
    assert [c for c in free.candidates if c.keyframe_id != 1] == list(found.candidates)
    np.testing.assert_allclose(found.map_from_query, free.map_from_query, atol=0.01)


def test_a_pose_outside_is_rejected(relocalizer, photograph):
    view = photograph(0.3)
    result = relocalizer.localize(view.rgb, view.camera, Prior(2.0, 0.0, 1.0))
    assert result.reason is Reason.OUTSIDE_PRIOR
    assert result.detail.startswith(
        '1.7 m from the centre of the prior: 1.0 m around (2.00, 0.00)'
    )


def test_a_prior_away_from_the_map_is_rejected(relocalizer, photograph):
    view = photograph(0.25)
    result = relocalizer.localize(view.rgb, view.camera, Prior(0.0, -50.0, 1.0))
    assert result.reason is Reason.NO_KEYFRAME_NEAR_PRIOR
    assert result.candidates == ()
