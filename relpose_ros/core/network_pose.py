"""Relative pose from the network, behind the same interface as the geometric one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from relpose_ros.core.calibration import Calibration
from relpose_ros.core.camera import Camera
from relpose_ros.core.consistency import disagreement_rad
from relpose_ros.core.correspondence import cell_grid, Correspondence
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.fine_matching import FineImage
from relpose_ros.core.geometry import rotation_from_quaternion, transform
from relpose_ros.core.likeness import cell_likeness, parts_of
from relpose_ros.core.match_sets import CoarseMatches
from relpose_ros.core.matcher import CELL_PX
from relpose_ros.core.pose_head import mean_of_both_orders, PosePrediction
from relpose_ros.core.refine import refined_pose, RefinementConfig
from relpose_ros.core.relative_pose import NetworkConfig, RelativePoseNetwork
import torch
from torch import Tensor

# A mutual match counts if it is believed more than this.
MIN_BELIEF = 0.2
MIN_MATCHES = 30
# The pose is believed if this share of its mutual matches lies within so many cells of where it
# would put them.
MIN_CONSISTENT = 0.5
CONSISTENT_CELLS = 1.5


@dataclass(frozen=True, slots=True)
class NetworkFeatures:
    """
    Features of one image.

    :param cells: (1, C, h, w) from the matcher.
    :param parts: (1, C, parts), by which a query tells how much of it a keyframe shows.
    :param fine: the image where matches are placed exactly, with its cameras.
    """

    cells: Tensor
    parts: Tensor
    fine: FineImage

    @property
    def camera(self) -> Camera:
        """Return the intrinsics of the image as the network sees it."""
        return self.fine.coarse


class NetworkEstimator:
    """The paper's method, metric pose from one keyframe, and what its matches add to it."""

    def __init__(
        self,
        network: RelativePoseNetwork,
        weights: str,
        device: str = 'cpu',
        refinement: RefinementConfig | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """
        Put the network on a device.

        :param weights: content hash of the weights, or 'untrained'.
        """
        self.weights, self.calibration = weights, calibration
        self._refinement = refinement or RefinementConfig()
        pose = self._refinement.pose
        self.name = 'network' if pose == 'blend' else f'network, {pose}'
        self.network = network.eval().to(device)
        self._device = device

    @torch.inference_mode()
    def features(
        self, rgb: np.ndarray, camera: Camera, depth_m: np.ndarray | None
    ) -> NetworkFeatures:
        """Encode one image (see Estimator.features)."""
        small = camera.resized(*network_size(camera, self.network.config.longest_side_px))
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        fine = FineImage(grey, camera, small, depth_m, self._device)
        grey = cv2.resize(grey, (small.width, small.height), interpolation=cv2.INTER_AREA)
        images = torch.from_numpy(grey).to(self._device)[None, None].float() / 255
        cells = self.network.matcher.image_features(images)
        return NetworkFeatures(cells, parts_of(cells), fine)

    @torch.inference_mode()
    def likeness(self, query: NetworkFeatures, keyframes: Sequence[NetworkFeatures]) -> np.ndarray:
        """Say how much of the query keyframes show (see Estimator)."""
        found = np.zeros(len(keyframes))
        for rows in _of_a_size(keyframes):
            parts = torch.cat([keyframes[i].parts for i in rows])
            found[rows] = cell_likeness(query.cells, parts).cpu().numpy()
        return found

    @torch.inference_mode()
    def estimate(
        self, query: NetworkFeatures, keyframes: Sequence[NetworkFeatures]
    ) -> list[RelativePose | NoRelativePose]:
        """Estimate all keyframes of one image size in one batch (see Estimator.estimate)."""
        results: list[RelativePose | NoRelativePose | None] = [None] * len(keyframes)
        for rows in _of_a_size(keyframes):
            batch = [keyframes[i] for i in rows]
            pair = self.network(
                torch.cat([keyframe.cells for keyframe in batch]),
                query.cells.expand(len(batch), -1, -1, -1),
                self._calibrations(batch),
                self._calibrations([query] * len(batch)),
            )
            prediction = mean_of_both_orders(pair.one_from_two, pair.two_from_one)
            for i, row in enumerate(rows):
                seen = _SeenPair.of_batch(prediction, pair.found, i)
                results[row] = self._result(seen, query, keyframes[row])
        return results

    def _result(
        self, seen: '_SeenPair', query: NetworkFeatures, keyframe: NetworkFeatures
    ) -> RelativePose | NoRelativePose:
        """Conclude on one pair."""
        sure = seen.belief > MIN_BELIEF
        count = int(sure.sum())
        if count < MIN_MATCHES:
            return NoRelativePose(Reason.FEW_MATCHES, f'{count} of {MIN_MATCHES} needed matches')
        agrees = sure & seen.agreeing(query.camera, keyframe.camera)
        share = int(agrees.sum()) / count
        if share < MIN_CONSISTENT:
            detail = f'{100 * share:.0f} % of {count} matches agree with the pose'
            result = NoRelativePose(Reason.NO_CONSISTENT_POSE, detail)
        else:
            result = seen.regressed(agrees, query.fine, keyframe.fine)
        if self._refinement.pose != 'regression':
            coarse = CoarseMatches(query.fine, keyframe.fine, sure, seen.places)
            result = refined_pose(coarse, result, self._refinement)
        if isinstance(result, NoRelativePose):
            return result
        return replace(result, matches=_in_original(result.matches, query.fine, keyframe.fine))

    def _calibrations(self, batch: Sequence[NetworkFeatures]) -> Tensor:
        matrices = np.stack([features.camera.K for features in batch])
        return torch.from_numpy(matrices).float().to(self._device)


def _of_a_size(keyframes: Sequence[NetworkFeatures]) -> Iterator[list[int]]:
    """Yield the indices of keyframes whose grids are alike."""
    for shape in {keyframe.cells.shape for keyframe in keyframes}:
        yield [i for i, keyframe in enumerate(keyframes) if keyframe.cells.shape == shape]


def untrained_network(config: NetworkConfig | None = None, seed: int = 0) -> RelativePoseNetwork:
    """Return the network with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RelativePoseNetwork(config or NetworkConfig())


def network_size(camera: Camera, longest_side_px: int) -> tuple[int, int]:
    """
    Return the size an image is resized to: the aspect is kept up to the grid of 8 px.

    :return: width and height [px].
    """
    scale = longest_side_px / max(camera.width, camera.height)
    width, height = (
        max(1, round(side * scale / CELL_PX)) * CELL_PX for side in (camera.width, camera.height)
    )
    return width, height


@dataclass(frozen=True, slots=True, eq=False)
class _SeenPair:
    """
    What the network says of one pair.

    :param keyframe_from_query: (4, 4), the head's [m].
    :param covariance: (6, 6), as RelativePose.covariance.
    :param belief: (h, w), of the keyframe's mutual matches; 0 for others.
    :param places: (2, h, w), column and row of each of the keyframe's cells in the query.
    """

    keyframe_from_query: np.ndarray
    covariance: np.ndarray
    belief: Tensor
    places: Tensor

    @classmethod
    def of_batch(cls, prediction: PosePrediction, found: Correspondence, i: int) -> '_SeenPair':
        """Take the i-th pair of a batch, and spread each expected error evenly over three axes."""
        rotation = rotation_from_quaternion(prediction.quat_xyzw[i].cpu().numpy())
        pose = transform(rotation, prediction.translation_m[i].cpu().numpy())
        position_m = float(prediction.log_position_sigma[i].exp())
        rotation_rad = float(prediction.log_rotation_sigma[i].exp())
        covariance = np.diag([position_m**2 / 3] * 3 + [rotation_rad**2 / 3] * 3)
        return cls(pose, covariance, found.belief[i], found.centres_2[i])

    def agreeing(self, query: Camera, keyframe: Camera) -> Tensor:
        """
        Say which matches (h, w) the head's pose explains.

        :param query: as the network sees it; likewise `keyframe`.
        """
        cells = cell_grid(self.places)[0], self.places
        own, there = (each.flatten(1).T.cpu().numpy() * CELL_PX for each in cells)
        rays = keyframe.rays(own), query.rays(there)
        off = disagreement_rad(self.keyframe_from_query, *rays)
        agrees = torch.from_numpy(off < CONSISTENT_CELLS * CELL_PX / query.fx)
        return agrees.unflatten(0, self.belief.shape).to(self.belief.device)

    def regressed(self, agrees: Tensor, query: FineImage, keyframe: FineImage) -> RelativePose:
        """Return the head's pose; `agrees` (h, w) are the matches that bear it out."""
        cells = cell_grid(self.places)[0], self.places
        own, there = (each[:, agrees].T.cpu().numpy() for each in cells)
        return RelativePose(
            keyframe_from_query=self.keyframe_from_query,
            metric=True,
            covariance=self.covariance,
            support=float(self.belief[agrees].sum()),
            matches=Matches(query.places(there), keyframe.places(own)),
        )


def _in_original(matches: Matches, query: FineImage, keyframe: FineImage) -> Matches:
    """Return matches of working images as pixels of the images as they came."""
    return Matches(
        query.in_original(matches.pixels_query), keyframe.in_original(matches.pixels_keyframe)
    )
