"""How much of a query's view a keyframe shows: the yardstick of retrieval."""

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse, transform_points
from relpose_ros.core.posed_image import PosedImage

# Depth of another sensor pose agrees within this share; a larger gap is another surface.
DEPTH_TOLERANCE = 0.1
# Every 4th pixel along both axes gives the share to a percent.
STRIDE_PX = 4


def shared_view(
    query: PosedImage,
    camera: Camera,
    map_from_keyframe: np.ndarray,
    depth_m: np.ndarray | None = None,
) -> float | None:
    """
    Return the share of the query's pixels that the keyframe shows too, in [0, 1].

    A pixel counts if its point falls into the keyframe's image and, where the keyframe's depth is
    known, lies on the surface that the keyframe sees.

    :param query: only its pixels with depth count.
    :param camera: the keyframe's camera, without distortion.
    :param map_from_keyframe: (4, 4).
    :param depth_m: (H, W), depth of the keyframe, 0 where unknown [m].
    :return: None if the query has no depth.
    """
    if query.depth_m is None or not query.depth_m.any():
        return None
    sampled = query.depth_m[::STRIDE_PX, ::STRIDE_PX]
    v, u = np.nonzero(sampled)
    pixels = np.stack((u, v), axis=-1) * float(STRIDE_PX)
    points = query.camera.rays(pixels) * sampled[v, u, None]
    keyframe_from_query = inverse(map_from_keyframe) @ query.map_from_camera
    points = transform_points(keyframe_from_query, points)
    seen = np.rint(camera.project(points))
    # Points behind the keyframe are NaN, which no comparison accepts.
    inside = ((seen >= 0) & (seen < (camera.width, camera.height))).all(axis=1)
    if depth_m is None:
        return float(inside.mean())
    columns, rows = seen[inside].astype(int).T
    known_m, z_m = depth_m[rows, columns], points[inside, 2]
    agrees = (known_m == 0) | (np.abs(known_m - z_m) < DEPTH_TOLERANCE * z_m)
    return float(agrees.sum() / len(points))
