"""The page of a map: what is on it, that it needs nothing else, and its coverage by hand."""

import base64
from html.parser import HTMLParser
import json
import re
import shutil
import sqlite3

import cv2
import numpy as np
import pytest
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.evaluation.map_check import Finding, Kind
from relpose_ros.evaluation.map_coverage import coverage
from relpose_ros.evaluation.map_page import map_page, MATRIX_CELLS
from relpose_ros.evaluation.map_survey import survey

FINDINGS = [
    Finding(Kind.BLURRED, 2, 'blur 0.70'),
    Finding(Kind.ALIASED, 4, 'similarity 0.5', 1),
]


@pytest.fixture(scope='module')
def views(wall_map):
    with KeyframeMap.open(wall_map) as keyframe_map:
        return survey(keyframe_map, keyframe_map.ids, thumbnail_width_px=64)


@pytest.fixture(scope='module')
def html(wall_map, views) -> str:
    with KeyframeMap.open(wall_map) as keyframe_map:
        return map_page(keyframe_map, views, FINDINGS)


def data_of(html: str) -> dict:
    return json.loads(re.search(r'const DATA = (.*);\n', html)[1])


class Page(HTMLParser):
    """Collects the elements of a page and sees that they are closed in turn."""

    EMPTY = ('meta', 'img', 'path', 'image')

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements, self._open = [], []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def of_class(self, name):
        return [a for _, a in self.elements if name in (a.get('class') or '').split()]


def test_the_page_needs_nothing_else(html):
    for _, attributes in Page(html).elements:
        for name in ('src', 'href'):
            assert attributes.get(name, 'data:').startswith('data:')
    assert not re.search(r'url\(|@import|fetch\(|XMLHttpRequest', html)


def test_every_keyframe_is_on_it(html, views):
    page, data = Page(html), data_of(html)
    assert [each['id'] for each in data['keyframes']] == [1, 2, 3, 4, 5]
    assert len(page.of_class('keyframe')) == 5
    assert [a['data-row'] for a in page.of_class('suspect')] == ['1', '3']
    thumbnails = [a['src'] for t, a in page.elements if t == 'img' and 'jpeg' in a.get('src', '')]
    for source, view in zip(thumbnails, views, strict=True):
        assert base64.b64decode(source.split(',')[1]) == view.thumbnail
        shown = cv2.imdecode(np.frombuffer(view.thumbnail, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (48, 64, 3)


def test_keyframes_stand_where_they_are(html):
    data = data_of(html)
    places = np.array([each['place'] for each in data['keyframes']])
    assert sorted(data['axes']) == ['x', 'z']  # y is down
    along = data['axes'].index('x')
    steps = np.diff(places[:, along])
    np.testing.assert_allclose(steps, steps[0], atol=0.2)  # 0.6 m each
    assert np.ptp(places[:, 1 - along]) < 0.2


def test_what_is_suspicious_is_named_with_the_command_that_drops_it(html):
    assert 'edit-map wall.relmap NEW.relmap --drop-suspicious blurred' in html
    named = [a['data-of'] for t, a in Page(html).elements if t == 'img' and 'data-of' in a]
    assert named == ['2', '4', '1']
    assert data_of(html)['keyframes'][3]['findings'] == ['aliased: similarity 0.5']


def test_the_most_similar_keyframe_is_a_neighbour(html):
    for row, keyframe in enumerate(data_of(html)['keyframes']):
        best, similarity = keyframe['similar'][0]
        assert abs(best - row) == 1 and 0 < similarity < 1
        assert len(keyframe['similar']) == 4


def test_the_matrix_of_a_large_map_is_thinned_out(tmp_path, views, wall_map):
    """A thousand keyframes: two places alike, 300 keyframes apart, stay to be seen."""
    count = 1000
    random = np.random.default_rng(0)
    with KeyframeMap.open(wall_map) as old:
        vocabulary = old.vocabulary
    path = tmp_path / 'large.relmap'
    vectors = random.normal(size=(count, vocabulary.dimensions))
    vectors[700] = vectors[400]
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    shutil.copy(wall_map, path)
    with sqlite3.connect(path) as connection:  # as many commits take a minute
        connection.execute('DELETE FROM keyframe WHERE id > 1')
        connection.executemany(
            'INSERT INTO keyframe (stamp_ns, map_from_camera, camera, image, descriptor) '
            'SELECT stamp_ns, map_from_camera, camera, image, ? FROM keyframe WHERE id = 1',
            [(vector.astype('<f2').tobytes(),) for vector in vectors],
        )
        connection.execute('DELETE FROM keyframe WHERE id = 1')
    with KeyframeMap.open(path) as large:
        html = map_page(large, [views[0]] * count, [])
    matrix = data_of(html)['matrix']
    starts = matrix['starts']
    assert len(starts) == MATRIX_CELLS
    side = len(starts)
    levels = np.frombuffer(base64.b64decode(matrix['levels']), np.uint8).reshape(side, side)
    a, b = (int(np.searchsorted(starts, row, side='right')) - 1 for row in (400, 700))
    assert levels[a, b] == levels[b, a] == 255
    np.testing.assert_array_equal(levels, levels.T)
    assert len(html) < 8_000_000


def test_coverage_counts_keyframes_sides_and_distance(views):
    seen = coverage(views)
    assert sorted(seen.axes) == [0, 2]
    # The wall's middle, z = 0, x = 0.1: all keyframes within 0.86 m see it, from one side.
    place = np.array([{0: 0.1, 2: 0.0}[axis] for axis in seen.axes])
    column, row = np.floor((place - seen.low) / seen.cell_m).astype(int)
    window = np.s_[row - 1 : row + 2, column - 1 : column + 2]
    assert seen.keyframes[window].max() == 3
    assert 1 <= seen.sectors[window].max() <= 3
    assert np.nanmin(seen.nearest_m[window]) == pytest.approx(1.5, abs=0.05)
    assert np.isnan(seen.nearest_m[seen.keyframes == 0]).all()
    assert (seen.keyframes == 0).mean() > 0.5  # nothing but the wall is seen
