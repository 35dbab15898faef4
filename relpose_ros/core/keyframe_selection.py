"""Which images of a recording or a live camera become keyframes."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import degrees

import cv2
import numpy as np
from relpose_ros.core.geometry import position_error_m, rotation_error_rad
from relpose_ros.core.posed_image import PosedImage

# Blur is judged at one size: noise, which looks like sharpness, is averaged out.
JUDGED_WIDTH_PX = 320
NEIGHBOURS = 15
DARK, BRIGHT = 5, 250


class LeftOut(Enum):
    """Why an image does not become a keyframe."""

    NOT_MOVED = 'not moved'
    TOO_DARK = 'too dark'
    TOO_BRIGHT = 'too bright'
    BLURRED = 'blurred'
    NO_TEXTURE = 'no texture'


@dataclass(frozen=True, slots=True)
class SelectionConfig:
    """
    What an image must have to become a keyframe.

    :param min_distance_m: it is farther than this from the keyframe before [m], or
    :param min_angle_deg: turned by more than this against it [deg].
    :param min_sharpness: at least this share of the sharpness of the images before; 0 takes all.
    :param max_clipped: at most this share of its pixels is black, or white; 1 takes all.
    """

    min_distance_m: float = field(default=0.2, metadata={'range': (0.0, 1000.0)})
    min_angle_deg: float = field(default=5.0, metadata={'range': (0.0, 180.0)})
    min_sharpness: float = field(default=0.5, metadata={'range': (0.0, 1.0)})
    max_clipped: float = field(default=0.5, metadata={'range': (0.0, 1.0)})


class KeyframeSelector:
    """Judges one image after the other."""

    def __init__(self, config: SelectionConfig, last: np.ndarray | None = None) -> None:
        """
        Begin.

        :param last: map_from_camera (4, 4) of the newest keyframe that is there already.
        """
        self._config, self._last = config, last
        self._sharpness: deque[float] = deque(maxlen=NEIGHBOURS)

    def objection(
        self, rgb: np.ndarray, map_from_camera: np.ndarray, any_motion: bool = False
    ) -> LeftOut | None:
        """
        Return why an image should not become a keyframe; None if it should.

        :param rgb: (H, W, 3) uint8.
        :param map_from_camera: (4, 4) [m].
        :param any_motion: whether it may be near the keyframe before.
        """
        grey = _judged(rgb)
        sharpness = _sharpness(grey)
        self._sharpness.append(sharpness)
        if not any_motion and not self._moved(map_from_camera):
            return LeftOut.NOT_MOVED
        if np.mean(grey <= DARK) > self._config.max_clipped:
            return LeftOut.TOO_DARK
        if np.mean(grey >= BRIGHT) > self._config.max_clipped:
            return LeftOut.TOO_BRIGHT
        if sharpness < self._config.min_sharpness * np.median(self._sharpness):
            return LeftOut.BLURRED
        return None

    def keep(self, map_from_camera: np.ndarray) -> None:
        """Note that an image has become a keyframe: motion counts from it, (4, 4) [m]."""
        self._last = map_from_camera

    def _moved(self, map_from_camera: np.ndarray) -> bool:
        if self._last is None:
            return True
        distance_m = position_error_m(map_from_camera, self._last)
        angle_deg = degrees(rotation_error_rad(map_from_camera, self._last))
        config = self._config
        return distance_m > config.min_distance_m or angle_deg > config.min_angle_deg


def select_keyframes(
    images: Iterable[PosedImage], config: SelectionConfig, left_out: dict[str, list[str]]
) -> Iterator[PosedImage]:
    """
    Yield the images that should become keyframes.

    :param images: in order of time.
    :param left_out: gets the names of the others, by reason.
    """
    selector = KeyframeSelector(config)
    for image in images:
        objection = selector.objection(image.rgb, image.map_from_camera)
        if objection is not None:
            left_out.setdefault(objection.value, []).append(image.name)
            continue
        selector.keep(image.map_from_camera)
        yield image


def _judged(rgb: np.ndarray) -> np.ndarray:
    """Return the image grey and small, (h, w) uint8."""
    height = max(1, round(rgb.shape[0] * JUDGED_WIDTH_PX / rgb.shape[1]))
    small = cv2.resize(rgb, (JUDGED_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)


def _sharpness(grey: np.ndarray) -> float:
    """Return the variance of the Laplacian, by contrast: a dim image may be sharp."""
    contrast = grey.var()
    return float(cv2.Laplacian(grey, cv2.CV_32F).var() / contrast) if contrast else 0.0
