"""The two stages of training: the matcher, then the pose head on the frozen matcher."""

from collections.abc import Iterable
from math import degrees
from typing import NamedTuple

from kornia.geometry.conversions import rotation_matrix_to_quaternion
from relpose_ros.core.correspondence import feature_correlation
from relpose_ros.core.pose_head import mean_of_both_orders, PosePrediction
from relpose_ros.core.relative_pose import HeadInput, RelativePoseNetwork
from relpose_ros.learning.augmentation import Shots
from relpose_ros.learning.losses import (
    LearnedWeights,
    pose_errors,
    pose_loss,
    PoseErrors,
    uncertainty_loss,
)
from relpose_ros.learning.matching import (
    cell_targets,
    matched_share,
    matching_loss,
    second_from_first,
)
from relpose_ros.learning.recipe import HeadLoss
from relpose_ros.learning.training_data import Batch
from scipy.stats import chi2
import torch
from torch import nn, Tensor

LEVEL = 0.95


class MatcherStage(nn.Module):
    """Stage (a): LoFTR's coarse supervision (Sun et al. 2021, section 3.6)."""

    def __init__(self, network: RelativePoseNetwork, focal_gamma: float) -> None:
        """Train the matcher of a network; its head stays as it is."""
        super().__init__()
        self.network = network
        self.focal_gamma = focal_gamma
        network.head.requires_grad_(False)

    def trained(self) -> nn.Module:
        """Return the part that learns."""
        return self.network.matcher

    def with_network(self, network: RelativePoseNetwork) -> 'MatcherStage':
        """Return the same stage of another network."""
        return MatcherStage(network, self.focal_gamma)

    @staticmethod
    def score(figures: dict[str, float]) -> float:
        """Return how good a validation is, larger is better."""
        matched = [value for name, value in figures.items() if name.endswith('/matched')]
        return sum(matched) / len(matched)

    def prepared(self, batch: Batch) -> Batch:
        """Return what the loss is computed from."""
        return batch

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss."""
        shots, first, second = batch.shots, batch.first, batch.second
        cells_1, cells_2 = self._cells(shots, first, second)
        temperature = self.network.matcher.config.temperature
        correlation = feature_correlation(cells_1, cells_2, temperature)
        targets = cell_targets(shots, first, second), cell_targets(shots, second, first)
        return matching_loss(correlation, *targets, self.focal_gamma)

    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Do nothing: a matcher says nothing of errors."""

    @torch.no_grad()
    def measure(self, shots: Shots, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """Return figures (P,) of pairs."""
        found, _ = self.network.match(*self._cells(shots, first, second))
        match = found.cells_2.flatten(2).mT
        targets = cell_targets(shots, first, second)
        cells, mutual = matched_share(match, found.mutual.flatten(1), targets)
        return {'matched': cells, 'mutual_matched': mutual}

    def _cells(self, shots: Shots, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (P, C, h, w) of both images of the pairs."""
        features = self.network.matcher.image_features(shots.images)
        cells_1, cells_2 = self.network.matcher.pair_features(features[first], features[second])
        return cells_1.float(), cells_2.float()


class HeadBatch(NamedTuple):
    """
    What the head learns from, in both orders of the pairs.

    :param forward: what the head sees of P pairs, its maps in float16; quaternions xyzw (P, 4) and
        translations (P, 3) [m].
    :param backward: the same for the other order.
    """

    forward: tuple[HeadInput, Tensor, Tensor]
    backward: tuple[HeadInput, Tensor, Tensor]


class HeadStage(nn.Module):
    """Stage (b): the paper's regression loss (section 3.4), both orders of every pair."""

    def __init__(self, network: RelativePoseNetwork, options: HeadLoss) -> None:
        """Train the head of a network; its matcher stays as it is."""
        super().__init__()
        self.network = network
        network.matcher.requires_grad_(False).eval()
        self.options = options
        self.weights = LearnedWeights() if options.learned_weights else None

    def trained(self) -> nn.Module:
        """Return the part that learns."""
        return self.network.head

    def with_network(self, network: RelativePoseNetwork) -> 'HeadStage':
        """Return the same stage of another network."""
        return HeadStage(network, self.options)

    @staticmethod
    def score(figures: dict[str, float]) -> float:
        """Return how good a validation is, larger is better: one cm weighs as one degree."""
        return -sum(figures.values())

    def train(self, mode: bool = True) -> 'HeadStage':
        """Switch the head; the frozen matcher keeps its statistics."""
        super().train(mode)
        self.network.matcher.eval()
        return self

    @torch.no_grad()
    def prepared(self, batch: Batch) -> HeadBatch:
        """Return what the loss is computed from: as the matcher is frozen, it never changes."""
        shots, first, second = batch.shots, batch.first, batch.second
        features, K = self.network.matcher.image_features(shots.images), shots.K
        maps = self.network.pair_maps(features[first], features[second], K[first], K[second])
        return HeadBatch(
            (_half(maps.of_image_1), *_first_from_second(shots, first, second)),
            (_half(maps.of_image_2), *_first_from_second(shots, second, first)),
        )

    def forward(self, batch: HeadBatch) -> Tensor:
        """Return the loss."""
        return (self._loss(*batch.forward) + self._loss(*batch.backward)) / 2

    def _loss(self, seen: HeadInput, *truth: Tensor) -> Tensor:
        prediction = self.network.head(seen.maps.float(), seen.motion)
        loss = pose_loss(prediction, *truth)
        weighted = self.weights(loss) if self.weights else loss.total(self.options.direction)
        errors = pose_errors(prediction, *truth)
        return weighted + self.options.uncertainty * uncertainty_loss(prediction, errors)

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Batch]) -> None:
        """
        Make the expected errors as large as they are on pairs that were not learned from.

        Afterwards the truth lies in the 95 % ellipsoids, which spread an expected error evenly
        over three axes, of 95 % of these pairs.
        """
        ratios = []
        for batch in batches:
            prediction, errors = self._compared(batch.shots, batch.first, batch.second)
            rotation = errors.rotation_rad / prediction.log_rotation_sigma.exp()
            position = errors.position_m / prediction.log_position_sigma.exp()
            ratios.append(torch.stack((rotation, position)))
        squared = 3 * torch.cat(ratios, dim=1).square().quantile(LEVEL, dim=1)
        self.network.head.scale_sigmas(*(squared / chi2.ppf(LEVEL, 3)).sqrt().tolist())

    @torch.no_grad()
    def measure(self, shots: Shots, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """Return errors (P,) of pairs: cm, degrees, degrees."""
        _, errors = self._compared(shots, first, second)
        return {
            'position_cm': 100 * errors.position_m,
            'direction_deg': degrees(1) * errors.direction_rad,
            'rotation_deg': degrees(1) * errors.rotation_rad,
        }

    def _compared(
        self, shots: Shots, first: Tensor, second: Tensor
    ) -> tuple[PosePrediction, PoseErrors]:
        """Return what the network says of pairs, and how far off it is."""
        features, K = self.network.matcher.image_features(shots.images), shots.K
        pair = self.network(features[first], features[second], K[first], K[second])
        prediction = mean_of_both_orders(pair.one_from_two, pair.two_from_one)
        return prediction, pose_errors(prediction, *_first_from_second(shots, first, second))


def _half(seen: HeadInput) -> HeadInput:
    return seen._replace(maps=seen.maps.half())


def _first_from_second(shots: Shots, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the true quaternion xyzw (P, 4) and translation (P, 3) [m]."""
    pose = second_from_first(shots, second, first)
    quat_wxyz = rotation_matrix_to_quaternion(pose[:, :3, :3].contiguous())
    return quat_wxyz.roll(-1, 1), pose[:, :3, 3]
