"""The two stages of training: the matcher, then the pose head on the frozen matcher."""

from math import degrees

from kornia.geometry.conversions import rotation_matrix_to_quaternion
from relpose_ros.core.correspondence import feature_correlation
from relpose_ros.core.pose_head import mean_of_both_orders, PosePrediction
from relpose_ros.core.relative_pose import PairPrediction, RelativePoseNetwork
from relpose_ros.learning.augmentation import Shots
from relpose_ros.learning.losses import (
    LearnedWeights,
    pose_errors,
    pose_loss,
    uncertainty_loss,
)
from relpose_ros.learning.matching import (
    cell_targets,
    matched_share,
    matching_loss,
    second_from_first,
)
from relpose_ros.learning.recipe import HeadLoss
import torch
from torch import nn, Tensor


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

    def forward(self, shots: Shots, first: Tensor, second: Tensor) -> Tensor:
        """
        Return the loss.

        :param first: (P,) long, indices of shots; image 1 of each pair.
        :param second: (P,) long.
        """
        correlation = self._correlation(shots, first, second)
        forward = cell_targets(shots, first, second)
        backward = cell_targets(shots, second, first)
        return matching_loss(correlation, forward, backward, self.focal_gamma)

    @torch.no_grad()
    def measure(self, shots: Shots, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """Return figures (P,) of pairs."""
        correlation = self._correlation(shots, first, second)
        cells, mutual = matched_share(correlation, cell_targets(shots, first, second))
        return {'matched': cells, 'mutual_matched': mutual}

    def _correlation(self, shots: Shots, first: Tensor, second: Tensor) -> Tensor:
        matcher = self.network.matcher
        features = matcher.image_features(shots.images)
        cells_1, cells_2 = matcher.pair_features(features[first], features[second])
        temperature = matcher.config.temperature
        return feature_correlation(cells_1.float(), cells_2.float(), temperature)


class HeadStage(nn.Module):
    """Stage (b): the paper's regression loss (section 3.4), both orders of every pair."""

    def __init__(self, network: RelativePoseNetwork, options: HeadLoss) -> None:
        """Train the head of a network; its matcher stays as it is."""
        super().__init__()
        self.network = network
        network.matcher.requires_grad_(False)
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

    def forward(self, shots: Shots, first: Tensor, second: Tensor) -> Tensor:
        """
        Return the loss.

        :param first: (P,) long, indices of shots; image 1 of each pair.
        :param second: (P,) long.
        """
        pair = self._predict(shots, first, second)
        forward = self._loss(pair.one_from_two, shots, first, second)
        return (forward + self._loss(pair.two_from_one, shots, second, first)) / 2

    def _loss(
        self, prediction: PosePrediction, shots: Shots, first: Tensor, second: Tensor
    ) -> Tensor:
        truth = _first_from_second(shots, first, second)
        loss = pose_loss(prediction, *truth)
        weighted = self.weights(loss) if self.weights else loss.total(self.options.direction)
        errors = pose_errors(prediction, *truth)
        return weighted + self.options.uncertainty * uncertainty_loss(prediction, errors)

    @torch.no_grad()
    def measure(self, shots: Shots, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """Return errors (P,) of pairs: cm, degrees, degrees."""
        pair = self._predict(shots, first, second)
        prediction = mean_of_both_orders(pair.one_from_two, pair.two_from_one)
        errors = pose_errors(prediction, *_first_from_second(shots, first, second))
        return {
            'position_cm': 100 * errors.position_m,
            'direction_deg': degrees(1) * errors.direction_rad,
            'rotation_deg': degrees(1) * errors.rotation_rad,
        }

    def _predict(self, shots: Shots, first: Tensor, second: Tensor) -> PairPrediction:
        with torch.no_grad():
            features = self.network.matcher.image_features(shots.images)
        K = shots.K
        return self.network(features[first], features[second], K[first], K[second])


def _first_from_second(shots: Shots, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the true quaternion xyzw (P, 4) and translation (P, 3) [m]."""
    pose = second_from_first(shots, second, first)
    quat_wxyz = rotation_matrix_to_quaternion(pose[:, :3, :3].contiguous())
    return quat_wxyz.roll(-1, 1), pose[:, :3, 3]
