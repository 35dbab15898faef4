"""The page holds all in itself; the pictures show what they say."""

import base64
from pathlib import Path
import re

import cv2
from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
import pytest
from relpose_ros.core.estimator import Matches, Reason
from relpose_ros.core.geometry import transform
from relpose_ros.core.localization import Candidate, Localization, Rejection
from relpose_ros.evaluation import plots
from relpose_ros.evaluation.map_plots import plane_from_above, plot_map, plot_result
from relpose_ros.evaluation.match_picture import draw_matches, GAP_PX, MatchPicture
from relpose_ros.evaluation.metrics import Outcome, summary
from relpose_ros.evaluation.report import write_report
from scipy.spatial.transform import Rotation

# A camera that looks along the map's x axis, upright where z is up.
LOOK_ALONG_X = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)
LOOK_FROM_ASIDE = transform(LOOK_ALONG_X, (-1.5, 0, 1.2))


def outcomes(count: int = 8, latency: bool = True) -> list[Outcome]:
    """Build a walk along y; the last query is rejected."""
    found = []
    for i in range(count):
        true = transform(LOOK_ALONG_X, (0.0, 0.2 * i, 1.2))
        estimated = transform(LOOK_ALONG_X, (0.01 * i, 0.2 * i + 0.02, 1.2))
        latency_s = {'describe': 0.1, 'match': 0.05} if latency else {}
        fields = {
            'estimated_map_from_query': estimated,
            'keyframe_id': i,
            'map_from_keyframe': transform(LOOK_ALONG_X, (-0.5, 0.2 * i, 1.2)),
            'covariance': np.diag([1e-6, 4e-6, 1e-6, 1e-8, 1e-8, 1e-8]),
            'agreeing_ids': (i,),
        }
        if i == count - 1:
            fields = {'reason': 'few_matches'}
        found.append(Outcome(f'frame-{i}', true, latency_s=latency_s, **fields))
    return found


def keyframes_of(all_outcomes: list[Outcome]) -> dict[int, np.ndarray]:
    return {o.keyframe_id: o.map_from_keyframe for o in all_outcomes if not o.rejected}


def found(agreeing: tuple[int, ...] = (3, 5)) -> Localization:
    """Return a pose beside keyframe 3."""
    map_from_query = transform(LOOK_ALONG_X, (0, 0.6, 1.2))
    candidates = (Candidate(5, 0.5), Candidate(3, 0.2))
    none = Matches(np.zeros((0, 2)), np.zeros((0, 2)))
    covariance = np.diag([1e-4, 4e-4, 1e-4, 1e-6, 1e-6, 1e-6])
    return Localization(
        map_from_query, covariance, 3, np.eye(4), none, agreeing, 1.0, (), None, candidates, {}
    )


def picture(title: str = 'a & b') -> MatchPicture:
    query, keyframe = (np.full((48, 64, 3), value, np.uint8) for value in (90, 160))
    pixels = np.array([[10.0, 10.0], [40.0, 30.0]])
    return MatchPicture(title, query, keyframe, pixels, pixels + 2)


@pytest.mark.parametrize(('matches', 'latency'), [([], False), ([picture()] * 5, True)])
def test_page_and_picture(tmp_path: Path, matches: list, latency: bool) -> None:
    all_outcomes = outcomes(latency=latency)
    keyframes = keyframes_of(all_outcomes)
    result = summary(all_outcomes, 'geometric', None)
    folder = tmp_path / 'out' / 'demo'
    results = [found()] * len(matches)
    page, overview = write_report(
        folder, all_outcomes, result, keyframes, matches, results, 'Flat <1>'
    )
    assert min(cv2.imread(str(overview)).shape[:2]) > 500

    text = page.read_text()
    assert 'Flat &lt;1&gt;' in text and 'few_matches' in text and 'frame-7' in text
    assert ('Latency' in text) == latency
    assert text.count('a &amp; b') == len(matches)
    sources = re.findall(r'src="([^"]+)"', text)
    assert len(sources) == 2 + latency + 2 * len(matches)
    for source in sources:
        kind, data = re.fullmatch(r'data:image/(\w+);base64,(.+)', source).groups()
        buffer = np.frombuffer(base64.b64decode(data), np.uint8)
        assert cv2.imdecode(buffer, cv2.IMREAD_COLOR) is not None, kind
    assert 'http' not in text


def test_everything_rejected(tmp_path: Path) -> None:
    lost = [Outcome(str(i), np.eye(4), reason='scale_unknown') for i in range(3)]
    page, _ = write_report(tmp_path, lost, summary(lost, 'network', 'abc'), {1: np.eye(4)})
    assert 'scale_unknown' in page.read_text()


@pytest.mark.parametrize(
    ('up', 'plane'),
    [
        ((0, 0, 1), [0, 1]),
        ((0, -1, 0), [0, 2]),
        ((1, 0, 0), [1, 2]),
        ((0, 0, -1), [1, 0]),
    ],
)
def test_the_map_is_seen_from_above_and_not_mirrored(up: tuple, plane: list[int]) -> None:
    turn = Rotation.align_vectors([up], [(0, 0, 1)])[0]
    walk = [turn * Rotation.from_euler('z', yaw_rad) for yaw_rad in range(6)]
    cameras = [transform(step.as_matrix() @ LOOK_ALONG_X, (1, 2, 3)) for step in walk]
    assert plane_from_above(np.array(cameras)) == plane


def test_a_wild_estimate_does_not_shrink_the_map() -> None:
    all_outcomes = outcomes()
    wild = Outcome('wild', np.eye(4), transform(np.eye(3), (900, 0, 0)), None, 1, np.eye(4))
    axes = Figure().subplots()
    plot_map(axes, [*all_outcomes, wild], keyframes_of(all_outcomes))
    axes.figure.canvas.draw()
    assert np.ptp(axes.get_xlim()) < 10


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_map_says_what_is_in_it() -> None:
    """Keyframes that a pose was found from, the path with its gap, enlarged ellipses."""
    all_outcomes = outcomes()
    all_outcomes.insert(4, Outcome('lost', np.eye(4), reason='few_matches'))
    axes = Figure().subplots()
    plot_map(axes, all_outcomes, {**keyframes_of(all_outcomes), 99: LOOK_FROM_ASIDE})
    assert '8 keyframes' in texts(axes)
    assert '7 of them agreed on a pose' in texts(axes)
    assert '2 rejected' in texts(axes)
    path = next(line for line in axes.lines if line.get_label() == 'path')
    gaps = np.isnan(path.get_xdata())
    assert np.flatnonzero(gaps).tolist() == [4, 8]
    assert len(axes.patches) == 7
    enlarged = int(re.search(r'(\d+) times', ' '.join(texts(axes)))[1])
    ellipse = axes.patches[0]
    assert sorted((ellipse.width, ellipse.height)) == pytest.approx(
        [2 * 3 * 0.001 * enlarged, 2 * 3 * 0.002 * enlarged]
    )
    # The longer axis lies along the map's y, which is up in the picture.
    width_m, height_m = np.ptp(ellipse.get_corners(), axis=0)
    assert height_m == pytest.approx(2 * width_m)


def test_a_result_is_shown_with_what_it_was_found_from() -> None:
    """Lines from the keyframes that agree; none of it for a rejection."""
    keyframes = keyframes_of(outcomes())
    axes = Figure().subplots()
    plot_result(axes, found(), keyframes, 'one')
    assert {'keyframes', '2 agree', 'query'} <= set(texts(axes))
    assert len(axes.patches) == 1
    axes = Figure().subplots()
    rejection = Rejection(Reason.FEW_MATCHES, '3 of 15', found().candidates, {})
    plot_result(axes, rejection, keyframes, 'none')
    assert texts(axes) == ['keyframes']
    assert not axes.patches


def test_error_curve_ends_at_the_share_that_was_answered() -> None:
    position, rotation = Figure().subplots(1, 2)
    plots.plot_error_curves(position, rotation, outcomes(8))
    for axes in (position, rotation):
        assert axes.lines[0].get_ydata()[-1] == pytest.approx(100 * 7 / 8)


def test_matches_are_drawn_where_they_are() -> None:
    canvas = draw_matches(picture(), height_px=48)
    assert canvas.shape == (48, 64 + GAP_PX + 64, 3)
    expected = [(10, 10), (40, 30), (64 + GAP_PX + 12, 12), (64 + GAP_PX + 42, 32)]
    for u, v in expected:
        assert np.ptp(canvas[v, u].astype(int)) > 50
    np.testing.assert_array_equal(canvas[45, 5], 90)
    np.testing.assert_array_equal(canvas[2, -5], 160)


def test_a_pair_without_matches() -> None:
    none = np.empty((0, 2))
    query, keyframe = np.zeros((48, 64, 3), np.uint8), np.zeros((30, 40, 3), np.uint8)
    assert draw_matches(MatchPicture('', query, keyframe, none, none), 60).shape[0] == 60
