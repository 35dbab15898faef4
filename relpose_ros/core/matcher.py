"""
Coarse image matching features (paper section 3.1): LoFTR's encoder and coarse transformer.

The parts and their parameter names are kornia's, so that the official weights load; the decoder
to 1/2 resolution and the fine stage, which the method never uses, are left out.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
import pickle

from kornia.feature import LoFTR
from kornia.feature.loftr.backbone.resnet_fpn import ResNetFPN_8_2
from kornia.feature.loftr.loftr import default_cfg
from kornia.feature.loftr.loftr_module import LocalFeatureTransformer
from kornia.feature.loftr.utils.position_encoding import PositionEncodingSine
import torch
from torch import nn, Tensor

CELL_PX = 8
OFFICIAL_WEIGHTS = ('indoor_new', 'indoor', 'outdoor')
DECODER = ('layer2_outconv', 'layer2_outconv2', 'layer1_outconv', 'layer1_outconv2')


@dataclass(frozen=True, slots=True)
class MatcherConfig:
    """
    Size of the matching network; the defaults are the official LoFTR.

    :param stem_channels: channels at 1/2 resolution.
    :param block_channels: channels at 1/2, 1/4 and 1/8 resolution; the last is the feature size.
    :param attention_heads: heads of every attention layer.
    :param layer_pairs: number of (self, cross) attention layers.
    :param temperature: divides feature correlations before every softmax.
    :param corrected_positions: position encoding without LoFTR's bug, as in 'indoor_new'.
    """

    stem_channels: int = 128
    block_channels: tuple[int, int, int] = (128, 196, 256)
    attention_heads: int = 8
    layer_pairs: int = 4
    temperature: float = 0.1
    corrected_positions: bool = True

    @property
    def channels(self) -> int:
        """Size of a feature vector."""
        return self.block_channels[-1]


class CoarseEncoder(ResNetFPN_8_2):
    """kornia's LoFTR backbone down to 1/8 resolution, without the way back up."""

    def __init__(self, config: MatcherConfig) -> None:
        """Create the layers with random weights."""
        super().__init__(
            {'initial_dim': config.stem_channels, 'block_dims': list(config.block_channels)}
        )
        for name in DECODER:
            delattr(self, name)
        # Convolutions on a CPU are half as fast again in this layout, and no slower on a GPU.
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """
        Encode images.

        :param images: (B, 1, H, W) grey in [0, 1].
        :return: (B, C, H / 8, W / 8).
        """
        images = images.contiguous(memory_format=torch.channels_last)
        x = self.relu(self.bn1(self.conv1(images)))  # (B, stem, H / 2, W / 2)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.layer3_outconv(x)  # (B, C, H / 8, W / 8)


class CoarseMatcher(nn.Module):
    """Features of an image, and of an image in view of another, as kornia's LoFTR has them."""

    def __init__(self, config: MatcherConfig) -> None:
        """Create the network with random weights."""
        super().__init__()
        self.config = config
        self.backbone = CoarseEncoder(config)
        self.pos_encoding = PositionEncodingSine(
            config.channels, temp_bug_fix=config.corrected_positions
        )
        self.loftr_coarse = LocalFeatureTransformer(
            {
                'd_model': config.channels,
                'nhead': config.attention_heads,
                'layer_names': ['self', 'cross'] * config.layer_pairs,
                'attention': 'linear',
            }
        )

    def image_features(self, images: Tensor) -> Tensor:
        """
        Compute what does not depend on the other image; to be kept for keyframes.

        :param images: (B, 1, H, W) grey in [0, 1], sides multiples of 8.
        :return: (B, C, H / 8, W / 8).
        :raises ValueError: if a side is no multiple of 8.
        """
        if images.shape[-2] % CELL_PX or images.shape[-1] % CELL_PX:
            raise ValueError(f'images: sides {tuple(images.shape[-2:])} are no multiples of 8')
        features = self.pos_encoding(self.backbone(images))
        cells = features.flatten(2).transpose(1, 2).contiguous()  # (B, h w, C)
        first = self.loftr_coarse.layers[0]  # sees one image alone, and need not be run per pair
        return first(cells, cells).transpose(1, 2).reshape(features.shape)

    def pair_features(self, features_1: Tensor, features_2: Tensor) -> tuple[Tensor, Tensor]:
        """
        Let the images of each pair see each other.

        :param features_1: (B, C, h1, w1) from `image_features`.
        :param features_2: (B, C, h2, w2) from `image_features`.
        :return: the same shapes.
        """
        cells_1 = features_1.flatten(2).transpose(1, 2).contiguous()  # (B, h1 w1, C)
        cells_2 = features_2.flatten(2).transpose(1, 2).contiguous()
        layers = zip(self.loftr_coarse.layers, self.loftr_coarse.layer_names, strict=True)
        for layer, name in list(layers)[1:]:
            if name == 'self':
                cells_1, cells_2 = layer(cells_1, cells_1), layer(cells_2, cells_2)
            else:
                cells_1 = layer(cells_1, cells_2)
                cells_2 = layer(cells_2, cells_1)
        return (
            cells_1.transpose(1, 2).reshape(features_1.shape),
            cells_2.transpose(1, 2).reshape(features_2.shape),
        )


def official_matcher(weights: str) -> CoarseMatcher:
    """
    Load LoFTR as its authors trained it.

    :param weights: 'indoor_new', 'indoor' or 'outdoor' from kornia's loader (downloaded once), or
        the path of such a checkpoint.
    :raises ValueError: if it is neither, or the file is no LoFTR checkpoint.
    """
    if weights in OFFICIAL_WEIGHTS:
        # kornia has mutated its module-level default before: never hand it out.
        state = LoFTR(pretrained=weights, config=copy.deepcopy(default_cfg)).state_dict()
    else:
        state = _checkpoint(Path(weights))
    config = MatcherConfig(corrected_positions='indoor_new' in weights or 'ds_new' in weights)
    matcher = CoarseMatcher(config)
    wanted = matcher.state_dict().keys()
    missing = [name for name in wanted if name not in state]
    if missing:
        raise ValueError(f'{weights}: is no LoFTR checkpoint: it lacks {missing[0]}')
    matcher.load_state_dict({name: state[name] for name in wanted})
    return matcher.eval()


def _checkpoint(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        known = ', '.join(OFFICIAL_WEIGHTS)
        raise ValueError(f'{path}: no such file, and none of the official weights {known}')
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f'{path}: cannot be read as a checkpoint: {error}') from error
    state = state.get('state_dict', state)
    return {name.removeprefix('matcher.'): value for name, value in state.items()}
