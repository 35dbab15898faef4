"""Camera paths: where a camera is and what it looks at, smooth in between."""

import numpy as np
from relpose_ros.core.geometry import transform
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation


def ring(
    centre: tuple[float, float],
    radii: tuple[float, float],
    angles_deg: tuple[float, float],
    heights_m: tuple[float, float],
    ahead_m: float = 2.5,
    aside_deg: float = 0.0,
) -> np.ndarray:
    """
    Walk along an ellipse and look across its middle.

    :param angles_deg: where to begin and end, from the x axis.
    :param heights_m: of the camera and of what it looks at.
    :param ahead_m: distance of what it looks at.
    :param aside_deg: the view swings to both sides by this much.
    :return: (n, 6), position and target, one row every 30 degrees or less [m].
    """
    count = int(np.ceil(abs(angles_deg[1] - angles_deg[0]) / 30)) + 1
    angle = np.radians(np.linspace(*angles_deg, count))
    view = angle + np.pi + np.radians(aside_deg) * np.sin(np.arange(count) * 1.9)
    x, y = centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)
    position = np.stack((x, y, heights_m[0] + 0.06 * np.sin(2.3 * np.arange(count))), 1)
    flat = np.stack((np.cos(view), np.sin(view), np.zeros(count)), 1)
    target = position + ahead_m * flat
    target[:, 2] = heights_m[1] + 0.12 * np.sin(1.3 * np.arange(count))
    return np.hstack((position, target))


def looking_at(position: np.ndarray, target: np.ndarray, roll_rad: float = 0.0) -> np.ndarray:
    """
    Return the pose (4, 4), world_from_camera, of a camera that looks at a point.

    :param position: (3,), world frame, z up [m].
    :param target: (3,), not straight above or below the position [m].
    :param roll_rad: turn about the optical axis.
    """
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    upright = np.stack((right, np.cross(forward, right), forward), axis=1)
    roll = Rotation.from_euler('z', roll_rad).as_matrix()
    return transform(upright @ roll, position)


def fly(stops: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """
    Move a hand-held camera past stops.

    :param stops: (n, 6), position and target [m].
    :param frames: number of poses, evenly spread over the path.
    :param rng: of the hand's unrest.
    :return: (frames, 4, 4), world_from_camera.
    """
    steps = np.linalg.norm(np.diff(stops[:, :3], axis=0), axis=1)
    turns = np.linalg.norm(np.diff(stops[:, 3:] - stops[:, :3], axis=0), axis=1)
    along = np.concatenate(((0.0,), np.cumsum(steps + 0.4 * turns)))
    path = CubicSpline(along, stops)(np.linspace(0, along[-1], frames))
    path[:, 3:] += rng.normal(0, 0.02, (frames, 3))
    roll = 0.04 * np.sin(np.linspace(0, 9, frames) + rng.uniform(0, 6))
    return np.stack([looking_at(p[:3], p[3:], r) for p, r in zip(path, roll, strict=True)])
