"""Rigid transforms, quaternions and the errors by which poses are judged."""

import numpy as np
from scipy.spatial.transform import Rotation

# Rotations read from text files carry rounding of this order; a larger defect is a mistake.
ORTHONORMAL_TOLERANCE = 1e-3
# Of the cross products with the axes.
CROSS_MATRICES = np.cross(np.eye(3)[:, None], np.eye(3)).swapaxes(1, 2)


def transform(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """
    Put a rotation and a translation into one rigid transform.

    :param rotation: (3, 3), R_target_from_source.
    :param translation: (3,), t_target_from_source [m].
    :return: (4, 4), target_from_source.
    """
    target_from_source = np.eye(4)
    target_from_source[:3, :3] = rotation
    target_from_source[:3, 3] = translation
    return target_from_source


def inverse(target_from_source: np.ndarray) -> np.ndarray:
    """
    Invert a rigid transform.

    :param target_from_source: (4, 4).
    :return: (4, 4), source_from_target.
    """
    rotation = target_from_source[:3, :3].T
    return transform(rotation, -rotation @ target_from_source[:3, 3])


def checked_transform(name: str, value: np.ndarray) -> np.ndarray:
    """
    Return a rigid transform as float64, its rotation made exactly orthonormal.

    :param name: the transform's name, for the error.
    :param value: (4, 4).
    :raises ValueError: if the shape is wrong, a number is not finite, the last row is not
        (0, 0, 0, 1) or the upper left block is no rotation.
    """
    value = np.asarray(value, dtype=np.float64)
    if value.shape != (4, 4):
        raise ValueError(f'{name}: expected (4, 4), got {value.shape}')
    if not np.isfinite(value).all():
        raise ValueError(f'{name}: not finite')
    rotation = value[:3, :3]
    defect = np.abs(rotation @ rotation.T - np.eye(3)).max()
    rigid = np.allclose(value[3], (0, 0, 0, 1)) and defect < ORTHONORMAL_TOLERANCE
    if not rigid or np.linalg.det(rotation) < 0:
        raise ValueError(f'{name}: not a rigid transform')
    u, _, vt = np.linalg.svd(rotation)
    return transform(u @ vt, value[:3, 3])


def transform_points(target_from_source: np.ndarray, points_source: np.ndarray) -> np.ndarray:
    """
    Move points from one frame to another.

    :param target_from_source: (4, 4).
    :param points_source: (..., 3) [m].
    :return: (..., 3) in the target frame [m].
    """
    return points_source @ target_from_source[:3, :3].T + target_from_source[:3, 3]


def quaternion_xyzw(rotation: np.ndarray) -> np.ndarray:
    """
    Convert a rotation matrix to a quaternion with w >= 0.

    :param rotation: (3, 3).
    :return: (4,), x y z w, unit norm.
    """
    quat_xyzw = Rotation.from_matrix(rotation).as_quat()
    return -quat_xyzw if quat_xyzw[3] < 0 else quat_xyzw


def rotation_from_quaternion(quat_xyzw: np.ndarray) -> np.ndarray:
    """
    Convert a quaternion to a rotation matrix.

    :param quat_xyzw: (4,), any non-zero norm.
    :return: (3, 3).
    """
    return Rotation.from_quat(quat_xyzw).as_matrix()


def rotation_angle_rad(rotation: np.ndarray) -> float:
    """
    Return the angle by which a rotation turns, in [0, pi].

    :param rotation: (3, 3).
    """
    return float(Rotation.from_matrix(rotation).magnitude())


def angle_between_rad(a: np.ndarray, b: np.ndarray) -> float:
    """
    Return the angle between two vectors, in [0, pi]; NaN if one of them is zero.

    The arc tangent keeps its precision where the arc cosine of a dot product loses it.

    :param a: (3,), any norm.
    :param b: (3,), any norm.
    """
    if not np.any(a) or not np.any(b):
        return float('nan')
    return float(np.arctan2(np.linalg.norm(np.cross(a, b)), np.dot(a, b)))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (..., n) with a norm of 1; those of length zero stay."""
    squared = np.einsum('...i,...i->...', vectors, vectors)  # twice as fast as numpy's norm
    return vectors / np.sqrt(squared)[..., None].clip(1e-12)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross products (..., 3) of (..., 3) with (..., 3), faster than numpy's."""
    (x, y, z), (u, v, w) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack((y * w - z * v, z * u - x * w, x * v - y * u), axis=-1)


def cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """Return (..., 3, 3), the matrices of the cross product with vectors (..., 3)."""
    return (vectors @ CROSS_MATRICES.reshape(3, 9)).reshape(*vectors.shape, 3)


def position_error_m(estimated: np.ndarray, true: np.ndarray) -> float:
    """
    Return the distance between the estimated and the true camera centre (paper eq. 8).

    :param estimated: (4, 4), target_from_camera.
    :param true: (4, 4), target_from_camera.
    """
    return float(np.linalg.norm(estimated[:3, 3] - true[:3, 3]))


def direction_error_rad(estimated: np.ndarray, true: np.ndarray) -> float:
    """
    Return the angle between the estimated and the true translation (paper eq. 9).

    Not folded at 90 degrees: a flipped direction is 180 degrees wrong.

    :param estimated: (4, 4), keyframe_from_query.
    :param true: (4, 4), keyframe_from_query.
    """
    return angle_between_rad(estimated[:3, 3], true[:3, 3])


def rotation_error_rad(estimated: np.ndarray, true: np.ndarray) -> float:
    """
    Return the angle between the estimated and the true orientation (paper eq. 10).

    :param estimated: (4, 4), target_from_camera.
    :param true: (4, 4), target_from_camera.
    """
    return rotation_angle_rad(estimated[:3, :3].T @ true[:3, :3])
