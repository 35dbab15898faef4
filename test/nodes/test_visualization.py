"""What rviz shows: frusta of the right shape and colour."""

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Matches, Reason
from relpose_ros.core.geometry import transform
from relpose_ros.core.localization import Candidate, Localization, Rejection
from relpose_ros.nodes.visualization import (
    frustum_depth_m,
    FRUSTUM_DEPTHS_M,
    frustum_lines,
    lines_marker,
    MapFrusta,
    similarity_rgba,
)
from visualization_msgs.msg import Marker

CAMERA = Camera(100, 60, 50.0, 50.0, 49.5, 29.5)
NO_MATCHES = Matches(np.zeros((0, 2)), np.zeros((0, 2)))
GREY = (0.5, 0.5, 0.5, 1.0)


def at(*position_m: float) -> np.ndarray:
    """Return map_from_camera of a camera that looks along the map's z axis."""
    return transform(np.eye(3), np.array(position_m, float))


class Row:
    """Keyframes in a row, a metre apart; all that a picture needs of a map."""

    map_frame = 'office'
    ids = (3, 4, 5, 9)

    def pose(self, keyframe_id: int) -> np.ndarray:
        return at(self.ids.index(keyframe_id), 0, 0)

    def camera(self, keyframe_id: int) -> Camera:
        return CAMERA


def points_of(marker: Marker) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in marker.points])


def test_frustum():
    """The lines span the field of view in front of the camera, in the map."""
    lines = frustum_lines(np.stack([at(1, 2, 3)] * 2), [CAMERA] * 2, 0.1)
    assert lines.shape == (2, 16, 3)
    assert np.allclose(lines[0].min(0), (1 - 0.1, 2 - 0.6 * 0.1, 3))
    assert np.allclose(lines[0].max(0), (1 + 0.1, 2 + 0.6 * 0.1, 3.1))
    assert np.allclose(lines[0, 0], (1, 2, 3))


def test_frusta_are_as_large_as_there_is_room():
    """Half as deep as keyframes are apart, within limits."""
    walk = np.stack([at(0, 0, z) for z in (0.0, 1.0, 2.0, 30.0)])
    assert frustum_depth_m(walk) == 0.5
    assert frustum_depth_m(100 * walk) == FRUSTUM_DEPTHS_M[1]
    assert frustum_depth_m(walk[:1]) == FRUSTUM_DEPTHS_M[0]


def test_no_keyframe_is_no_line():
    assert not lines_marker('map', 'keyframes', np.zeros((0, 16, 3)), GREY, 0.1).points


def test_colours_follow_similarity():
    """Brighter the more alike, and the same colour for the same similarity in every image."""
    shades = similarity_rgba([Candidate(1, 0.5), Candidate(2, 0.3), Candidate(3, -0.2)])
    luminance = shades[:, :3] @ (0.2, 0.7, 0.1)
    assert luminance[0] > luminance[1] > luminance[2]
    assert np.array_equal(similarity_rgba([Candidate(7, 0.3)])[0], shades[1])
    assert np.all(shades[:, 3] == 1)


def test_result_takes_the_place_of_the_last():
    """Each message begins with the deletion of all before it; only what holds is in it."""
    frusta = MapFrusta(Row())
    candidates = (Candidate(4, 0.6), Candidate(9, 0.1))
    pose = Localization(
        at(1.5, 0, -1), np.eye(6), 4, np.eye(4), NO_MATCHES, (4, 5), 1.0, (), None, candidates, {}
    )
    rejection = Rejection(Reason.FEW_MATCHES, '3 of 15', candidates, {})
    expected = {
        'pose': ({'candidates': 32, 'agreeing': 32, 'rays': 4, 'query': 16}, pose),
        'rejection': ({'candidates': 32}, rejection),
        'nothing': ({}, None),
    }
    for points, result in expected.values():
        clear, *markers = frusta.result_markers(result, CAMERA).markers
        assert clear.action == Marker.DELETEALL
        assert {each.ns: len(each.points) for each in markers} == points
        assert {each.header.frame_id for each in (clear, *markers)} == {'office'}
    markers = {each.ns: each for each in frusta.result_markers(pose, CAMERA).markers}
    assert np.allclose(points_of(markers['rays'])[::2], ((1, 0, 0), (2, 0, 0)))
    assert np.allclose(points_of(markers['rays'])[1::2], (1.5, 0, -1))
    assert len(markers['candidates'].colors) == 32


def test_all_keyframes_are_one_marker():
    clear, keyframes = MapFrusta(Row()).map_markers().markers
    assert clear.action == Marker.DELETEALL
    assert (keyframes.type, len(keyframes.points)) == (Marker.LINE_LIST, 4 * 16)
    assert keyframes.scale.x == pytest.approx(0.03 * 0.5)
