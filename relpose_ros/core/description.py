"""A result in words and numbers, as commands and services give it."""

from typing import Any

from relpose_ros.core.confidence import worst_sigma_m
from relpose_ros.core.geometry import quaternion_xyzw
from relpose_ros.core.localization import Localization, Rejection


def described(result: Localization | Rejection, map_frame: str) -> dict[str, Any]:
    """
    Return a result as JSON takes it.

    :param map_frame: name of the frame that the map is in.
    :return: `frame_id`, `position_m` (3,) and `quat_xyzw` (4,) of the camera's optical frame in
        the map, `sigma_m` of the position along its worst axis, `keyframe_id` and `matches`; or
        `rejected`, the reason, and `detail`.
    """
    if isinstance(result, Rejection):
        return {'rejected': result.reason.value, 'detail': result.detail}
    return {
        'frame_id': map_frame,
        'position_m': result.map_from_query[:3, 3].round(4).tolist(),
        'quat_xyzw': quaternion_xyzw(result.map_from_query[:3, :3]).round(6).tolist(),
        'sigma_m': round(worst_sigma_m(result.covariance), 4),
        'keyframe_id': result.keyframe_id,
        'matches': len(result.matches.pixels_query),
    }
