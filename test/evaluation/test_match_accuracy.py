"""Matches of the wall, where the truth is a formula; an oracle, a liar and the two matchers."""

from dataclasses import replace

import numpy as np
import pytest
from relpose_ros.core.network_pose import NetworkEstimator, untrained_network
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets.image_pair import ImagePair
from relpose_ros.evaluation.match_accuracy import (
    CellMatches,
    match_errors,
    match_metrics,
    network_matcher,
    sift_matcher,
    true_cells,
)

SIDE_PX = 320  # as the photographs: nothing is resized
SHIFT_CELLS = 280 * 0.29 / 1.5 / 8  # focal length, baseline, distance of the wall, cell


@pytest.fixture(scope='module')
def pair(photograph) -> ImagePair:
    """Return a query 0.29 m to the right of its keyframe, before the wall."""
    images = (
        PosedImage(name, i, view.rgb, view.camera, view.map_from_camera, view.depth_m)
        for i, (name, view) in enumerate((('k', photograph(0.0)), ('q', photograph(0.29))))
    )
    return ImagePair(*images)


def test_the_wall_moves_by_the_same_number_of_cells_everywhere(pair):
    cells, visible = true_cells(pair, pair.keyframe.camera, pair.query.camera)
    rows, columns = np.mgrid[:30, :40]
    np.testing.assert_allclose(cells[..., 0], columns - SHIFT_CELLS, atol=1e-4)
    np.testing.assert_allclose(cells[..., 1], rows, atol=1e-4)
    np.testing.assert_array_equal(visible, columns >= SHIFT_CELLS)


def test_cells_without_depth_or_behind_something_are_not_asked_for(pair):
    holes, before = pair.keyframe.depth_m.copy(), pair.query.depth_m.copy()
    holes[:120] = 0
    before[:, :80] = 1.0  # half a metre before the wall
    before[:, 240:] = 0
    other = ImagePair(replace(pair.keyframe, depth_m=holes), replace(pair.query, depth_m=before))
    cells, visible = true_cells(other, pair.keyframe.camera, pair.query.camera)
    assert visible.any()
    assert not visible[:15].any()
    assert cells[visible][:, 0].min() >= 10 and cells[visible][:, 0].max() < 30


def oracle(off: float):
    """Return a matcher that knows the truth and moves it by some cells; every second is mutual."""

    def match(rgb_1: np.ndarray, rgb_2: np.ndarray) -> CellMatches:
        rows, columns = np.mgrid[:30, :40]
        cells = np.stack((columns - SHIFT_CELLS + off, rows), axis=-1)
        return CellMatches(cells, columns % 2 == 0)

    return match


def test_shares_of_an_oracle_and_of_a_liar(pair):
    right = match_errors(oracle(0.0), pair, SIDE_PX)
    close, wrong = (match_errors(oracle(off), pair, SIDE_PX) for off in (0.9, 1.1))
    assert len(right.cells) == 30 * 33
    metrics = match_metrics([right])
    assert (metrics['pairs'], metrics['visible_cells']) == (1, 990)
    assert metrics['visible_within_half_cell'] == metrics['mutual_within_cell'] == 1
    assert metrics['mutual'] == pytest.approx(16 / 33, abs=1e-3)
    metrics = match_metrics([close])
    assert (metrics['visible_within_cell'], metrics['visible_within_half_cell']) == (1, 0)
    metrics = match_metrics([right, wrong, wrong])
    assert metrics['visible_within_cell'] == 0  # the median pair
    assert metrics['visible_within_cell_of_all'] == pytest.approx(1 / 3, abs=1e-4)
    with pytest.raises(ValueError, match='at least one'):
        match_metrics([])


def test_root_sift_matches_the_wall(pair):
    metrics = match_metrics([match_errors(sift_matcher(), pair, SIDE_PX)])
    assert metrics['visible_within_cell'] > 0.9
    assert metrics['mutual_within_cell'] > 0.95
    elsewhere = match_metrics(
        [match_errors(lambda a, b: sift_matcher()(a, b[::-1].copy()), pair, SIDE_PX)]
    )
    assert elsewhere['visible_within_cell'] < 0.2


def test_the_network_is_judged_on_its_own_grid(pair):
    """The same picture twice: even random features find the cell itself."""
    network = untrained_network()
    match = network_matcher(NetworkEstimator(network, 'untrained'))
    twice = ImagePair(pair.keyframe, pair.keyframe)
    errors = match_errors(match, twice, network.config.longest_side_px)
    side = network.config.longest_side_px
    assert len(errors.cells) == (side // 8) * (side * 3 // 4 // 8)
    chance = match_metrics([match_errors(match, pair, side)])['visible_within_cell']
    assert match_metrics([errors])['visible_within_cell'] > max(0.5, chance)


def test_pairs_without_depth_are_refused(pair):
    with pytest.raises(ValueError, match='q: has no depth, which the truth of matches needs'):
        match_errors(
            sift_matcher(), ImagePair(pair.keyframe, replace(pair.query, depth_m=None)), SIDE_PX
        )
