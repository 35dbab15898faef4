"""Figures over pairs as the paper, SuperGlue/LoFTR and the Map-free benchmark take them."""

from collections.abc import Sequence
from math import isnan

import numpy as np
from relpose_ros.evaluation.metrics import median_or_none, share_or_none
from relpose_ros.evaluation.pairwise import PairOutcome

AUC_BOUNDS_DEG = (5, 10, 20)
Metrics = dict[str, int | float | None]


def pair_metrics(outcomes: Sequence[PairOutcome]) -> Metrics:
    """
    Sum up pairs. Medians and shares are of all of them: a rejected pair has infinite errors.

    A median that is infinite is None. Pairs taken from one place have no direction: they count
    neither for nor against it, and their pose error is that of the rotation, as in LoFTR. Unlike
    there, directions are not folded: a flipped one is 180 degrees wrong.

    ``within_10deg_10deg``: share with rotation and direction below 10 deg each.
    ``*_auc_N``: area under the cumulative curve of the error up to N deg; ``pose`` is the larger
    of rotation and direction. ``*_by_confidence``: area under precision over the share of pairs
    kept, the surest first, as in Map-free.

    :raises ValueError: if there is no outcome.
    """
    if not outcomes:
        raise ValueError('outcomes: expected at least one, got none')
    rotations = [each.rotation_error_deg for each in outcomes]
    all_directions = [each.direction_error_deg for each in outcomes]
    directions = [error for error in all_directions if not isnan(error)]
    metrics = {
        'pairs': len(outcomes),
        'rejected': sum(each.rejected for each in outcomes),
        'without_scale': sum(not each.rejected and not each.metric for each in outcomes),
        'without_true_direction': len(outcomes) - len(directions),
        'position_cm_median': median_or_none([100 * each.position_error_m for each in outcomes]),
        'direction_deg_median': median_or_none(directions),
        'rotation_deg_median': median_or_none(rotations),
    }
    poses = np.fmax(rotations, all_directions)
    for name, errors in (('rotation', rotations), ('direction', directions), ('pose', poses)):
        for bound in AUC_BOUNDS_DEG:
            metrics[f'{name}_auc_{bound}'] = area_under_curve(errors, bound)
    near = [each.within(0.25, 5) for each in outcomes]
    right = [each.virtually_right for each in outcomes]
    return metrics | {
        'within_10deg_10deg': share_or_none(poses < 10),
        'within_5cm_5deg': share_or_none([each.within(0.05, 5) for each in outcomes]),
        'within_25cm_5deg': share_or_none(near),
        'within_25cm_5deg_by_confidence': area_by_confidence(outcomes, near),
        'vcre_px_median': median_or_none([each.vcre_px for each in outcomes]),
        'within_vcre': share_or_none(right),
        'within_vcre_by_confidence': area_by_confidence(outcomes, right),
    }


def without_direction(metrics: Metrics) -> Metrics:
    """Blank what needs a direction: of a predictor that never moves it is undefined."""
    named = ('direction_deg', 'direction_auc', 'pose_auc', 'within_10deg')
    return {key: None if key.startswith(named) else value for key, value in metrics.items()}


def area_under_curve(errors: Sequence[float], bound: float) -> float | None:
    """
    Return the area under the cumulative error curve up to a bound, as a share of the most.

    The curve is drawn as in SuperGlue and LoFTR: straight from one error to the next, from (0, 0)
    on, level behind the last error under the bound.

    :param errors: infinite where there is no answer.
    """
    if not len(errors):
        return None
    x = np.concatenate(([0.0], np.sort(errors)))
    y = np.linspace(0, 1, len(x))
    under = np.searchsorted(x, bound)
    x, y = np.append(x[:under], bound), np.append(y[:under], y[under - 1])
    return round(float(np.trapezoid(y, x) / bound), 4)


def area_by_confidence(outcomes: Sequence[PairOutcome], right: Sequence[bool]) -> float:
    """
    Return the area under precision over the share of all pairs that is kept, the surest first.

    Pairs of equal confidence are kept together. Pairs without a metric pose are never kept, but
    count among all.

    :param right: whether each outcome is right.
    """
    located = np.array([each.located for each in outcomes])
    confidence = np.array([each.confidence for each in outcomes])[located]
    order = np.argsort(-confidence, kind='stable')
    last_of_equals = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
    hits = np.cumsum(np.array(right)[located][order])[last_of_equals]
    kept = np.arange(1, len(order) + 1)[last_of_equals]
    steps = np.diff(kept, prepend=0) / len(outcomes)
    return round(float(np.sum(steps * hits / kept)), 4)


def overall(scenes: Sequence[Sequence[PairOutcome]]) -> Metrics:
    """
    Sum up several scenes: medians are averaged over scenes, the rest is of all pairs together.

    So do the last rows of the paper's tables and the Map-free benchmark. A median that one scene
    lacks is None: leaving the worst scene out would flatter.
    """
    result = pair_metrics([each for scene in scenes for each in scene])
    parts = [pair_metrics(scene) for scene in scenes]
    for key in result:
        if key.endswith('_median'):
            medians = [part[key] for part in parts]
            lacking = any(median is None for median in medians)
            result[key] = None if lacking else round(float(np.mean(medians)), 4)
    return result
