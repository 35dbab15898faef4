"""The network whole: features, matching and warping, pose head (paper figure 1)."""

from dataclasses import dataclass, field
from typing import NamedTuple

from relpose_ros.core.correspondence import correspond, Correspondence, correspondence_map
from relpose_ros.core.matcher import CoarseMatcher, MatcherConfig
from relpose_ros.core.motion_map import CHANNELS, matched_motion, motion_map
from relpose_ros.core.pose_head import PoseHead, PosePrediction
from relpose_ros.core.two_view_motion import Motion
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
    :param head_features: the head sees the features of both images, as in the paper, and regresses
        the pose from nothing. It then needs many scenes to learn from: of few it learns the
        features by heart. Else it sees where the images match, how surely, and the motion that
        the matches agree on, which it corrects and gives a length.
    :param soft_warping: average over the softmax instead of the argmax (the paper's ablation).
    :param consensus: cells match as their neighbours do, not each on its own as in the paper.
    :param longest_side_px: images are resized to this before anything else [px].
    """

    matcher: MatcherConfig = field(default=DEFAULT_MATCHER)
    heads: int = 1
    head_features: bool = False
    soft_warping: bool = False
    consensus: bool = True
    longest_side_px: int = 192


class PairPrediction(NamedTuple):
    """
    What the network says of a batch of pairs, in both orders.

    :param one_from_two: pose of image 2 in the frame of image 1.
    :param two_from_one: pose of image 1 in the frame of image 2, by another pass of the head.
    :param found: what each cell of image 1 corresponds to in image 2.
    """

    one_from_two: PosePrediction
    two_from_one: PosePrediction
    found: Correspondence


class HeadInput(NamedTuple):
    """
    What the head sees of a batch of pairs in one order.

    :param maps: (B, 2 C + 5, h, w), correspondence map (paper eq. 3), or motion map (B, 18, h, w).
    :param motion: what the head corrects; None with features, as in the paper.
    """

    maps: Tensor
    motion: Motion | None


class PairMaps(NamedTuple):
    """
    What is known of a batch of pairs before the head.

    :param of_image_1: what the head sees, for image_1_from_image_2.
    :param of_image_2: the same in the other order.
    :param found: what each cell of image 1 corresponds to in image 2.
    """

    of_image_1: HeadInput
    of_image_2: HeadInput
    found: Correspondence


class RelativePoseNetwork(nn.Module):
    """Two images in, image_1_from_image_2 and back out."""

    def __init__(self, config: NetworkConfig) -> None:
        """Create the network with random weights."""
        super().__init__()
        self.config = config
        self.matcher = CoarseMatcher(config.matcher)
        channels = 2 * config.matcher.channels + 5 if config.head_features else CHANNELS
        self.head = PoseHead(channels, config.heads, corrects=not config.head_features)

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
        predictions = self.head(*maps.of_image_1), self.head(*maps.of_image_2)
        return PairPrediction(*predictions, maps.found)

    @torch.no_grad()
    def pair_maps(
        self, features_1: Tensor, features_2: Tensor, K_1: Tensor, K_2: Tensor
    ) -> PairMaps:
        """Match and warp: all that comes before the head; arguments as for `forward`."""
        cells_1, cells_2 = self.matcher.pair_features(features_1, features_2)
        found, found_back = self.match(cells_1, cells_2)
        if self.config.head_features:
            motion = back = None
            map_1 = correspondence_map(cells_1, found, K_1, K_2)
            map_2 = correspondence_map(cells_2, found_back, K_2, K_1)
        else:
            motion = matched_motion(found, K_1, K_2)
            back = motion.inverse()
            map_1 = motion_map(found, motion, K_1, K_2)
            map_2 = motion_map(found_back, back, K_2, K_1)
        return PairMaps(HeadInput(map_1, motion), HeadInput(map_2, back), found)

    def match(self, cells_1: Tensor, cells_2: Tensor) -> tuple[Correspondence, Correspondence]:
        """Match both ways features (B, C, h, w) from `matcher.pair_features`."""
        config = self.config
        temperature = config.matcher.temperature
        return correspond(cells_1, cells_2, temperature, config.soft_warping, config.consensus)
