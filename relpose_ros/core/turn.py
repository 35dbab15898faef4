"""Whether an image that is not found would be if it were turned: a camera on its side, a flip."""

import numpy as np
from relpose_ros.core.camera import Camera, rectified
from relpose_ros.core.localization import Localization
from relpose_ros.core.relocalizer import Relocalizer

# Turning has to make an image so much more similar before it is worth trying.
MORE_SIMILAR = 1.1


def turn_deg(relocalizer: Relocalizer, rgb: np.ndarray, camera: Camera) -> int | None:
    """
    Ask by how much an image has to be turned to have a pose.

    Takes three descriptions and at most one localization: for images without a pose, and now and
    then.

    :param rgb: (H, W, 3) uint8.
    :param camera: intrinsics of the image, with or without distortion.
    :return: 90, 180 or 270, counter-clockwise [deg]; None if turning does not help.
    :raises ValueError: if the image is not as said.
    """
    turned = [rectified(rgb, camera)]
    for _ in range(3):
        turned.append(_quarter_turn(*turned[-1]))
    upright, *similarity = [relocalizer.similarity(image) for image, _ in turned]
    best = 1 + int(np.argmax(similarity))
    if similarity[best - 1] < MORE_SIMILAR * upright:
        return None
    found = isinstance(relocalizer.localize(*turned[best]), Localization)
    return 90 * best if found else None


def _quarter_turn(rgb: np.ndarray, camera: Camera) -> tuple[np.ndarray, Camera]:
    """Turn an image without distortion counter-clockwise: u' = v, v' = width - 1 - u."""
    turned = Camera(
        width=camera.height,
        height=camera.width,
        fx=camera.fy,
        fy=camera.fx,
        cx=camera.cy,
        cy=camera.width - 1 - camera.cx,
    )
    return np.ascontiguousarray(np.rot90(rgb)), turned
