"""How hard RANSAC tries, for points and for rays."""

from typing import NamedTuple

import cv2


class Sampling(NamedTuple):
    """
    When enough samples of the matches are drawn.

    :param most: no more of them.
    :param confidence: chance that one of them is right, as far as the matches tell.
    """

    most: int
    confidence: float

    def settings(self, threshold: float) -> cv2.UsacParams:
        """
        Return OpenCV's settings; score and local optimization are the caller's.

        :param threshold: largest error of a match that agrees.
        """
        settings = cv2.UsacParams()
        settings.sampler = cv2.SAMPLING_UNIFORM
        settings.threshold = threshold
        settings.maxIterations = self.most
        settings.confidence = self.confidence
        return settings


QUICK = Sampling(350, 0.99)
THOROUGH = Sampling(2000, 0.9999)
