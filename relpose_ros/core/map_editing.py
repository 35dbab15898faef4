"""New maps from maps that are there: keyframes left out, moved to another frame, put together."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
import os
from pathlib import Path
import sqlite3
from tempfile import TemporaryDirectory

import numpy as np
from relpose_ros.core.geometry import checked_transform
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_builder import UNFINISHED
from relpose_ros.core.map_file import connect, decoded_pose, MapError

_COLUMNS = 'id, map_from_camera, stamp_ns, camera, image, depth, descriptor'
_INSERT = f'INSERT INTO keyframe ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)'


def edit_map(
    path: Path,
    source: Path,
    drop: frozenset[int] = frozenset(),
    map_frame: str | None = None,
    new_from_map: np.ndarray | None = None,
    change: Callable[[Path], None] | None = None,
    overwrite: bool = False,
) -> None:
    """
    Write a map without some keyframes, in another frame, or just in the newest schema; ids stay.

    :param path: the new map.
    :param source: the map that is there.
    :param drop: ids of keyframes that are left out.
    :param map_frame: name of the new map's frame; None for the name it had.
    :param new_from_map: (4, 4), moves all poses into the new frame [m]; None leaves them.
    :param change: changes the new map further, at the end.
    :param overwrite: replace the file if it is there; it may be the source.
    :raises MapError: if a map cannot be used or written, has no such keyframe, or none is left.
    """
    with KeyframeMap.open(source) as old:
        _require_finished(old)
        absent = drop.difference(old.ids)
        if absent:
            raise MapError(f'{source}: has no keyframe {min(absent)}')
        if drop.issuperset(old.ids):
            raise MapError(f'{source}: nothing would be left of it')
        vocabulary, map_frame = old.vocabulary, map_frame or old.map_frame
    with _new_file(path, overwrite) as unfinished:
        KeyframeMap.create(unfinished, vocabulary, map_frame).close()
        _copy(unfinished, source, new_from_map, drop)
        if change:
            change(unfinished)


def merge_maps(
    path: Path,
    first: Path,
    second: Path,
    first_from_second: np.ndarray | None = None,
    describe: Callable[[Path], None] | None = None,
    overwrite: bool = False,
) -> int:
    """
    Write a map with the keyframes of two, in the frame of the first.

    Keyframes of the first keep their ids; those of the second follow after the last id that the
    first ever gave.

    :param path: the new map.
    :param first_from_second: (4, 4), moves the second's poses into the first's frame [m]; None if
        both are in the same frame.
    :param describe: describes the keyframes of a map anew, at the end; None to keep the
        descriptors, which then must be of one kind.
    :param overwrite: replace the file if it is there; it may be one of the two.
    :return: what is added to an id of the second.
    :raises MapError: if a map cannot be used or written, or the two do not fit together.
    """
    with KeyframeMap.open(first) as a, KeyframeMap.open(second) as b:
        _require_finished(a)
        _require_finished(b)
        if describe is None and a.vocabulary.identity != b.vocabulary.identity:
            raise MapError(
                f'{second}: its keyframes are described by {b.vocabulary.identity}, those of '
                f'{first} by {a.vocabulary.identity}; describe them anew (--describe-anew)'
            )
        if first_from_second is None and a.map_frame != b.map_frame:
            raise MapError(
                f"{second}: is in frame '{b.map_frame}', {first} in '{a.map_frame}'; say how "
                'one lies in the other (--first-from-second)'
            )
        vocabulary, map_frame = a.vocabulary, a.map_frame
    with _new_file(path, overwrite) as unfinished:
        KeyframeMap.create(unfinished, vocabulary, map_frame).close()
        shift = _copy(unfinished, first)
        _copy(unfinished, second, first_from_second, shift=shift)
        if describe:
            describe(unfinished)
    return shift


def _require_finished(keyframe_map: KeyframeMap) -> None:
    if UNFINISHED in keyframe_map.manifest:
        raise MapError(f'{keyframe_map.path}: is not finished; go on with build-map first')


@contextmanager
def _new_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield where to write; the file gets its name when all of it is there."""
    if path.exists():
        if not overwrite:
            raise MapError(f'{path}: exists already; choose another name or give --overwrite')
        # Refuses to replace what is no map, and leaves no journal that is not the new file's.
        connect(path, 'ro').close()
    if not path.absolute().parent.is_dir():
        raise MapError(f'{path}: there is no such folder')
    with TemporaryDirectory(prefix=f'.{path.name}.', dir=path.absolute().parent) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        os.replace(unfinished, path)


def _copy(
    target: Path,
    source: Path,
    target_from_source: np.ndarray | None = None,
    drop: frozenset[int] = frozenset(),
    shift: int = 0,
) -> int:
    """
    Copy keyframes in one transaction; images and descriptors are not touched.

    :param shift: what is added to the ids.
    :return: the last id that the source ever gave, shifted.
    """
    if target_from_source is not None:
        target_from_source = checked_transform('transform', target_from_source)
    try:
        with closing(connect(source, 'ro')) as old, closing(connect(target, 'rw')) as new, new:
            for keyframe_id, pose, *rest in old.execute(f'SELECT {_COLUMNS} FROM keyframe'):
                if keyframe_id in drop:
                    continue
                if target_from_source is not None:
                    pose = (target_from_source @ decoded_pose(pose)).tobytes()
                new.execute(_INSERT, (keyframe_id + shift, pose, *rest))
            # Ids are never used twice, those of dropped keyframes neither.
            last = old.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'keyframe'")
            last_id = (last.fetchone()[0] or 0) + shift
            new.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'keyframe'", (last_id,))
    except sqlite3.Error as error:
        raise MapError(f'{source}: cannot be copied: {error}') from error
    return last_id
