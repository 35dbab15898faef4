"""What is thought of where the camera is, before its image is looked at."""

from dataclasses import dataclass

import numpy as np

REACH_M = 2.0  # a keyframe that stands outside may show what a camera inside sees


@dataclass(frozen=True, slots=True)
class Prior:
    """
    A circle in the horizontal plane of the map frame (x and y; z is up as in REP 103).

    Height and orientation are left open: who points at a floor plan knows neither.

    :param x_m: its centre [m].
    :param y_m: its centre [m].
    :param radius_m: the camera is not further from the centre [m].
    :raises ValueError: if a number is not finite, or the radius not positive.
    """

    x_m: float
    y_m: float
    radius_m: float

    def __post_init__(self) -> None:
        if not np.isfinite([self.x_m, self.y_m, self.radius_m]).all() or self.radius_m <= 0:
            raise ValueError(f'prior: expected finite numbers and a positive radius, got {self}')

    def distance_m(self, positions_m: np.ndarray) -> np.ndarray:
        """
        Return how far positions are from the centre, seen from above.

        :param positions_m: (..., 3) in the map frame [m].
        :return: (...) [m].
        """
        return np.hypot(positions_m[..., 0] - self.x_m, positions_m[..., 1] - self.y_m)

    def __str__(self) -> str:
        """Say it to a person."""
        return f'{self.radius_m:.1f} m around ({self.x_m:.2f}, {self.y_m:.2f})'
