"""Shares of view that can be told by hand: a wall, seen from beside, behind and through a door."""

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.evaluation.covisibility import shared_view
from scipy.spatial.transform import Rotation

CAMERA = Camera(160, 120, 160.0, 160.0, 79.5, 59.5)
WALL_M = np.full((120, 160), 2.0, np.float32)


def query(depth_m: np.ndarray | None = WALL_M) -> PosedImage:
    rgb = np.zeros((120, 160, 3), np.uint8)
    return PosedImage('query', 0, rgb, CAMERA, np.eye(4), depth_m)


def beside(x_m: float) -> np.ndarray:
    return transform(np.eye(3), (x_m, 0, 0))


@pytest.mark.parametrize(('x_m', 'share'), [(0, 1), (0.5, 0.75), (-1, 0.5), (2.1, 0)])
@pytest.mark.parametrize('depth_m', [None, WALL_M])
def test_share_beside(x_m: float, share: float, depth_m: np.ndarray | None) -> None:
    assert shared_view(query(), CAMERA, beside(x_m), depth_m) == pytest.approx(share, abs=0.03)


def test_view_does_not_depend_on_the_map_frame() -> None:
    other = transform(Rotation.from_euler('xyz', (1, 2, 3)).as_matrix(), (4, 5, 6))
    moved = PosedImage('query', 0, query().rgb, CAMERA, other, WALL_M)
    expected = shared_view(query(), CAMERA, beside(0.5))
    assert shared_view(moved, CAMERA, other @ beside(0.5)) == pytest.approx(expected, abs=0.01)


def test_looking_away_shares_nothing() -> None:
    behind = transform(Rotation.from_euler('y', np.pi).as_matrix(), np.zeros(3))
    assert shared_view(query(), CAMERA, behind) == 0


def test_what_is_hidden_from_the_keyframe_does_not_count() -> None:
    half_hidden = WALL_M.copy()
    half_hidden[:, :80] = 1.0
    half_hidden[:60] = 0  # unknown: nothing says it is hidden
    assert shared_view(query(), CAMERA, np.eye(4), half_hidden) == pytest.approx(0.75, abs=0.01)


def test_only_pixels_with_depth_count() -> None:
    left_only = WALL_M.copy()
    left_only[:, 80:] = 0
    assert shared_view(query(left_only), CAMERA, beside(1)) == pytest.approx(0, abs=0.03)
    assert shared_view(query(left_only), CAMERA, beside(-1)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize('depth_m', [None, np.zeros_like(WALL_M)])
def test_without_depth_the_share_is_unknown(depth_m: np.ndarray | None) -> None:
    assert shared_view(query(depth_m), CAMERA, np.eye(4)) is None
