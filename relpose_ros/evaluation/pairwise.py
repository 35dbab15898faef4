"""Runs an estimator over pairs of images whose relative pose is known; and trivial predictors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import degrees, inf

import numpy as np
from relpose_ros.core import geometry
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Estimator, NoRelativePose, RelativePose
from relpose_ros.datasets.image_pair import ImagePair
from relpose_ros.evaluation.metrics import direction_error_deg
from relpose_ros.evaluation.vcre import acceptable_px, vcre_px
from scipy.spatial.transform import Rotation


@dataclass(frozen=True, slots=True, eq=False)
class PairOutcome:
    """
    What became of one pair.

    :param keyframe: name of the image with the known pose.
    :param query: name of the other.
    :param keyframe_from_query: (4, 4), the true relative pose.
    :param camera: the query's.
    :param estimated: (4, 4), keyframe_from_query; None if the pair was rejected.
    :param metric: whether the length of the estimated translation is known.
    :param confidence: what ranks estimates, the larger the surer.
    :param reason: why the pair was rejected; None if it was not.
    :raises ValueError: unless the pair has either an estimate or a reason.
    """

    keyframe: str
    query: str
    keyframe_from_query: np.ndarray
    camera: Camera
    estimated: np.ndarray | None = None
    metric: bool = True
    confidence: float = 0.0
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.estimated is None) == (self.reason is None):
            raise ValueError(
                f'pair {self.keyframe}, {self.query}: expected a pose, or a reason for none'
            )

    @property
    def rejected(self) -> bool:
        return self.reason is not None

    @property
    def located(self) -> bool:
        """Say whether there is a metric pose, be it right or wrong."""
        return not self.rejected and self.metric

    @property
    def position_error_m(self) -> float:
        """Return the error of the position (paper eq. 8) [m]; infinite without a metric pose."""
        if not self.located:
            return inf
        return geometry.position_error_m(self.estimated, self.keyframe_from_query)

    @property
    def rotation_error_deg(self) -> float:
        """Return the error of the orientation (paper eq. 10) [deg]; infinite if rejected."""
        if self.rejected:
            return inf
        return degrees(geometry.rotation_error_rad(self.estimated, self.keyframe_from_query))

    @property
    def direction_error_deg(self) -> float:
        """
        Return the error of the direction from keyframe to query (paper eq. 9) [deg].

        Infinite if rejected; NaN if the query was taken where the keyframe was.
        """
        if self.rejected:
            return inf
        return direction_error_deg(self.estimated, self.keyframe_from_query)

    @property
    def vcre_px(self) -> float:
        """Return the virtual correspondence reprojection error; infinite if not located."""
        if not self.located:
            return inf
        return vcre_px(self.estimated, self.keyframe_from_query, self.camera)

    @property
    def virtually_right(self) -> bool:
        """Say whether that error is acceptable."""
        return self.vcre_px < acceptable_px(self.camera)

    def within(self, position_m: float, rotation_deg: float) -> bool:
        """Say whether the pose is better than both bounds."""
        return self.position_error_m < position_m and self.rotation_error_deg < rotation_deg


def evaluate_pairs(
    estimator: Estimator, pairs: Iterable[ImagePair], with_depth: bool
) -> Iterator[PairOutcome]:
    """
    Estimate each pair from its one keyframe and compare with the truth.

    :param with_depth: let the estimator see the keyframe's depth, as the node does.
    """
    for pair in pairs:
        keyframe, query = pair.keyframe, pair.query
        depth_m = keyframe.depth_m if with_depth else None
        keyframe_features = estimator.features(keyframe.rgb, keyframe.camera, depth_m)
        query_features = estimator.features(query.rgb, query.camera, None)
        (estimate,) = estimator.estimate(query_features, [keyframe_features])
        yield outcome(pair, estimate)


def outcome(pair: ImagePair, estimate: RelativePose | NoRelativePose) -> PairOutcome:
    """Compare an estimate with the truth."""
    about = (
        pair.keyframe.name,
        pair.query.name,
        pair.keyframe_from_query,
        pair.query.camera,
    )
    if isinstance(estimate, NoRelativePose):
        return PairOutcome(*about, reason=estimate.reason.value)
    return PairOutcome(
        *about,
        estimated=estimate.keyframe_from_query,
        metric=estimate.metric,
        confidence=estimate.support,
    )


def keyframe_poses(outcomes: Sequence[PairOutcome]) -> list[PairOutcome]:
    """Answer the same pairs by the keyframe's own pose: what retrieval alone is worth."""
    return _constant(outcomes, np.eye(4))


def mean_motions(outcomes: Sequence[PairOutcome]) -> list[PairOutcome]:
    """
    Answer the same pairs by one constant: the mean of their true relative poses.

    It knows the truth on the average, which no estimator does, and nothing of the images.
    """
    true = np.array([each.keyframe_from_query for each in outcomes])
    rotation = Rotation.from_matrix(true[:, :3, :3]).mean().as_matrix()
    return _constant(outcomes, geometry.transform(rotation, true[:, :3, 3].mean(axis=0)))


def _constant(outcomes: Sequence[PairOutcome], estimated: np.ndarray) -> list[PairOutcome]:
    return [
        replace(each, estimated=estimated, metric=True, confidence=0.0, reason=None)
        for each in outcomes
    ]
