"""Pairs of images that are wrong by a known amount."""

from collections.abc import Callable

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import transform
from relpose_ros.evaluation.pairwise import PairOutcome
from scipy.spatial.transform import Rotation

CAMERA = Camera(540, 720, 590.0, 590.0, 270.0, 360.0)


@pytest.fixture(scope='session')
def judged() -> Callable[..., PairOutcome]:
    """Return `(offset_m, turn_deg, seed, ...) -> PairOutcome`; fields replace what is default."""

    def make(offset_m: float = 0, turn_deg: float = 0, seed: int = 0, **fields) -> PairOutcome:
        rng = np.random.default_rng(seed)
        axis, aside, way = (v / np.linalg.norm(v) for v in rng.normal(size=(3, 3)))
        true = transform(Rotation.random(random_state=rng).as_matrix(), 0.5 * way)
        turn = Rotation.from_rotvec(np.radians(turn_deg) * axis).as_matrix()
        estimated = transform(true[:3, :3] @ turn, true[:3, 3] + offset_m * aside)
        about = {'keyframe': 'k', 'query': str(seed), 'camera': CAMERA}
        return PairOutcome(
            **{**about, 'keyframe_from_query': true, 'estimated': estimated, **fields}
        )

    return make


@pytest.fixture(scope='session')
def rejected(judged) -> PairOutcome:
    """Return a pair without a pose."""
    return judged(estimated=None, reason='few_matches')
