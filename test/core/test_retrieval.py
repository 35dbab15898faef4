"""Which keyframes an image is matched with, and in which order."""

import numpy as np
import pytest
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.likeness import cell_likeness, parts_of
from relpose_ros.core.localization import Candidate
from relpose_ros.core.retrieval import Retrieval
import torch


@pytest.fixture(scope='module')
def network():
    """Return the network as the package ships it."""
    return load_estimator('network')


def test_the_more_a_keyframe_shows_of_the_query_the_likelier(network, photograph):
    def features(view):
        return network.features(view.rgb, view.camera, None)

    there = [photograph(x_m) for x_m in (0.1, 0.4, 0.7, 1.0)] + [photograph(0.1, seed=1)]
    likeness = network.likeness(features(photograph(0.0)), [features(view) for view in there])
    assert (np.diff(likeness[:4]) < 0).all()
    assert likeness[4] < likeness[3]  # of another wall


def test_keyframes_of_several_sizes_at_once(network, photograph):
    view = photograph(0.0)
    tall = view.camera.resized(view.camera.height, view.camera.width)
    turned = np.rot90(view.rgb).copy()
    pictures = [(view.rgb, view.camera), (turned, tall), (photograph(0.6).rgb, view.camera)]
    keyframes = [network.features(*picture, None) for picture in pictures]
    together = network.likeness(keyframes[0], keyframes)
    alone = [network.likeness(keyframes[0], [keyframe])[0] for keyframe in keyframes]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert together.argmax() == 0


@pytest.mark.parametrize('shape', [(3, 5), (1, 7), (1, 1)])
def test_grids_that_do_not_halve(shape):
    torch.manual_seed(0)
    cells = torch.randn(2, 16, *shape)
    found = cell_likeness(cells[:1], parts_of(cells))
    assert found.isfinite().all()
    assert found[0] >= found[1]


def ordered(wall_map, estimator, view):
    """Return the ids of all keyframes, given from the farthest to the nearest."""
    with KeyframeMap.open(wall_map) as keyframe_map:
        retrieval = Retrieval(keyframe_map, estimator)
        farthest = [Candidate(i, 0.0) for i in (1, 2, 5, 3, 4)]
        query = estimator.features(view.rgb, view.camera, None)
        return [candidate.keyframe_id for candidate in retrieval.likeliest_first(query, farthest)]


def test_the_likeliest_first_where_the_estimator_can_tell(wall_map, network, photograph):
    view = photograph(0.4)  # keyframes are at -1.2, -0.6 .. 1.2
    assert ordered(wall_map, network, view)[:3] == [4, 3, 5]
    assert ordered(wall_map, load_estimator('geometric'), view) == [1, 2, 5, 3, 4]


def test_features_are_kept(wall_map, photograph):
    estimator = load_estimator('geometric')
    with KeyframeMap.open(wall_map) as keyframe_map:
        retrieval = Retrieval(keyframe_map, estimator, cached_keyframes=2)
        first = retrieval.features(1)
        assert retrieval.features(1) is first
        retrieval.features(2), retrieval.features(3)
        assert retrieval.features(1) is not first
