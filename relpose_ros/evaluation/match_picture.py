"""The picture of a match: a query beside a keyframe, joined by lines."""

from dataclasses import dataclass

import cv2
import numpy as np

MAX_LINES, GAP_PX = 60, 8


@dataclass(frozen=True, slots=True, eq=False)
class MatchPicture:
    """
    A query beside the keyframe it was compared with.

    :param title: one line to stand above it.
    :param query: (H, W, 3) uint8.
    :param keyframe: (h, w, 3) uint8.
    :param pixels_query: (n, 2), consistent matches [px].
    :param pixels_keyframe: (n, 2) [px].
    """

    title: str
    query: np.ndarray
    keyframe: np.ndarray
    pixels_query: np.ndarray
    pixels_keyframe: np.ndarray


def draw_matches(picture: MatchPicture, height_px: int = 360) -> np.ndarray:
    """
    Put query and keyframe side by side, joined by lines from match to match.

    :return: (height_px, W, 3) uint8.
    """
    sides, ends, offset_px = [], [], 0
    for image, pixels in (
        (picture.query, picture.pixels_query),
        (picture.keyframe, picture.pixels_keyframe),
    ):
        scale = height_px / len(image)
        width_px = round(image.shape[1] * scale)
        sides.append(cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA))
        ends.append((np.reshape(pixels, (-1, 2)) + 0.5) * scale - 0.5 + (offset_px, 0))
        offset_px += width_px + GAP_PX
    gap = np.full((height_px, GAP_PX, 3), 255, np.uint8)
    canvas = np.concatenate((sides[0], gap, sides[1]), axis=1)
    chosen = np.linspace(0, len(ends[0]) - 1, min(MAX_LINES, len(ends[0]))).astype(int)
    for begin, end in zip(ends[0][chosen], ends[1][chosen], strict=True):
        # The hue follows the height in the query, so that a line that strays strikes the eye.
        hue = np.uint8([[[int(150 * np.clip(begin[1] / height_px, 0, 1)), 200, 255]]])
        colour = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].tolist()
        points = [tuple(int(value) for value in np.rint(point)) for point in (begin, end)]
        cv2.line(canvas, *points, colour, 1, cv2.LINE_AA)
        for point in points:
            cv2.circle(canvas, point, 3, colour, -1, cv2.LINE_AA)
    return canvas
