"""A pose that knows how far it can be trusted: carried to other frames, compared, blended."""

from dataclasses import dataclass

import numpy as np
from relpose_ros.core.geometry import cross_matrices, transform
from scipy.spatial.transform import Rotation


@dataclass(frozen=True, slots=True, eq=False)
class UncertainPose:
    """
    A pose and its covariance, as geometry_msgs/PoseWithCovariance has it.

    :param target_from_source: (4, 4) [m].
    :param covariance: (6, 6) of x y z [m] and of small rotations about x y z [rad], along the
        target's axes.
    :raises ValueError: if one of them has another shape or is not finite.
    """

    target_from_source: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        for name, size in (('target_from_source', 4), ('covariance', 6)):
            value = getattr(self, name)
            if value.shape != (size, size):
                raise ValueError(f'{name}: expected ({size}, {size}), got {value.shape}')
            if not np.isfinite(value).all():
                raise ValueError(f'{name}: not finite')

    def of(self, source_from_other: np.ndarray) -> 'UncertainPose':
        """
        Return the pose of another frame on the same rigid body.

        An error of the rotation swings the other frame about the source.

        :param source_from_other: (4, 4), exact [m].
        """
        target_from_other = self.target_from_source @ source_from_other
        lever = target_from_other[:3, 3] - self.target_from_source[:3, 3]
        jacobian = np.eye(6)
        jacobian[:3, 3:] = -cross_matrices(lever)
        return UncertainPose(target_from_other, jacobian @ self.covariance @ jacobian.T)

    def vaguer(self, sigma_m: float, sigma_rad: float) -> 'UncertainPose':
        """
        Return the pose with an independent error on top.

        :param sigma_m: its standard deviation on each axis [m].
        :param sigma_rad: its standard deviation about each axis [rad].
        """
        added = np.diag([sigma_m**2] * 3 + [sigma_rad**2] * 3)
        return UncertainPose(self.target_from_source, self.covariance + added)

    def sigmas_from(self, other: 'UncertainPose') -> float:
        """
        Return how far two estimates of one pose are apart.

        :param other: its errors are independent of this one's.
        :return: their Mahalanobis distance, root mean square over the six freedoms.
        """
        apart = self._seen_from(other)
        return float(
            np.sqrt(apart @ np.linalg.solve(self.covariance + other.covariance, apart) / 6)
        )

    def blended(self, other: 'UncertainPose') -> 'UncertainPose':
        """
        Weight two estimates of one pose by their information.

        :param other: near this one; its errors are independent of this one's.
        """
        gain = self.covariance @ np.linalg.inv(self.covariance + other.covariance)
        step = gain @ other._seen_from(self)
        pose = self.target_from_source
        turn = Rotation.from_rotvec(step[3:]).as_matrix()
        kept = np.eye(6) - gain
        # Joseph's form stays symmetric and positive definite over thousands of steps.
        covariance = kept @ self.covariance @ kept.T + gain @ other.covariance @ gain.T
        blended = transform(turn @ pose[:3, :3], pose[:3, 3] + step[:3])
        return UncertainPose(blended, covariance)

    def _seen_from(self, other: 'UncertainPose') -> np.ndarray:
        """Return this pose minus another (6,) [m, rad]."""
        mine, its = self.target_from_source, other.target_from_source
        turn_rad = Rotation.from_matrix(mine[:3, :3] @ its[:3, :3].T).as_rotvec()
        return np.concatenate((mine[:3, 3] - its[:3, 3], turn_rad))
