"""Numbers and rigid transforms in the files of public layouts."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from relpose_ros.core.geometry import checked_transform, rotation_from_quaternion, transform

# Written quaternions are rounded; one farther from unit norm is none.
NORM_TOLERANCE = 0.01


def only_file(folder: Path, pattern: str) -> Path:
    """
    Return the one file of a folder that fits a pattern.

    :raises ValueError: if there is none or a choice.
    """
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise ValueError(f"{folder}: expected one file '{pattern}', got {len(found)}")
    return found[0]


def read_lines(path: Path) -> list[str]:
    """
    Read the lines of a text file that say something; those that begin with '#' do not.

    :raises ValueError: if the file is missing or no text.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = 'no such file' if isinstance(error, FileNotFoundError) else 'not readable as text'
        raise ValueError(f'{path}: {reason}') from None
    return [line for line in lines if line.strip() and not line.lstrip().startswith('#')]


def read_matrix(path: Path) -> np.ndarray:
    """
    Read a matrix from a text file.

    :raises ValueError: if the file is missing or holds anything but rows of finite numbers.
    """
    return matrix_from_words(path, [line.split() for line in read_lines(path)])


def matrix_from_words(where: Path, rows: Sequence[Sequence[str]]) -> np.ndarray:
    """
    Parse rows of finite numbers.

    :param where: the file they come from, for the error.
    :raises ValueError: if there are none, they differ in length or something else is among them.
    """
    try:
        matrix = np.array(rows, np.float64)
    except ValueError:
        matrix = np.empty(0)
    if matrix.size == 0 or not np.isfinite(matrix).all():
        raise ValueError(f'{where}: expected rows of numbers')
    return matrix


def read_arrays(path: Path, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """
    Read the arrays of an npz file.

    :param names: arrays that must be there, of one length.
    :raises ValueError: if they are not, or it is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, EOFError, ValueError, BadZipFile):
        raise ValueError(f'{path}: missing or no npz file of plain arrays') from None
    if not set(names) <= set(arrays) or len({len(arrays[name]) for name in names}) > 1:
        raise ValueError(f'{path}: expected the arrays {", ".join(names)}, of one length')
    return arrays


def read_rigid(path: Path) -> np.ndarray | None:
    """
    Read a file that holds one transform, row by row.

    :return: (4, 4); None if the file is missing or holds no rigid transform.
    """
    try:
        return rigid_from_rows(path.read_text().split())
    except (OSError, UnicodeDecodeError):
        return None


def rigid_from_rows(words: Sequence[str]) -> np.ndarray | None:
    """
    Parse a transform written row by row.

    :param words: 12 or 16 numbers.
    :return: (4, 4); None if it is no rigid transform.
    """
    try:
        numbers = [float(word) for word in words]
        if len(numbers) == 12:
            numbers += (0, 0, 0, 1)
        return checked_transform('transform', np.reshape(numbers, (4, 4)))
    except ValueError:
        return None


def rigid_from_quaternion(
    quat_wxyz: Sequence[str], translation: Sequence[str]
) -> np.ndarray | None:
    """
    Parse a transform written as quaternion and translation.

    :param quat_wxyz: four numbers, w first.
    :param translation: three numbers [m].
    :return: (4, 4); None if it is no rigid transform.
    """
    try:
        w, x, y, z = (float(word) for word in quat_wxyz)
        t_m = np.array([float(word) for word in translation])
        if not abs(np.linalg.norm((w, x, y, z)) - 1) < NORM_TOLERANCE:
            return None
        rotation = rotation_from_quaternion(np.array([x, y, z, w]))
        return checked_transform('transform', transform(rotation, t_m))
    except ValueError:
        return None
