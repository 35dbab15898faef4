"""The picture behind a result: the image beside a keyframe, what was found and what was not."""

import cv2
import numpy as np
from relpose_ros.core.keyframe_map import Keyframe
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.relocalizer import worst_sigma_m
from relpose_ros.evaluation.match_picture import draw_matches, MatchPicture

# Sizes at which the text can still be read where the picture is shown a third as wide.
HEIGHT_PX = 360
BAR_PX, LINE_PX, MARGIN_PX = 76, 32, 10
TITLE_SCALE, TEXT_SCALE = 0.95, 0.75
FONT = cv2.FONT_HERSHEY_SIMPLEX
GOOD, BAD, PLAIN = (110, 230, 140), (255, 110, 90), (235, 235, 235)
NO_MATCHES = np.zeros((0, 2))


def debug_image(
    rgb: np.ndarray, result: Localization | Rejection, keyframe: Keyframe | None
) -> np.ndarray:
    """
    Show the query beside a keyframe, with their matches or the reason why there is no pose.

    :param rgb: (H, W, 3) uint8, without distortion.
    :param keyframe: the one the pose was found from, or the most similar one; None if there is
        none.
    :return: (BAR_PX + HEIGHT_PX, W', 3) uint8.
    """
    accepted = isinstance(result, Localization)
    query_px = result.matches.pixels_query if accepted else NO_MATCHES
    keyframe_px = result.matches.pixels_keyframe if accepted else NO_MATCHES
    beside = np.zeros_like(rgb) if keyframe is None else keyframe.rgb
    picture = draw_matches(MatchPicture('', rgb, beside, query_px, keyframe_px), HEIGHT_PX)
    right_px = round(rgb.shape[1] * HEIGHT_PX / rgb.shape[0])
    _label(picture, 'query', 0)
    if keyframe is not None:
        _label(picture, _keyframe_text(keyframe.id, result), right_px + MARGIN_PX)
    title, detail = _pose_text(result) if accepted else _no_pose_text(result)
    return np.vstack((_bar(picture.shape[1], title, detail, GOOD if accepted else BAD), picture))


def _pose_text(result: Localization) -> tuple[str, str]:
    agreeing = len(result.agreeing_ids)
    title = f'accepted: {len(result.matches.pixels_query)} matches'
    return title, (
        f'{agreeing} keyframe{"s" if agreeing > 1 else ""} agree{"" if agreeing > 1 else "s"}, '
        f'sure to {100 * worst_sigma_m(result.covariance):.1f} cm'
    )


def _no_pose_text(result: Rejection) -> tuple[str, str]:
    return f'no pose: {result.reason.value}', result.detail


def _keyframe_text(keyframe_id: int, result: Localization | Rejection) -> str:
    similarity = {each.keyframe_id: each.similarity for each in result.candidates}
    return f'keyframe {keyframe_id}, similarity {similarity[keyframe_id]:.2f}'


def _bar(width_px: int, title: str, detail: str, colour: tuple[int, int, int]) -> np.ndarray:
    """Return what stands above: the title in colour, the detail below it, each in one line."""
    bar = np.zeros((BAR_PX, width_px, 3), np.uint8)
    bar[:, :6] = colour
    for line, (text, scale, shade) in enumerate(
        ((title, TITLE_SCALE, colour), (detail, TEXT_SCALE, PLAIN))
    ):
        _write(bar, text, (MARGIN_PX + 6, LINE_PX * (line + 1)), scale, shade)
    return bar


def _label(picture: np.ndarray, text: str, left_px: int) -> None:
    """Write on a dark ground at the lower edge."""
    (width_px, height_px), _ = cv2.getTextSize(text, FONT, TEXT_SCALE, 2)
    top_px = HEIGHT_PX - height_px - 2 * MARGIN_PX
    ground = picture[top_px:, left_px : left_px + width_px + 2 * MARGIN_PX]
    ground //= 4
    _write(picture, text, (left_px + MARGIN_PX, HEIGHT_PX - MARGIN_PX), TEXT_SCALE, PLAIN)


def _write(
    canvas: np.ndarray,
    text: str,
    origin: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
) -> None:
    """Write a line, smaller if it would not fit."""
    (width_px, _), _ = cv2.getTextSize(text, FONT, scale, 2)
    scale *= min(1.0, (canvas.shape[1] - origin[0] - MARGIN_PX) / width_px)
    cv2.putText(canvas, text, origin, FONT, scale, colour, 2, cv2.LINE_AA)
