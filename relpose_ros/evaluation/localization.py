"""Runs queries with a known pose through the relocalizer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from relpose_ros.core.estimator import Matches
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.relocalizer import Relocalizer
from relpose_ros.evaluation.covisibility import shared_view
from relpose_ros.evaluation.match_picture import MatchPicture
from relpose_ros.evaluation.metrics import Outcome

NO_MATCHES = Matches(np.zeros((0, 2)), np.zeros((0, 2)))


class WithoutDepth(Sequence[PosedImage]):
    """Images as a camera without depth takes them."""

    def __init__(self, images: Sequence[PosedImage]) -> None:
        """Stand before images, with depth or without."""
        self._images = images

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> PosedImage:
        """Return an image without its depth."""
        return replace(self._images[index], depth_m=None)


def evaluate(
    relocalizer: Relocalizer, keyframe_map: KeyframeMap, queries: Iterable[PosedImage]
) -> Iterator[Outcome]:
    """
    Localize each query, by the same road as the node, and compare with the truth.

    :param keyframe_map: the relocalizer's.
    """
    for query in queries:
        yield outcome(query, relocalizer.localize(query.rgb, query.camera), keyframe_map)


def outcome(
    query: PosedImage, result: Localization | Rejection, keyframe_map: KeyframeMap
) -> Outcome:
    """Compare a result with the truth."""
    view = first_shared_view(query, [c.keyframe_id for c in result.candidates], keyframe_map)
    if isinstance(result, Rejection):
        return Outcome(
            query.name,
            query.map_from_camera,
            reason=result.reason.value,
            shared_view=view,
            latency_s=result.latency_s,
        )
    return Outcome(
        query.name,
        query.map_from_camera,
        estimated_map_from_query=result.map_from_query,
        keyframe_id=result.keyframe_id,
        map_from_keyframe=keyframe_map.pose(result.keyframe_id),
        shared_view=view,
        latency_s=result.latency_s,
        covariance=result.covariance,
        wrong_chance=result.wrong_chance,
        agreeing_ids=result.agreeing_ids,
    )


def first_shared_view(
    query: PosedImage, keyframe_ids: Sequence[int], keyframe_map: KeyframeMap
) -> float | None:
    """
    Return the share of the query's view that the first retrieved keyframe shows.

    :return: 0 if none was retrieved; None if the query has no depth.
    """
    if not keyframe_ids:
        return 0.0
    keyframe = keyframe_map.keyframe(keyframe_ids[0])
    return shared_view(query, keyframe.camera, keyframe.map_from_camera, keyframe.depth_m)


def match_picture(
    query: PosedImage, result: Localization | Rejection, keyframe_map: KeyframeMap
) -> MatchPicture:
    """Show a query beside its keyframe: the one it was found from, else the most similar."""
    if isinstance(result, Localization):
        keyframe_id, matches = result.keyframe_id, result.matches
        judged = outcome(query, result, keyframe_map)
        verdict = (
            f'{len(matches.pixels_query)} matches, {100 * judged.position_error_m:.1f} cm and '
            f'{judged.rotation_error_deg:.2f} deg off'
        )
    else:
        keyframe_id, matches = result.candidates[0].keyframe_id, NO_MATCHES
        verdict = f'rejected, {result.reason.value}'
    similarity = next(c.similarity for c in result.candidates if c.keyframe_id == keyframe_id)
    return MatchPicture(
        title=f'{query.name}, keyframe {keyframe_id}, similarity {similarity:.2f}: {verdict}',
        query=query.rgb,
        keyframe=keyframe_map.keyframe(keyframe_id).rgb,
        pixels_query=matches.pixels_query,
        pixels_keyframe=matches.pixels_keyframe,
    )
