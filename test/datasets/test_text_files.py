"""Numbers and transforms in text: exact values, and nothing that is no rigid transform."""

from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.geometry import quaternion_xyzw
from relpose_ros.datasets.text_files import (
    only_file,
    read_arrays,
    read_lines,
    read_matrix,
    read_rigid,
    rigid_from_quaternion,
    rigid_from_rows,
)


def test_transforms(wall, tmp_path: Path) -> None:
    for pose in wall.poses:
        x, y, z, w = quaternion_xyzw(pose[:3, :3])
        words = [str(value) for value in pose.ravel()]
        np.testing.assert_allclose(rigid_from_rows(words), pose, atol=1e-12)
        np.testing.assert_allclose(rigid_from_rows(words[:12]), pose, atol=1e-12)
        found = rigid_from_quaternion([str(v) for v in (w, x, y, z)], words[3:12:4])
        np.testing.assert_allclose(found, pose, atol=1e-12)
        np.savetxt(tmp_path / 'pose.txt', pose)
        np.testing.assert_allclose(read_rigid(tmp_path / 'pose.txt'), pose, atol=1e-12)


@pytest.mark.parametrize(
    'rows',
    [
        '1 0 0 nan 0 1 0 0 0 0 1 0',
        '1 0 0 -inf 0 1 0 0 0 0 1 0',
        '1 0 0 0 0 1 0 0 0 0 2 0',
        '1 0',
        'a',
    ],
)
def test_no_transform_in_rows(rows: str, tmp_path: Path) -> None:
    assert rigid_from_rows(rows.split()) is None
    (tmp_path / 'pose.txt').write_text(rows)
    assert read_rigid(tmp_path / 'pose.txt') is None
    assert read_rigid(tmp_path / 'nowhere.txt') is None


@pytest.mark.parametrize(
    ('quat_wxyz', 'translation'),
    [
        ('0 0 0 0', '0 0 0'),
        ('2 0 0 0', '0 0 0'),
        ('nan 0 0 0', '0 0 0'),
        ('1 0 0 0', '0 inf 0'),
        ('1 0 0', '0 0 0'),
        ('1 0 0 0', '0 0'),
    ],
)
def test_no_transform_in_quaternions(quat_wxyz: str, translation: str) -> None:
    assert rigid_from_quaternion(quat_wxyz.split(), translation.split()) is None


def test_lines_and_matrices(tmp_path: Path) -> None:
    path = tmp_path / 'K.txt'
    path.write_text('# header\n\n1 2\n 3 4\n')
    assert read_lines(path) == ['1 2', ' 3 4']
    np.testing.assert_array_equal(read_matrix(path), [[1, 2], [3, 4]])
    for broken in ('1 2\n3\n', '1 nan', 'a b', ''):
        path.write_text(broken)
        with pytest.raises(ValueError, match='K.txt: expected rows of numbers'):
            read_matrix(path)
    path.write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match='K.txt: not readable as text'):
        read_lines(path)
    with pytest.raises(ValueError, match='nowhere.txt: no such file'):
        read_lines(tmp_path / 'nowhere.txt')


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / 'list.npz'
    np.savez(path, a=np.zeros(3), b=np.ones((3, 2)), c=np.ones(2))
    assert read_arrays(path, ('a', 'b'))['b'].shape == (3, 2)
    for names in (('a', 'c'), ('a', 'd'), ('d', 'e')):
        with pytest.raises(ValueError, match=f'list.npz: expected the arrays {", ".join(names)}'):
            read_arrays(path, names)
    path.write_bytes(b'PK broken')
    with pytest.raises(ValueError, match='list.npz: missing or no npz file'):
        read_arrays(path)


def test_only_one_file_may_fit(tmp_path: Path) -> None:
    (tmp_path / 'a_c2w.txt').touch()
    assert only_file(tmp_path, '*_c2w.txt').name == 'a_c2w.txt'
    (tmp_path / 'b_c2w.txt').touch()
    with pytest.raises(ValueError, match=r"expected one file '\*_c2w.txt', got 2"):
        only_file(tmp_path, '*_c2w.txt')
