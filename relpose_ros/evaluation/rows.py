"""Rows of figures: of an estimator, of the trivial predictors and of the paper, side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relpose_ros.core.estimator import Estimator
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
    An estimator and what became of its pairs.

    :param depth: whether it saw the keyframe's depth.
    :param scenes: outcomes by the scene's name.
    """

    estimator: str
    weights: str | None
    depth: bool
    scenes: dict[str, list[PairOutcome]]

    @property
    def title(self) -> str:
        """Return its name with what it saw."""
        return f'{self.estimator}{" with keyframe depth" if self.depth else ""}'


@dataclass(frozen=True, slots=True)
class Evaluation:
    """
    What came out of a protocol.

    :param title: the data and the protocol.
    :param rows: the estimators' first.
    :param judged: estimators with their outcomes; empty where no pairs are judged.
    """

    title: str
    rows: list[Row]
    judged: list[Judged]


def pair_rows(protocol: str, split: str, judged: Sequence[Judged]) -> list[Row]:
    """
    Return, scene by scene and for their average, rows of the estimators, the trivial, the paper.

    :param protocol: how the pairs are chosen.
    :param split: the protocol with what it was told.
    :param judged: on the same pairs.
    """
    names = list(judged[0].scenes)
    rows = [row for name in names for row in _pair_rows(protocol, split, name, [name], judged)]
    if len(names) > 1:
        rows += _pair_rows(protocol, split, AVERAGE, names, judged)
    return rows


def _pair_rows(
    protocol: str, split: str, dataset: str, names: list[str], judged: Sequence[Judged]
) -> list[Row]:
    def figures(each: Judged, predictor: Callable = list) -> Metrics:
        return overall([predictor(each.scenes[name]) for name in names])

    about, first = (dataset, split), judged[0]
    still = without_direction(figures(first, keyframe_poses))
    return [
        *(
            Row(*about, each.estimator, 1, each.depth, each.weights, figures(each))
            for each in judged
        ),
        Row(*about, KEYFRAME_POSE, 1, False, None, still),
        Row(*about, MEAN_MOTION, 1, False, None, figures(first, mean_motions)),
        *(
            Row(*about, paper.title, 1, False, None, paper.metrics)
            for paper in paper_rows(names, protocol)
        ),
    ]


def match_rows(
    split: str,
    dataset: str,
    estimator: Estimator,
    ours: Sequence[MatchErrors],
    sift: Sequence[MatchErrors],
) -> list[Row]:
    """Return the estimator's row and the yardstick's."""
    about = (dataset, split)
    return [
        Row(*about, estimator.name, 1, False, estimator.weights, match_metrics(ours)),
        Row(*about, 'dense RootSIFT', 1, False, None, match_metrics(sift)),
    ]
