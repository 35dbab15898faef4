"""Levels that do not flicker, ages that are true or unknown, statuses that a robot can watch."""

from diagnostic_msgs.msg import DiagnosticStatus
import pytest
from relpose_ros.core.estimator import Reason
from relpose_ros.core.localization import Candidate, Rejection
from relpose_ros.nodes.conversions import NS_PER_S, stamp_ns
from relpose_ros.nodes.diagnostics import (
    ACCEPTED,
    age_ms,
    ImageTiming,
    NO_INPUT,
    Report,
    report_of,
    statuses,
    UNKNOWN,
)
from relpose_ros.nodes.health import Health, MIN_IMAGES, next_level, WINDOW

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
IDENTITY = {'map': 'office', 'device': 'cpu'}


def of_image(accepted: bool) -> Report:
    """Return the report of an image."""
    values = {'image_stamp': '5'}
    if accepted:
        return Report(OK, ACCEPTED, 'well', values)
    return Report(WARN, 'few_matches', '3 of 15', values)


def levels(health: Health, pattern: str) -> list[bytes]:
    """Return the level after each image; in the pattern + is an accepted one."""
    found = []
    for each in pattern:
        health.add(of_image(each == '+'), 0.0)
        found.append(health.report(0.0).level)
    return found


def changes(sequence: list[bytes]) -> int:
    return sum(before != after for before, after in zip(sequence, sequence[1:], strict=False))


def test_the_level_does_not_flicker():
    """Half of the images rejected in turn: the image's own level changes 199 times, this once."""
    health = Health()
    assert changes([of_image(each == '+').level for each in '+-' * 100]) == 199
    assert changes(levels(health, '+-' * 100)) <= 1
    health = Health()
    levels(health, '+' * WINDOW)
    assert changes(levels(health, '++-' * 100)) == 0


def test_the_level_follows_what_lasts():
    """Well, then lost, then found again: OK, WARN, ERROR, WARN, OK, each once."""
    health = Health()
    found = levels(health, '+' * WINDOW + '-' * WINDOW + '+' * WINDOW)
    order = [level for i, level in enumerate(found) if not i or level != found[i - 1]]
    assert order == [OK, WARN, ERROR, WARN, OK]


def test_a_few_images_decide_nothing():
    health = Health()
    assert levels(health, '-' * MIN_IMAGES) == [OK] * (MIN_IMAGES - 1) + [ERROR]


@pytest.mark.parametrize(
    ('share', 'after'),
    [
        (1.0, (OK, OK, OK)),
        (0.6, (OK, WARN, WARN)),
        (0.4, (WARN, WARN, WARN)),
        (0.2, (WARN, WARN, ERROR)),
        (0.0, (ERROR, ERROR, ERROR)),
    ],
)
def test_next_level(share: float, after: tuple[bytes, ...]):
    """Between the two bounds the level stays what it is."""
    assert tuple(next_level(level, share) for level in (OK, WARN, ERROR)) == after


def test_rate_and_reason():
    """The rate falls when images stay away; the last reason stays."""
    health = Health()
    assert health.report(1.0).values['accepted_share'] == UNKNOWN
    for i in range(9):
        health.add(of_image(i != 3), 10 + 0.5 * i)
    report = health.report(14.0)
    assert float(report.values['rate_hz']) == pytest.approx(2.0)
    assert report.values['accepted_share'] == '0.89'
    assert report.values['last_result'] == ACCEPTED
    assert report.values['last_reason'] == 'few_matches: 3 of 15'
    assert report.detail == '8 of the last 9 images accepted, 2.0 Hz'
    assert float(health.report(50.0).values['rate_hz']) == pytest.approx(0.2)


def test_statuses():
    """One for the image or the input, one for how it goes; no input is at least a warning."""
    health = Health()
    levels(health, '+' * WINDOW)
    image = of_image(False)
    summed_up, last = statuses('node', image, health.report(0.0), IDENTITY)
    assert (summed_up.name, summed_up.level) == ('node: localization', OK)
    assert (last.name, last.level) == ('node: last image', WARN)
    assert last.message == 'few_matches: 3 of 15'
    nothing = Report(WARN, NO_INPUT, 'no image for 4 s', {})
    summed_up, last = statuses('node', nothing, health.report(0.0), IDENTITY)
    assert (summed_up.name, summed_up.level) == ('node: localization', WARN)
    assert (last.name, last.level) == ('node: input', WARN)
    for each in (summed_up, last):
        keys = [pair.key for pair in each.values]
        assert {'map', 'device'} <= set(keys)
        assert len(keys) == len(set(keys))
        assert each.hardware_id == 'cpu'


@pytest.mark.parametrize(
    ('image_ns', 'now_ns', 'expected'),
    [
        (10 * NS_PER_S, 10 * NS_PER_S + 40_000_000, '40.0'),
        (10 * NS_PER_S, 10 * NS_PER_S, '0.0'),
        (0, 10 * NS_PER_S, UNKNOWN),
        (10 * NS_PER_S, 0, UNKNOWN),
        (10 * NS_PER_S, 9 * NS_PER_S, UNKNOWN),
        (10 * NS_PER_S, 90 * NS_PER_S, UNKNOWN),
    ],
)
def test_age(image_ns: int, now_ns: int, expected: str):
    """The age is that of one clock, or not said."""
    assert age_ms(image_ns, now_ns) == expected


def test_timing():
    """Stages stand in the order they run; an image that could not be used has no result's."""
    result = Rejection(Reason.FEW_MATCHES, '3 of 15', (Candidate(1, 0.5),), {'describe': 0.25})
    timing = ImageTiming(NS_PER_S, 2 * NS_PER_S)
    timing.decoded()
    timing.localized()
    values = timing.added_to(report_of(result, NS_PER_S)).values
    stages = [key for key in values if key.startswith('latency_') and key != 'latency_ms']
    assert stages == ['latency_decode_ms', 'latency_describe_ms', 'latency_publish_ms']
    assert (values['age_ms'], values['candidates']) == ('1000.0', '1:0.500')
    broken = ImageTiming(NS_PER_S, 2 * NS_PER_S).added_to(of_image(False))
    assert [key for key in broken.values if key.startswith('latency')] == ['latency_ms']


def test_a_running_node(rig, relocalizer, photograph):
    """Every message of the node has both statuses; an old image's age is unknown."""
    msg, info = rig.image(photograph(0.0))
    msg.header.stamp.sec = 5
    report = rig.report_of(msg, info)
    assert report['age_ms'] == UNKNOWN
    published = [{each.name: each for each in heard.status} for heard in rig.heard['/diagnostics']]
    assert all('relocalizer: localization' in names and len(names) == 2 for names in published)
    stamp = str(stamp_ns(msg.header.stamp))
    summed_up = next(
        {pair.key: pair.value for pair in names['relocalizer: localization'].values}
        for names in published
        if any(pair.value == stamp for each in names.values() for pair in each.values)
    )
    assert summed_up['last_result'] == 'accepted'
    assert int(summed_up['images']) >= 1
    assert summed_up['map'] == report['map']
    rig.until(
        lambda: (
            'relocalizer: input' in {each.name for each in rig.heard['/diagnostics'][-1].status}
        )
    )
