"""How localization has been going: a level that does not flicker from image to image."""

from collections import deque

from diagnostic_msgs.msg import DiagnosticStatus
from relpose_ros.nodes.diagnostics import ACCEPTED, Report

WINDOW = 20  # images
MIN_IMAGES = 5  # of fewer nothing is said
# The level gets worse where the accepted share falls below the first, and better again only where
# it has reached the second.
WARN_SHARES = (0.5, 0.7)
ERROR_SHARES = (0.1, 0.25)
NONE_YET = 'none yet'


class Health:
    """Sums up the reports of the last images; times are a steady clock's [s]."""

    def __init__(self) -> None:
        self._images: deque[tuple[float, bool]] = deque(maxlen=WINDOW)  # when done, accepted
        self._level = DiagnosticStatus.OK
        self._last = self._last_reason = NONE_YET

    def add(self, report: Report, now_s: float) -> None:
        """Take an image into account."""
        self._images.append((now_s, report.result == ACCEPTED))
        self._last = report.result
        if report.result != ACCEPTED:
            self._last_reason = f'{report.result}: {report.detail}'
        if len(self._images) >= MIN_IMAGES:
            self._level = next_level(self._level, self._accepted / len(self._images))

    def report(self, now_s: float) -> Report:
        """Report on the last images."""
        count, rate_hz = len(self._images), self._rate_hz(now_s)
        share = f'{self._accepted / count:.2f}' if count else 'unknown'
        detail = f'{self._accepted} of the last {count} images accepted, {rate_hz:.1f} Hz'
        values = {
            'images': str(count),
            'accepted_share': share,
            'rate_hz': f'{rate_hz:.2f}',
            'last_result': self._last,
            'last_reason': self._last_reason,
        }
        return Report(self._level, self._last, detail, values)

    @property
    def _accepted(self) -> int:
        return sum(accepted for _, accepted in self._images)

    def _rate_hz(self, now_s: float) -> float:
        """Return how often images are done; it falls while there are none."""
        if len(self._images) < 2:
            return 0.0
        return (len(self._images) - 1) / max(now_s - self._images[0][0], 1e-9)


def next_level(level: bytes, accepted_share: float) -> bytes:
    """
    Return the level that follows one.

    :param accepted_share: of the last images, in [0, 1].
    """
    if accepted_share < ERROR_SHARES[level == DiagnosticStatus.ERROR]:
        return DiagnosticStatus.ERROR
    if accepted_share < WARN_SHARES[level != DiagnosticStatus.OK]:
        return DiagnosticStatus.WARN
    return DiagnosticStatus.OK
