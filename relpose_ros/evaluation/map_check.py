"""Which keyframes of a map are suspicious, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import degrees

import numpy as np
from relpose_ros.core.geometry import position_error_m, rotation_error_rad
from relpose_ros.evaluation.map_survey import most_similar, shared_view, View
from scipy.spatial import cKDTree

MAX_BLUR = 0.54  # sharp rooms have 0.25 to 0.45; a motion of 13 px at 640x480 0.57 to 0.72
DARKEST, BRIGHTEST = 30, 225
# Keyframes as near and alike as this tell the same.
DUPLICATE_M, DUPLICATE_DEG, DUPLICATE_SIMILARITY = 0.05, 2.0, 0.8
# A step that is this many times as fast as the median one, and this far, is a jump.
JUMP_FACTOR, JUMP_M, JUMP_DEG = 8.0, 0.3, 30.0
NO_SHARED_VIEW = 0.01
LONELY_SHARE = 0.5


class Kind(Enum):
    """What is suspicious, and what it may mean."""

    BLURRED = 'blurred', 'few corners will be found in it'
    DARK = 'dark', 'most of the image is nearly black'
    BRIGHT = 'bright', 'most of the image is nearly white'
    DUPLICATE = 'duplicate', 'an earlier keyframe shows the same from the same place'
    JUMP = 'jump', 'its pose does not fit those of its neighbours in time'
    ALIASED = 'aliased', 'its most similar keyframe shows another place'
    LONELY = 'lonely', 'no other keyframe looks like it'

    def __init__(self, label: str, meaning: str) -> None:
        """Take a name for commands and a line for people."""
        self.label, self.meaning = label, meaning


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A suspicion.

    :param keyframe_id: whom it is about.
    :param detail: the numbers it rests on.
    :param other_id: the other keyframe that it is about, too.
    """

    kind: Kind
    keyframe_id: int
    detail: str
    other_id: int | None = None


def suspicious(views: Sequence[View], descriptors: np.ndarray) -> list[Finding]:
    """
    Judge the keyframes of a map.

    :param views: all keyframes, by id.
    :param descriptors: (n, D), in the same order.
    """
    findings = [*_poor_images(views), *_duplicates(views, descriptors), *_jumps(views)]
    if len(views) > 2:
        findings += _strangers(views, descriptors)
    return findings


def _poor_images(views: Sequence[View]) -> Iterator[Finding]:
    for view in views:
        if view.brightness < DARKEST:
            yield Finding(Kind.DARK, view.id, f'half of it is below {view.brightness:.0f} of 255')
        elif view.brightness > BRIGHTEST:
            yield Finding(
                Kind.BRIGHT, view.id, f'half of it is above {view.brightness:.0f} of 255'
            )
        if view.blur > MAX_BLUR:
            yield Finding(Kind.BLURRED, view.id, f'blur {view.blur:.2f}, above {MAX_BLUR:.2f}')


def _duplicates(views: Sequence[View], descriptors: np.ndarray) -> Iterator[Finding]:
    """Name every keyframe that repeats one that is not itself a repetition."""
    centres = np.array([view.map_from_camera[:3, 3] for view in views]).reshape(-1, 3)
    repetitions = set()
    for i, j in sorted(cKDTree(centres).query_pairs(DUPLICATE_M), key=lambda pair: pair[::-1]):
        if i in repetitions or j in repetitions:
            continue
        turned_deg = degrees(
            rotation_error_rad(views[i].map_from_camera, views[j].map_from_camera)
        )
        similarity = descriptors[i] @ descriptors[j]
        if turned_deg < DUPLICATE_DEG and similarity > DUPLICATE_SIMILARITY:
            repetitions.add(j)
            moved_cm = 100 * np.linalg.norm(centres[i] - centres[j])
            detail = (
                f'{moved_cm:.1f} cm and {turned_deg:.1f} deg away, similarity {similarity:.2f}'
            )
            yield Finding(Kind.DUPLICATE, views[j].id, detail, views[i].id)


def _jumps(views: Sequence[View]) -> Iterator[Finding]:
    """Compare with the step before; where the clock goes back another recording begins."""
    steps = [
        (
            position_error_m(view.map_from_camera, before.map_from_camera),
            degrees(rotation_error_rad(view.map_from_camera, before.map_from_camera)),
            (view.stamp_ns - before.stamp_ns) / 1e9,
        )
        for before, view in zip(views, views[1:], strict=False)
    ]
    timed = np.array([step for step in steps if step[2] > 0]).reshape(-1, 3)
    if len(timed) < 3:
        return
    usual = np.median(timed[:, :2] / timed[:, 2:], axis=0)
    jumped_before = False
    for view, (moved_m, turned_deg, took_s) in zip(views[1:], steps, strict=True):
        moved = moved_m > max(JUMP_M, JUMP_FACTOR * usual[0] * took_s)
        turned = turned_deg > max(JUMP_DEG, JUMP_FACTOR * usual[1] * took_s)
        # The step back from a wrong pose is no fault of the keyframe after it.
        jumped_before = took_s > 0 and bool(moved or turned) and not jumped_before
        if jumped_before:
            detail = f'{moved_m:.2f} m and {turned_deg:.0f} deg in {took_s:.2f} s'
            yield Finding(Kind.JUMP, view.id, detail)


def _strangers(views: Sequence[View], descriptors: np.ndarray) -> Iterator[Finding]:
    rows, similarities = most_similar(descriptors)
    usual = float(np.median(similarities[:, 0]))
    for view, row, similarity in zip(views, rows[:, 0], similarities[:, 0], strict=True):
        other = views[row]
        if similarity < LONELY_SHARE * usual:
            detail = f'similarity {similarity:.2f} at most; {usual:.2f} is usual'
            yield Finding(Kind.LONELY, view.id, detail, other.id)
        elif shared_view(view, other) < NO_SHARED_VIEW:
            apart_m = position_error_m(view.map_from_camera, other.map_from_camera)
            detail = f'similarity {similarity:.2f} without a view in common, {apart_m:.1f} m apart'
            yield Finding(Kind.ALIASED, view.id, detail, other.id)
