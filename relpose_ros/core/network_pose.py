"""Relative pose from the network, behind the same interface as the geometric one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from relpose_ros.core.calibration import Calibration
from relpose_ros.core.camera import Camera
from relpose_ros.core.consistency import disagreement_rad
from relpose_ros.core.correspondence import cell_grid
from relpose_ros.core.estimator import Matches, NoRelativePose, Reason, RelativePose
from relpose_ros.core.fine_matching import FineImage
from relpose_ros.core.geometry import rotation_from_quaternion, transform
from relpose_ros.core.likeness import cell_likeness, parts_of
from relpose_ros.core.match_sets import CoarseMatches
from relpose_ros.core.matcher import CELL_PX
from relpose_ros.core.pose_head import mean_of_both_orders
from relpose_ros.core.refine import refined_poses, RefinementConfig
from relpose_ros.core.relative_pose import NetworkConfig, PairPrediction, RelativePoseNetwork
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
            seen = _SeenPairs.of_batch(pair, query.camera, [each.camera for each in batch])
            for row, result in zip(rows, self._results(seen, query, batch), strict=True):
                results[row] = result
        return results

    def _results(
        self, seen: '_SeenPairs', query: NetworkFeatures, keyframes: Sequence[NetworkFeatures]
    ) -> list[RelativePose | NoRelativePose]:
        """Conclude on the pairs of a batch."""
        sure = seen.belief > MIN_BELIEF
        fine = [keyframe.fine for keyframe in keyframes]
        results = seen.regressed(sure, query.fine, fine)
        if self._refinement.pose != 'regression':
            enough = [i for i, each in enumerate(results) if not _has_few_matches(each)]
            coarse = [CoarseMatches(fine[i], sure[i], seen.places[i]) for i in enough]
            regressed = [results[i] for i in enough]
            refined = refined_poses(query.fine, coarse, regressed, self._refinement)
            for i, result in zip(enough, refined, strict=True):
                results[i] = result
        return [
            _in_original(result, query.fine, keyframe.fine)
            for result, keyframe in zip(results, keyframes, strict=True)
        ]

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
class _SeenPairs:
    """
    What the network says of a batch of pairs.

    :param keyframe_from_query: (B, 4, 4), the head's [m].
    :param covariance: (B, 6, 6), as RelativePose.covariance.
    :param belief: (B, h, w), of the keyframes' mutual matches; 0 for others.
    :param places: (B, 2, h, w), column and row of each of a keyframe's cells in the query.
    :param query: intrinsics of the image as the network sees it.
    :param keyframes: the same of each keyframe.
    """

    keyframe_from_query: np.ndarray
    covariance: np.ndarray
    belief: Tensor
    places: Tensor
    query: Camera
    keyframes: Sequence[Camera]

    @classmethod
    def of_batch(
        cls, pair: PairPrediction, query: Camera, keyframes: Sequence[Camera]
    ) -> '_SeenPairs':
        """Take the head's means, and spread each expected error evenly over three axes."""
        prediction = mean_of_both_orders(pair.one_from_two, pair.two_from_one)
        rotations = map(rotation_from_quaternion, prediction.quat_xyzw.cpu().numpy())
        poses = map(transform, rotations, prediction.translation_m.cpu().numpy())
        sigmas = torch.stack((prediction.log_position_sigma, prediction.log_rotation_sigma), 1)
        variances = sigmas.double().exp().square().cpu().numpy() / 3  # (B, 2)
        covariance = np.repeat(variances, 3, axis=1)[:, None] * np.eye(6)
        about = pair.found.belief, pair.found.centres_2
        return cls(np.stack(list(poses)), covariance, *about, query, keyframes)

    def regressed(
        self, sure: Tensor, query: FineImage, keyframes: Sequence[FineImage]
    ) -> list[RelativePose | NoRelativePose]:
        """Return the head's poses, where enough of the sure matches (B, h, w) bear them out."""
        agrees = sure & self._agreeing()
        counts, agreeing = (each.flatten(1).sum(1).tolist() for each in (sure, agrees))
        results: list[RelativePose | NoRelativePose] = []
        for i, count in enumerate(counts):
            if count < MIN_MATCHES:
                detail = f'{count} of {MIN_MATCHES} needed matches'
                results.append(NoRelativePose(Reason.FEW_MATCHES, detail))
            elif agreeing[i] < MIN_CONSISTENT * count:
                share = f'{100 * agreeing[i] / count:.0f} % of {count} matches'
                detail = f'{share} agree with the pose'
                results.append(NoRelativePose(Reason.NO_CONSISTENT_POSE, detail))
            else:
                results.append(self._pose(i, agrees[i], query, keyframes[i]))
        return results

    def _agreeing(self) -> Tensor:
        """Say which matches (B, h, w) the head's poses explain."""
        own = self._own.flatten(1).T.cpu().numpy() * CELL_PX
        there = self.places.flatten(2).mT.cpu().numpy() * CELL_PX
        rays = np.stack([camera.rays(own) for camera in self.keyframes])
        off = disagreement_rad(self.keyframe_from_query, rays, self.query.rays(there))
        agrees = torch.from_numpy(off < CONSISTENT_CELLS * CELL_PX / self.query.fx)
        return agrees.view(self.belief.shape).to(self.belief.device)

    def _pose(self, i: int, agrees: Tensor, query: FineImage, keyframe: FineImage) -> RelativePose:
        own, there = (each[:, agrees].T.cpu().numpy() for each in (self._own, self.places[i]))
        return RelativePose(
            keyframe_from_query=self.keyframe_from_query[i],
            metric=True,
            covariance=self.covariance[i],
            support=float(self.belief[i][agrees].sum()),
            matches=Matches(query.places(there), keyframe.places(own)),
        )

    @property
    def _own(self) -> Tensor:
        """Return column and row of the keyframes' cells (2, h, w)."""
        return cell_grid(self.places)[0]


def _has_few_matches(result: RelativePose | NoRelativePose) -> bool:
    return isinstance(result, NoRelativePose) and result.reason is Reason.FEW_MATCHES


def _in_original(
    result: RelativePose | NoRelativePose, query: FineImage, keyframe: FineImage
) -> RelativePose | NoRelativePose:
    """Turn matches of working images into pixels of the images as they came."""
    if isinstance(result, NoRelativePose):
        return result
    seen, own = result.matches.pixels_query, result.matches.pixels_keyframe
    return replace(result, matches=Matches(query.in_original(seen), keyframe.in_original(own)))
