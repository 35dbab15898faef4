"""
What /diagnostics says: of every image, of input that does not come, and how it has been going.

Three statuses: `last image` tells what became of one image, and its level goes up and down with
it; `input` tells, while there is no image, what comes and what does not; `localization` sums up
the last images with a level that does not flicker (see health). A diagnostic_aggregator matches
the last two.
"""

from dataclasses import dataclass, replace

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from relpose_ros.core.confidence import worst_sigma_m
from relpose_ros.core.engine import DeviceError
from relpose_ros.core.keyframe_map import MapError
from relpose_ros.core.localization import Candidate, Localization, Rejection
from relpose_ros.core.relocalizer import stopwatch

STALL_S = 3.0
ACCEPTED = 'accepted'
BAD_INPUT = 'bad_input'
DEVICE_FAILED = 'device_failed'
MAP_UNREADABLE = 'map_unreadable'
NO_INPUT = 'no_input'
WAITING = 'waiting'
UNKNOWN = 'unknown'
# An image that seems older than this, or not taken yet, bears the time of another clock.
MAX_AGE_S = 60.0

LOST_LARGE_IMAGES = (
    'raw images above 0.5 MB are lost with Fast DDS defaults: give the camera driver '
    'config/fastdds_large_images.xml, or use compressed images, or set reliability to reliable '
    'on both sides'
)


@dataclass(frozen=True, slots=True)
class Report:
    """
    The part of a diagnostic status that differs from image to image.

    :param level: DiagnosticStatus.OK, WARN or ERROR.
    :param result: 'accepted', the reason of a rejection, 'bad_input', 'map_unreadable',
        'device_failed', 'no_input' or 'waiting'.
    :param detail: a sentence for a person.
    :param values: figures by name.
    """

    level: bytes
    result: str
    detail: str
    values: dict[str, str]

    @property
    def of_image(self) -> bool:
        return 'image_stamp' in self.values


class ImageTiming:
    """How old an image is when its work begins, and how long the node's stages take."""

    def __init__(self, stamp_ns: int, now_ns: int) -> None:
        """
        Begin.

        :param stamp_ns: the image's stamp [ns].
        :param now_ns: the node's clock [ns].
        """
        self._age_ms = age_ms(stamp_ns, now_ns)
        self._latency_s: dict[str, float] = {}
        self._lap = stopwatch(self._latency_s)

    def decoded(self) -> None:
        """Note that the image is decoded."""
        self._lap('decode')

    def localized(self) -> None:
        """Note that there is a result."""
        self._lap('localize')

    def added_to(self, report: Report) -> Report:
        """Note that the result is published; complete the report of the image."""
        if 'localize' in self._latency_s:
            self._lap('publish')
        values = {
            'age_ms': self._age_ms,
            **self._latency_ms('decode'),
            **report.values,
            **self._latency_ms('publish'),
            'latency_ms': _ms(sum(self._latency_s.values())),
        }
        return replace(report, values=values)

    def _latency_ms(self, stage: str) -> dict[str, str]:
        if stage not in self._latency_s:
            return {}
        return {f'latency_{stage}_ms': _ms(self._latency_s[stage])}


def age_ms(stamp_ns: int, now_ns: int) -> str:
    """
    Return how old an image is [ms], or UNKNOWN where its clock is not the node's.

    So it is without a stamp, before simulated time has begun, with a camera whose clock is ahead,
    and with a bag that plays without `use_sim_time`.

    :param stamp_ns: the image's stamp [ns].
    :param now_ns: the node's clock [ns].
    """
    age_s = (now_ns - stamp_ns) / 1e9
    if not stamp_ns or not now_ns or not 0 <= age_s <= MAX_AGE_S:
        return UNKNOWN
    return _ms(age_s)


def idle() -> Report:
    """Report that images come and that no one has asked for a pose."""
    return Report(DiagnosticStatus.OK, WAITING, 'for a request (~/relocalize)', {})


def report_of(result: Localization | Rejection, stamp_ns: int) -> Report:
    """
    Report what became of an image.

    :param stamp_ns: the image's stamp [ns].
    """
    values = {
        'image_stamp': str(stamp_ns),
        'candidates': _listed(result.candidates),
        **{f'latency_{stage}_ms': _ms(s) for stage, s in result.latency_s.items()},
    }
    if isinstance(result, Rejection):
        return Report(DiagnosticStatus.WARN, result.reason.value, result.detail, values)
    values['keyframe_id'] = str(result.keyframe_id)
    values['agreeing'] = ', '.join(map(str, result.agreeing_ids))
    values['inliers'] = str(len(result.matches.pixels_query))
    values['sigma_m'] = f'{worst_sigma_m(result.covariance):.3f}'
    if result.wrong_chance is not None:
        values['wrong_chance'] = f'{result.wrong_chance:.4f}'
    detail = f'{values["inliers"]} consistent matches with keyframe {result.keyframe_id}'
    return Report(DiagnosticStatus.OK, ACCEPTED, detail, values)


def report_of_error(error: ValueError, stamp_ns: int) -> Report:
    """
    Report an image that could not be worked on.

    :param error: a MapError, a DeviceError, or what decoding and localizing say of bad images.
    :param stamp_ns: the image's stamp [ns].
    """
    result = BAD_INPUT
    if isinstance(error, MapError):
        result = MAP_UNREADABLE
    elif isinstance(error, DeviceError):
        result = DEVICE_FAILED
    return Report(DiagnosticStatus.ERROR, result, str(error), {'image_stamp': str(stamp_ns)})


def statuses(
    name: str, report: Report, health: Report, identity: dict[str, str]
) -> list[DiagnosticStatus]:
    """
    Put what is known into a message.

    :param name: the node's name.
    :param report: of an image, or of the input.
    :param health: of the last images; where no input comes its level is at least the input's.
    :param identity: what holds for all images: map, estimator, device.
    """
    values = {'result': report.result, 'detail': report.detail, **report.values, **identity}
    part = 'last image' if report.of_image else 'input'
    level, message = health.level, health.detail
    if report.level > level and not report.of_image:
        level, message = report.level, f'{report.result}, before that {message}'
    device = identity.get('device', '')
    latest = status(f'{name}: {part}', report.level, f'{report.result}: {report.detail}', values)
    summed_up = status(f'{name}: localization', level, message, {**health.values, **identity})
    latest.hardware_id = summed_up.hardware_id = device
    return [summed_up, latest]


def status(name: str, level: bytes, message: str, values: dict[str, str]) -> DiagnosticStatus:
    """Put figures into a message, which is a sentence for a person."""
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(name=name, level=level, message=message, values=pairs)


class InputWatch:
    """Knows which input comes and which does not; times are a steady clock's [s]."""

    def __init__(self, start_s: float, image_topics: tuple[str, str], info_topic: str) -> None:
        """
        Start watching.

        :param image_topics: names of the raw and the compressed image topic.
        """
        self._start_s = self._image_s = self._info_s = start_s
        self._image_topics = f"'{image_topics[0]}' or '{image_topics[1]}'"
        self._info_topic = f"'{info_topic}'"

    def image(self, now_s: float) -> None:
        """Note that an image has arrived."""
        self._image_s = now_s

    def info(self, now_s: float) -> None:
        """Note that a camera info has arrived."""
        self._info_s = now_s

    def images_stalled(self, now_s: float) -> bool:
        """Return whether no image has come for a while."""
        return now_s - self._image_s > STALL_S

    def report(self, now_s: float) -> Report:
        """Report on the input while there is nothing to localize."""
        image_s, info_s = now_s - self._image_s, now_s - self._info_s
        if image_s > STALL_S and info_s > STALL_S:
            detail = (
                f'no image for {image_s:.0f} s on {self._image_topics} and no camera_info for '
                f'{info_s:.0f} s on {self._info_topic}'
            )
        elif image_s > STALL_S:
            detail = (
                f'camera_info arrives on {self._info_topic} but no image for {image_s:.0f} s on '
                f'{self._image_topics}: is the camera publishing? {LOST_LARGE_IMAGES}'
            )
        elif info_s > STALL_S:
            detail = f'images arrive but no camera_info for {info_s:.0f} s on {self._info_topic}'
        else:
            return Report(DiagnosticStatus.OK, WAITING, 'for the next image', {})
        return Report(DiagnosticStatus.WARN, NO_INPUT, detail, {})


def _listed(candidates: tuple[Candidate, ...]) -> str:
    return ', '.join(f'{each.keyframe_id}:{each.similarity:.3f}' for each in candidates)


def _ms(seconds: float) -> str:
    return f'{1000 * seconds:.1f}'
