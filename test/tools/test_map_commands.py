"""Commands on maps that are there, as users type them."""

import shutil
import sqlite3

import numpy as np
import pytest
from relpose_ros.__main__ import main
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.evaluation.map_check import Kind

# Version 1 of the schema, as it was.
AS_VERSION_1 = """
ALTER TABLE keyframe RENAME TO newer;
CREATE TABLE keyframe (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stamp_ns INTEGER NOT NULL,
    map_from_camera BLOB NOT NULL,
    camera TEXT NOT NULL,
    image BLOB NOT NULL,
    depth BLOB,
    descriptor BLOB NOT NULL
);
INSERT INTO keyframe
    SELECT id, stamp_ns, map_from_camera, camera, image, depth, descriptor FROM newer;
DROP TABLE newer;
UPDATE manifest SET value = '1' WHERE key = 'schema_version';
"""


def run(*arguments) -> int:
    """Run a command in this process; return the exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


def test_edit_map(tmp_path, wall_map, capsys):
    path = tmp_path / 'new.relmap'
    turned = ('--new-from-map', 1, '-2', 0, 0, 0, -0.7071, 0.7071)
    assert run('edit-map', wall_map, path, '--drop', '2,4-5', '--map-frame', 'hall', *turned) == 0
    printed = capsys.readouterr().out
    assert printed == f"{path}: 2 keyframes in frame 'hall'\ndropped: 2, 4, 5\n"
    with KeyframeMap.open(path) as new, KeyframeMap.open(wall_map) as old:
        assert new.ids == [1, 3]
        x, y, z = old.pose(3)[:3, 3]
        np.testing.assert_allclose(new.pose(3)[:3, 3], (1 + y, -2 - x, z), atol=1e-3)


def test_a_map_of_the_first_version_is_read_written_and_brought_up_to_date(tmp_path, wall_map):
    old_path, new_path = tmp_path / 'old.relmap', tmp_path / 'new.relmap'
    shutil.copy(wall_map, old_path)
    with sqlite3.connect(old_path) as connection:
        connection.executescript(AS_VERSION_1)
    with KeyframeMap.edit(old_path) as old:
        old.remove(2)
    assert run('edit-map', old_path, new_path) == 0
    with (
        KeyframeMap.open(wall_map) as first,
        KeyframeMap.open(old_path) as old,
        KeyframeMap.open(new_path) as new,
    ):
        assert (old.schema_version, new.schema_version) == (1, first.schema_version)
        assert old.ids == new.ids == [1, 3, 4, 5]
        for i in new.ids:
            assert new.jpeg(i) == old.jpeg(i) == first.jpeg(i)
            np.testing.assert_array_equal(new.keyframe(i).depth_m, first.keyframe(i).depth_m)
            np.testing.assert_array_equal(new.pose(i), first.pose(i))
        np.testing.assert_array_equal(new.descriptors(), old.descriptors())


def test_merge_maps(tmp_path, wall_map, capsys):
    path = tmp_path / 'both.relmap'
    assert run('merge-maps', path, wall_map, wall_map) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        f"{path}: 10 keyframes in frame 'map'",
        f'ids of {wall_map}: 5 is added to each',
    ]


def test_merged_maps_that_are_described_anew_are_whitened_together(tmp_path, wall_map):
    path = tmp_path / 'both.relmap'
    assert run('merge-maps', path, wall_map, wall_map, '--describe-anew') == 0
    with KeyframeMap.open(path) as both, KeyframeMap.open(wall_map) as old:
        assert both.vocabulary.identity != old.vocabulary.identity
        assert both.vocabulary.projection is not None
        assert len(both) == 10


def test_inspect_map_writes_a_page_and_edit_map_drops_what_it_names(tmp_path, wall_map, capsys):
    doubled, page, cleaned = (tmp_path / name for name in ('a.relmap', 'a.html', 'b.relmap'))
    assert run('merge-maps', doubled, wall_map, wall_map) == 0
    assert run('inspect-map', doubled, '--html', page) == 0
    printed = capsys.readouterr().out
    assert 'duplicate    5: an earlier keyframe shows the same' in printed
    assert printed.endswith(f'{page}\n')
    assert '--drop-suspicious duplicate' in page.read_text()
    assert run('edit-map', doubled, cleaned, '--drop-suspicious', 'duplicate,dark') == 0
    assert capsys.readouterr().out.endswith('dropped: 6, 7, 8, 9, 10\n')
    assert KeyframeMap.open(cleaned).ids == [1, 2, 3, 4, 5]


def test_help_of_inspect_map_names_every_kind(capsys):
    assert run('inspect-map', '--help') == 0
    text = capsys.readouterr().out
    for kind in Kind:
        assert f'  {kind.label:<10} {kind.meaning}\n' in text


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ((), 'nothing to change'),
        (('--drop', '3,x'), "'x' is no id or range"),
        (('--drop', '3-'), "'3-' is no id or range"),
        (('--drop-suspicious', 'blurred,ugly'), "'ugly' is not suspicious"),
        (('--drop', '77'), 'has no keyframe 77'),
        (('--new-from-map', 0, 0, 0, 0, 0, 0, 3), 'no position and unit quaternion'),
        (('--new-from-map', 0, 0, 0, 0, 0, 'a', 1), 'no position and unit quaternion'),
    ],
)
def test_edit_map_says_in_one_line_what_is_wrong(tmp_path, wall_map, options, words, capsys):
    assert run('edit-map', wall_map, tmp_path / 'new.relmap', *options) in (1, 2)
    printed = capsys.readouterr()
    assert words in printed.err and printed.err.count('\n') == 1
    assert printed.out == '' and not any(tmp_path.iterdir())


@pytest.mark.parametrize('layout', ['colmap', 'tum'])
def test_export_map(tmp_path, wall_map, layout, capsys):
    assert run('export-map', wall_map, tmp_path / 'a', '--format', layout) == 0
    assert capsys.readouterr().out == f'{tmp_path / "a"}: 5 keyframes\n'
    expected = 'rgb' if layout == 'tum' else 'images'
    assert len(list((tmp_path / 'a' / expected).glob('*.jpg'))) == 5
    assert run('export-map', wall_map, tmp_path / 'a', '--format', layout) == 1
    assert 'exists already' in capsys.readouterr().err


def test_edit_map_finds_depth(tmp_path, wall_map, capsys):
    colour, path = tmp_path / 'colour.relmap', tmp_path / 'deeper.relmap'
    shutil.copy(wall_map, colour)
    with sqlite3.connect(colour) as connection:
        connection.execute('UPDATE keyframe SET depth = NULL')
    assert run('edit-map', colour, path, '--triangulate') == 0
    assert capsys.readouterr().out == f"{path}: 5 keyframes in frame 'map'\n"
    with KeyframeMap.open(path) as new, KeyframeMap.open(colour) as old:
        assert (new.depth_count, old.depth_count) == (5, 0)
