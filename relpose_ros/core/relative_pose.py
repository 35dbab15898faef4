"""The network whole: features, matching and warping, pose head (paper figure 1)."""

from dataclasses import dataclass, field
from typing import NamedTuple

from relpose_ros.core.correspondence import correspond, Correspondence, correspondence_map
from relpose_ros.core.matcher import CoarseMatcher, MatcherConfig
from relpose_ros.core.pose_head import PoseHead, PosePrediction
import torch
from torch import nn, Tensor

DEFAULT_MATCHER = MatcherConfig(
    stem_channels=24, block_channels=(24, 48, 128), attention_heads=8, layer_pairs=2
)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """
    Architecture of the relative pose network.

    :param matcher: the feature network.
    :param heads: MLPs at the end: 1, 2 (rotation, translation) or 3 (rotation, direction, scale).
    :param head_features: the head sees the features of both images, as in the paper, and not only
        where they match and how surely. It then needs many scenes to learn from: of few it learns
        the features by heart, and how cameras move it learns from places alone.
    :param soft_warping: average over the softmax instead of the argmax (the paper's ablation).
    :param longest_side_px: images are resized to this before anything else [px].
    """

    matcher: MatcherConfig = field(default=DEFAULT_MATCHER)
    heads: int = 1
    head_features: bool = False
    soft_warping: bool = False
    longest_side_px: int = 192


class PairPrediction(NamedTuple):
    """
    What the network says of a batch of pairs, in both orders.

    :param one_from_two: pose of image 2 in the frame of image 1.
    :param two_from_one: pose of image 1 in the frame of image 2, by another pass of the head.
    :param found: what each cell of image 1 corresponds to in image 2.
    :param found_back: what each cell of image 2 corresponds to in image 1.
    """

    one_from_two: PosePrediction
    two_from_one: PosePrediction
    found: Correspondence
    found_back: Correspondence


class PairMaps(NamedTuple):
    """
    What the head sees of a batch of pairs.

    :param of_image_1: (B, 2 C + 5, h1, w1), correspondence map (paper eq. 3), or (B, 5, h1, w1)
        without features.
    :param of_image_2: of h2 and w2, in the other order.
    :param found: what each cell of image 1 corresponds to in image 2.
    :param found_back: what each cell of image 2 corresponds to in image 1.
    """

    of_image_1: Tensor
    of_image_2: Tensor
    found: Correspondence
    found_back: Correspondence


class RelativePoseNetwork(nn.Module):
    """Two images in, image_1_from_image_2 and back out."""

    def __init__(self, config: NetworkConfig) -> None:
        """Create the network with random weights."""
        super().__init__()
        self.config = config
        self.matcher = CoarseMatcher(config.matcher)
        features = 2 * config.matcher.channels if config.head_features else 0
        self.head = PoseHead(features + 5, config.heads)

    def forward(
        self, features_1: Tensor, features_2: Tensor, K_1: Tensor, K_2: Tensor
    ) -> PairPrediction:
        """
        Estimate a batch of pairs.

        The matcher is frozen, as in the paper: no gradient flows into it from here. It is
        trained on its own, through `matcher.pair_features`.

        :param features_1: (B, C, h1, w1) from `matcher.image_features`.
        :param features_2: (B, C, h2, w2) from `matcher.image_features`.
        :param K_1: (B, 3, 3) of the images given to `image_features` [px].
        :param K_2: (B, 3, 3) likewise.
        """
        maps = self.pair_maps(features_1, features_2, K_1, K_2)
        predictions = self.head(maps.of_image_1), self.head(maps.of_image_2)
        return PairPrediction(*predictions, maps.found, maps.found_back)

    @torch.no_grad()
    def pair_maps(
        self, features_1: Tensor, features_2: Tensor, K_1: Tensor, K_2: Tensor
    ) -> PairMaps:
        """Match and warp: all that comes before the head; arguments as for `forward`."""
        cells_1, cells_2 = self.matcher.pair_features(features_1, features_2)
        found, found_back = self._match(cells_1, cells_2), self._match(cells_2, cells_1)
        return PairMaps(
            correspondence_map(cells_1, found, K_1, K_2, self.config.head_features),
            correspondence_map(cells_2, found_back, K_2, K_1, self.config.head_features),
            found,
            found_back,
        )

    def _match(self, cells_1: Tensor, cells_2: Tensor) -> Correspondence:
        temperature = self.config.matcher.temperature
        return correspond(cells_1, cells_2, temperature, self.config.soft_warping)
