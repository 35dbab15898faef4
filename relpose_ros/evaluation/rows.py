"""Rows of figures: of an estimator, of the trivial predictors and of the paper, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from relpose_ros.evaluation.match_accuracy import match_metrics, MatchErrors
from relpose_ros.evaluation.pair_metrics import Metrics, overall, without_direction
from relpose_ros.evaluation.pairwise import keyframe_poses, mean_motions, PairOutcome
from relpose_ros.evaluation.paper_rows import AVERAGE, paper_rows

KEYFRAME_POSE, MEAN_MOTION = "keyframe's own pose", 'mean motion'


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of a table.

    :param dataset: the scene.
    :param split: how its pairs or queries are chosen.
    :param estimator: what was judged: an estimator, a trivial predictor, the paper.
    :param k: keyframes that a pose is found from; None where it does not apply.
    :param depth: whether the estimator saw the keyframe's depth.
    :param weights: content hash of the network's weights; None without.
    :param metrics: as pair_metrics, match_metrics or metrics.summary name them.
    """

    dataset: str
    split: str
    estimator: str
    k: int | None
    depth: bool
    weights: str | None
    metrics: Metrics

    def as_json(self) -> dict[str, object]:
        """Return the row as figures.json holds it."""
        parts = [self.dataset, self.split, self.estimator]
        if self.depth:
            parts.append('keyframe depth')
        return {
            'id': '/'.join(parts),
            'dataset': self.dataset,
            'split': self.split,
            'estimator': self.estimator,
            'k': self.k,
            'depth': self.depth,
            'weights': self.weights,
            'metrics': self.metrics,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """
    Who was judged, and where.

    :param protocol: name of the protocol.
    :param split: the protocol with what it was told.
    """

    protocol: str
    split: str
    estimator: str
    weights: str | None
    depth: bool


def pair_rows(judged: Judged, scenes: dict[str, Sequence[PairOutcome]]) -> list[Row]:
    """
    Return, scene by scene and for their average, our row, the paper's and the trivial ones'.

    :param scenes: outcomes by the scene's name.
    """
    rows = []
    for name, outcomes in scenes.items():
        rows += _pair_rows(judged, name, {name: outcomes})
    if len(scenes) > 1:
        rows += _pair_rows(judged, AVERAGE, scenes)
    return rows


def match_rows(
    judged: Judged, dataset: str, ours: Sequence[MatchErrors], sift: Sequence[MatchErrors]
) -> list[Row]:
    """Return our row and the yardstick's."""
    about = (dataset, judged.split)
    return [
        Row(*about, judged.estimator, 1, False, judged.weights, match_metrics(ours)),
        Row(*about, 'dense RootSIFT', 1, False, None, match_metrics(sift)),
    ]


def _pair_rows(
    judged: Judged, dataset: str, scenes: dict[str, Sequence[PairOutcome]]
) -> list[Row]:
    about, outcomes = (dataset, judged.split), list(scenes.values())
    still = without_direction(overall([keyframe_poses(each) for each in outcomes]))
    mean = overall([mean_motions(each) for each in outcomes])
    return [
        Row(*about, judged.estimator, 1, judged.depth, judged.weights, overall(outcomes)),
        Row(*about, KEYFRAME_POSE, 1, False, None, still),
        Row(*about, MEAN_MOTION, 1, False, None, mean),
        *(
            Row(*about, paper.title, 1, False, None, paper.metrics)
            for paper in paper_rows(list(scenes), judged.protocol)
        ),
    ]
