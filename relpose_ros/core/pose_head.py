"""The pose regression module (paper section 3.3, appendix B)."""

from dataclasses import dataclass
from math import log

from kornia.geometry.conversions import (
    quaternion_to_rotation_matrix,
    rotation_matrix_to_quaternion,
)
from relpose_ros.core.motion_map import mean_nearness
from relpose_ros.core.two_view_motion import Motion
import torch
from torch import nn, Tensor
import torch.nn.functional as F

FLAT_SHAPE = (3, 3)  # of 128 channels: the 1152 numbers of appendix B
STAGE_CHANNELS = (128, 160, 128)
HIDDEN = 256
# Numbers that each of the one, two or three MLPs puts out, in this order: quaternion and
# log-uncertainty of the rotation; direction; distance and log-uncertainty of the position.
HEAD_SIZES = {1: (10,), 2: (5, 5), 3: (5, 3, 2)}
ROTATION_SIGMA, POSITION_SIGMA = 4, 9  # where the log-uncertainties stand among these numbers
# A head that corrects a motion begins with the motion as it is, in a scene of this size [m], and
# expects these errors of one that fits [rad, m]; with its misfit they grow by this power of e, in
# rendered rooms and in recorded ones. It learns corrections slowly: few scenes teach habits.
TYPICAL_DEPTH_M, FIRST_SIGMAS, MISFIT_GROWTH = 2.5, (0.05, 0.15), 5.5
CORRECTION = 0.02


@dataclass(frozen=True, slots=True)
class PosePrediction:
    """
    Raw outputs for image_1_from_image_2.

    :param quat_xyzw: (B, 4), unit norm.
    :param direction: (B, 3), unit norm: t_1_from_2 / |t_1_from_2|.
    :param distance_m: (B,), |t_1_from_2| [m], not negative.
    :param log_rotation_sigma: (B,), logarithm of the expected rotation error [rad].
    :param log_position_sigma: (B,), logarithm of the expected position error [m].
    """

    quat_xyzw: Tensor
    direction: Tensor
    distance_m: Tensor
    log_rotation_sigma: Tensor
    log_position_sigma: Tensor

    @property
    def translation_m(self) -> Tensor:
        """Return (B, 3), t_1_from_2 [m]."""
        return self.direction * self.distance_m[:, None]


def mean_of_both_orders(
    one_from_two: PosePrediction, two_from_one: PosePrediction
) -> PosePrediction:
    """
    Average a prediction with the inverse of that for the same images in the other order.

    :return: image_1_from_image_2.
    """
    backward = two_from_one.quat_xyzw * two_from_one.quat_xyzw.new_tensor((-1, -1, -1, 1))
    same_sign = (backward * one_from_two.quat_xyzw).sum(1, keepdim=True).sign()
    rotation = rotation_matrix_from_quaternion(backward)
    inverse_direction = -(rotation @ two_from_one.direction[..., None])[..., 0]
    return PosePrediction(
        quat_xyzw=F.normalize(one_from_two.quat_xyzw + same_sign * backward, dim=1),
        direction=F.normalize(one_from_two.direction + inverse_direction, dim=1),
        distance_m=(one_from_two.distance_m + two_from_one.distance_m) / 2,
        log_rotation_sigma=(one_from_two.log_rotation_sigma + two_from_one.log_rotation_sigma) / 2,
        log_position_sigma=(one_from_two.log_position_sigma + two_from_one.log_position_sigma) / 2,
    )


def rotation_matrix_from_quaternion(quat_xyzw: Tensor) -> Tensor:
    """Return (B, 3, 3) for unit quaternions (B, 4)."""
    return quaternion_to_rotation_matrix(quat_xyzw.roll(1, 1))  # kornia's are wxyz


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a short cut; halves the resolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        """Create the layers."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride=2, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """
        Apply the block.

        :param x: (B, C_in, h, w).
        :return: (B, C_out, ceil(h / 2), ceil(w / 2)).
        """
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class PoseHead(nn.Module):
    """Residual blocks to a vector of 1152, then one MLP, or two or three, to the pose."""

    def __init__(self, channels: int, heads: int = 1, corrects: bool = False) -> None:
        """
        Create the layers.

        :param channels: of the correspondence map, or of the motion map.
        :param heads: 1 (the paper's best), 2 (rotation, translation) or 3 (rotation, direction,
            scale).
        :param corrects: the head corrects the motion of a motion map, and does not at first.
        :raises ValueError: for another number of heads.
        """
        super().__init__()
        if heads not in HEAD_SIZES:
            raise ValueError(f'heads: expected 1, 2 or 3, got {heads}')
        sizes = (channels, *STAGE_CHANNELS)
        self.blocks = nn.Sequential(
            *(ResidualBlock(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        )
        flat = STAGE_CHANNELS[-1] * FLAT_SHAPE[0] * FLAT_SHAPE[1]
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(flat, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, size))
            for size in HEAD_SIZES[heads]
        )
        if corrects:
            for mlp in self.mlps:
                nn.init.zeros_(mlp[-1].weight)
                nn.init.zeros_(mlp[-1].bias)
            self.scale_sigmas(*FIRST_SIGMAS)

    def forward(self, maps: Tensor, motion: Motion | None = None) -> PosePrediction:
        """
        Regress the pose.

        :param maps: (B, C, h, w), correspondence map, or motion map where there is a motion.
        :param motion: what the head corrects, and gives a length; without, it regresses all.
        """
        x = self.blocks(maps)
        # At 192x144 this is 3x3 already; other shapes are pooled to it.
        x = F.adaptive_avg_pool2d(x, FLAT_SHAPE).flatten(1)  # (B, 1152)
        out = torch.cat([mlp(x) for mlp in self.mlps], dim=1)  # (B, 10)
        quat_xyzw, direction, distance_m = out[:, :4], out[:, 5:8], F.softplus(out[:, 8])
        log_sigmas = out[:, [ROTATION_SIGMA, POSITION_SIGMA]]
        if motion is not None:
            change = CORRECTION * out
            quat_xyzw = _turned(motion.rotation, change[:, :4])
            direction = motion.direction + change[:, 5:8]
            distance_m = TYPICAL_DEPTH_M * mean_nearness(maps) * change[:, 8].exp()
            log_sigmas = log_sigmas + MISFIT_GROWTH * motion.misfit[:, None]
        return PosePrediction(
            quat_xyzw=F.normalize(quat_xyzw, dim=1),
            log_rotation_sigma=log_sigmas[:, 0],
            direction=F.normalize(direction, dim=1),
            distance_m=distance_m,
            log_position_sigma=log_sigmas[:, 1],
        )

    @torch.no_grad()
    def scale_sigmas(self, rotation: float, position: float) -> None:
        """Multiply all expected errors by factors."""
        change = torch.zeros(sum(mlp[-1].out_features for mlp in self.mlps))
        change[ROTATION_SIGMA], change[POSITION_SIGMA] = log(rotation), log(position)
        parts = change.split([mlp[-1].out_features for mlp in self.mlps])
        for mlp, part in zip(self.mlps, parts, strict=True):
            mlp[-1].bias += part.to(mlp[-1].bias)


def _turned(rotation: Tensor, change: Tensor) -> Tensor:
    """Return quaternions xyzw (B, 4) of rotations (B, 3, 3) turned by a change, 0 for none."""
    turn = F.normalize(change + change.new_tensor((0, 0, 0, 1)), dim=1)
    turned = rotation_matrix_from_quaternion(turn) @ rotation
    quat_xyzw = rotation_matrix_to_quaternion(turned.contiguous()).roll(-1, 1)
    return quat_xyzw * torch.where(quat_xyzw[:, 3:] < 0, -1.0, 1.0)
