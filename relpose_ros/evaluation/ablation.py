"""What each part of the method gives: all variants on the same queries and keyframes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
import time
from typing import Any, NamedTuple

from relpose_ros.baselines.fusion_baselines import FUSIONS
from relpose_ros.core.calibration import Calibration
from relpose_ros.core.camera import checked_rgb, rectified
from relpose_ros.core.confidence import calibrated, evidence
from relpose_ros.core.estimator import Estimator, NoRelativePose, RelativePose
from relpose_ros.core.estimators import load_estimator
from relpose_ros.core.fusion import fuse, KeyframeEstimate
from relpose_ros.core.geometry import inverse
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.network_pose import NetworkEstimator, NetworkFeatures
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.refine import RefinementConfig
from relpose_ros.core.relocalizer import doubt, Fuse, RelocalizerConfig
from relpose_ros.core.retrieval import Retrieval
from relpose_ros.evaluation.metrics import is_wrong, median_or_none, Outcome, summary

KEYFRAMES = (1, 2, 5, 10)
# Other fusions are compared where the node works.
COMPARED_AT = RelocalizerConfig().batch
# One keyframe alone is hardly believed by default; here 1 % of the poses may be wrong.
CONFIG = RelocalizerConfig(max_wrong_share=0.01)
OURS = 'ours'
NO_POSE = 'no_pose'
# Without the fine stage a match is as exact as its cell: 1/8 of the network's image.
COARSE = RefinementConfig(pose='geometry', fine=False, threshold_px=9)
REFINEMENTS = {
    'network, regression': RefinementConfig(pose='regression'),
    'network, coarse geometry': COARSE,
    'network, geometry': RefinementConfig(pose='geometry'),
    'network, blend': RefinementConfig(pose='blend'),
}
ACCURACY = (
    'queries',
    'rejected',
    'position_cm_median',
    'rotation_deg_median',
    'within_5cm_5deg',
    'within_25cm_5deg',
)


class Method(NamedTuple):
    """
    How a relative pose is estimated.

    :param encoder: whose features the estimator takes: variants share those of keyframes.
    :param depth: whether it sees the keyframe's depth.
    :param ranked: whether the likeliest keyframes come first; else the most similar.
    """

    name: str
    estimator: Estimator
    encoder: Estimator
    depth: bool
    ranked: bool = True


@dataclass(frozen=True, slots=True)
class Variant:
    """
    What a row of the table is about.

    :param depth: whether the estimator sees the keyframe's depth.
    :param k: nearest keyframes that are matched.
    :param fusion: OURS, or one of FUSIONS.
    """

    estimator: str
    weights: str | None
    depth: bool
    k: int
    fusion: str


def all_methods(network: NetworkEstimator, device: str, has_depth: bool) -> list[Method]:
    """
    Return what is compared.

    :param network: with the weights that are judged.
    :param has_depth: of the map; without, nothing can be shown some.
    """
    methods = []
    for name, refinement in REFINEMENTS.items():
        estimator = NetworkEstimator(
            network.network, network.weights, device, refinement, network.calibration
        )
        methods.append(Method(name, estimator, network, depth=False))
    methods.append(methods[-1]._replace(name=f'{methods[-1].name}, not ranked', ranked=False))
    sift = load_estimator('geometric', device=device)
    methods.append(Method('SIFT', sift, sift, depth=False))
    if has_depth:
        # The head looks at no depth.
        methods += [each._replace(depth=True) for each in methods[1:]]
    return methods


def ablate(
    keyframe_map: KeyframeMap,
    queries: Iterable[PosedImage],
    methods: Sequence[Method],
    device: str,
) -> dict[Variant, list[Outcome]]:
    """
    Localize each query by every variant.

    A query is described once, and matched once with each number of keyframes: with all at once,
    as a robot does, so that times are what it would take. The estimates serve all fusions.
    Keyframes are those that are retrieved for the first method, and ranked by it.

    :return: outcomes in the order of the queries, with the stages 'match' and 'fuse'.
    :raises MapError: if the map has no keyframes.
    """
    encoder = methods[0].encoder
    retrieval = Retrieval(keyframe_map, encoder, device)
    cached = RelocalizerConfig().cached_keyframes
    features = lru_cache(cached)(_KeyframeReader(keyframe_map))
    outcomes: dict[Variant, list[Outcome]] = {}
    for query in queries:
        rgb, camera = rectified(checked_rgb(query.rgb, query.camera), query.camera)
        nearest = retrieval.nearest(retrieval.describe(rgb))
        likeliest = retrieval.likeliest_first(encoder.features(rgb, camera, None), nearest)
        for method in methods:
            order = likeliest if method.ranked else nearest
            found = [candidate.keyframe_id for candidate in order[: max(KEYFRAMES)]]
            keyframes = [features(method.encoder, method.depth, i) for i in found]
            for k in KEYFRAMES:
                # Anew each time: what a method adds to a query's features is part of its cost.
                encoded = method.encoder.features(rgb, camera, None)
                start = time.perf_counter()
                estimates = method.estimator.estimate(encoded, keyframes[:k])
                match_s = time.perf_counter() - start
                seen = dict(zip(found, estimates, strict=False))
                for name, fusion in _fusions(k).items():
                    about = (method.name, method.estimator.weights, method.depth, k, name)
                    calibration = method.estimator.calibration
                    outcome = _fused(query, keyframe_map, seen, fusion, match_s, calibration)
                    outcomes.setdefault(Variant(*about), []).append(outcome)
    return outcomes


class _KeyframeReader:
    """Encodes keyframes, with all that is kept of them."""

    def __init__(self, keyframe_map: KeyframeMap) -> None:
        """Read from a map."""
        self._map = keyframe_map

    def __call__(self, encoder: Estimator, depth: bool, keyframe_id: int) -> Any:
        """Return the encoder's features, with depth or without."""
        keyframe = self._map.keyframe(keyframe_id)
        depth_m = keyframe.depth_m if depth else None
        features = encoder.features(keyframe.rgb, keyframe.camera, depth_m)
        if isinstance(features, NetworkFeatures):
            # Computed when first asked for, and kept: no cost of the query that comes first.
            _ = features.fine.corners
        return features


def _fusions(k: int) -> dict[str, Fuse]:
    return {OURS: fuse, **FUSIONS} if k == COMPARED_AT else {OURS: fuse}


def _fused(
    query: PosedImage,
    keyframe_map: KeyframeMap,
    seen: dict[int, RelativePose | NoRelativePose],
    fusion: Fuse,
    match_s: float,
    calibration: Calibration | None,
) -> Outcome:
    """Make one pose of what keyframes say; one that the node would not believe is none."""
    solved = [i for i, each in seen.items() if isinstance(each, RelativePose)]
    estimates = [KeyframeEstimate(keyframe_map.pose(i), seen[i]) for i in solved]
    start = time.perf_counter()
    fused = fusion(estimates) if estimates else None
    latency_s = {'match': match_s, 'fuse': time.perf_counter() - start}
    about = {'name': query.name, 'map_from_query': query.map_from_camera, 'latency_s': latency_s}
    if fused is None:
        return Outcome(**about, reason=NO_POSE)
    keyframe_id = solved[fused.agreeing[0]]
    map_from_keyframe = keyframe_map.pose(keyframe_id)
    # What another fusion leaves unknown refuses nothing.
    covariance, chance = calibrated(fused, evidence(fused, estimates), calibration)
    keyframe_from_query = inverse(map_from_keyframe) @ fused.map_from_query
    if doubt(CONFIG, keyframe_from_query, covariance, chance, calibration):
        return Outcome(**about, reason=NO_POSE)
    return Outcome(
        **about,
        estimated_map_from_query=fused.map_from_query,
        keyframe_id=keyframe_id,
        map_from_keyframe=map_from_keyframe,
        covariance=covariance,
    )


def figures(variant: Variant, outcomes: Sequence[Outcome]) -> dict[str, int | float | None]:
    """
    Sum up a variant: accuracy as in metrics.summary, wrong answers, milliseconds.

    :raises ValueError: if there is no outcome.
    """
    result = summary(outcomes, variant.estimator, variant.weights)
    return {
        **{key: result[key] for key in ACCURACY},
        'wrong': sum(is_wrong(each) for each in outcomes),
        **{
            f'{stage}_ms_median': median_or_none([1000 * o.latency_s[stage] for o in outcomes])
            for stage in ('match', 'fuse')
        },
    }
