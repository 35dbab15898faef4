"""The picture of a result: matches where they are, and every word of the reason."""

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Matches, Reason
from relpose_ros.core.keyframe_map import Keyframe
from relpose_ros.core.localization import Candidate, Localization, Rejection
from relpose_ros.evaluation.match_picture import GAP_PX
from relpose_ros.nodes.debug_image import BAD, BAR_PX, debug_image, GOOD, HEIGHT_PX

CAMERA = Camera(100, 60, 50.0, 50.0, 49.5, 29.5)
BLACK = np.zeros((60, 100, 3), np.uint8)
KEYFRAME = Keyframe(7, 0, np.eye(4), CAMERA, BLACK, None)
CANDIDATES = (Candidate(7, 0.4),)
SHAPE = (BAR_PX + HEIGHT_PX, 2 * 600 + GAP_PX, 3)


def inked_columns(bar: np.ndarray) -> np.ndarray:
    """Return the columns with writing; the first few are the bar's coloured edge."""
    return 6 + np.flatnonzero(bar[:, 6:].max(axis=(0, 2)) > 100)


def test_matches_are_drawn_where_they_are():
    """A line from a pixel of the query to its match in the keyframe beside it."""
    matches = Matches(np.array([[10.0, 30.0]]), np.array([[90.0, 30.0]]))
    result = Localization(
        np.eye(4), np.eye(6), 7, np.eye(4), matches, (7,), 1.0, (), None, CANDIDATES, {}
    )
    picture = debug_image(BLACK, result, KEYFRAME)
    assert picture.shape == SHAPE
    assert tuple(picture[5, 2]) == GOOD
    scale = HEIGHT_PX / 60
    drawn = np.argwhere(np.ptp(picture[BAR_PX : BAR_PX + 300].astype(int), axis=2) > 100)
    assert abs(drawn[:, 1].min() - 10 * scale) <= 6
    assert abs(drawn[:, 1].max() - (600 + GAP_PX + 90 * scale)) <= 6
    assert abs(drawn[:, 0].mean() - 30 * scale) <= 6


def test_rejection_is_written():
    """The reason stands in the picture, with and without a keyframe; no line is drawn."""
    result = Rejection(Reason.FEW_MATCHES, '3 of 15', CANDIDATES, {})
    for keyframe in (KEYFRAME, None):
        picture = debug_image(BLACK, result, keyframe)
        assert picture.shape == SHAPE
        assert tuple(picture[5, 2]) == BAD
        assert len(inked_columns(picture[:BAR_PX]))
        outside_labels = picture[BAR_PX : BAR_PX + 300, :600]
        assert outside_labels.max() == 0


@pytest.mark.parametrize('length', [10, 400])
def test_a_long_reason_stays_inside(length: int):
    """However long the detail is, its end is in the picture."""
    result = Rejection(Reason.SCALE_UNKNOWN, 'no depth ' * (length // 9 + 1), CANDIDATES, {})
    bar = debug_image(BLACK, result, KEYFRAME)[:BAR_PX]
    assert 100 < inked_columns(bar).max() < SHAPE[1] - 5
