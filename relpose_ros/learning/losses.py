"""The loss of the pose head (paper section 3.4, eq. 4-6)."""

from dataclasses import dataclass

from relpose_ros.core.pose_head import PosePrediction
import torch
from torch import nn, Tensor
import torch.nn.functional as F

# Below this baseline a direction is noise, and its term is left out [m].
MIN_BASELINE_M = 1e-3


@dataclass(frozen=True, slots=True)
class PoseLoss:
    """
    The terms of the loss, each averaged over the batch; their sum is the paper's loss.

    :param rotation: L1 of the quaternion.
    :param direction: 1 - cosine of the angle between the translations.
    :param translation: L1 of the metric translation.
    """

    rotation: Tensor
    direction: Tensor
    translation: Tensor

    def total(self, direction: bool = True) -> Tensor:
        """
        Return the sum, all weights 1.

        :param direction: with the term of the direction.
        """
        total = self.rotation + self.translation
        return total + self.direction if direction else total


@dataclass(frozen=True, slots=True)
class PoseErrors:
    """
    Errors of B predictions (paper eq. 8-10).

    :param position_m: (B,) [m].
    :param direction_rad: (B,); NaN without a baseline [rad].
    :param rotation_rad: (B,) [rad].
    """

    position_m: Tensor
    direction_rad: Tensor
    rotation_rad: Tensor


def pose_loss(prediction: PosePrediction, quat_xyzw: Tensor, translation_m: Tensor) -> PoseLoss:
    """
    Compare predictions with the truth.

    :param quat_xyzw: (B, 4), R_1_from_2; its sign is fixed here to w >= 0, as in the paper.
    :param translation_m: (B, 3), t_1_from_2 [m].
    """
    quat_xyzw = F.normalize(quat_xyzw, dim=1)
    quat_xyzw = torch.where(quat_xyzw[:, 3:] < 0, -quat_xyzw, quat_xyzw)
    rotation = (prediction.quat_xyzw - quat_xyzw).abs().sum(1).mean()
    cosine = F.cosine_similarity(prediction.direction, translation_m, dim=1)
    moved = (translation_m.norm(dim=1) > MIN_BASELINE_M).to(cosine.dtype)
    direction = ((1 - cosine) * moved).sum() / moved.sum().clamp(min=1)
    translation = (prediction.translation_m - translation_m).abs().sum(1).mean()
    return PoseLoss(rotation, direction, translation)


def pose_errors(
    prediction: PosePrediction, quat_xyzw: Tensor, translation_m: Tensor
) -> PoseErrors:
    """
    Measure predictions.

    :param quat_xyzw: (B, 4), R_1_from_2, unit norm.
    :param translation_m: (B, 3), t_1_from_2 [m].
    """
    cosine = (prediction.quat_xyzw * quat_xyzw).sum(1).abs().clamp(max=1)
    direction = F.cosine_similarity(prediction.direction, translation_m, dim=1).clamp(-1, 1)
    moved = translation_m.norm(dim=1) > MIN_BASELINE_M
    return PoseErrors(
        position_m=(prediction.translation_m - translation_m).norm(dim=1),
        direction_rad=torch.where(moved, direction.arccos(), torch.nan),
        rotation_rad=2 * cosine.arccos(),
    )


def uncertainty_loss(prediction: PosePrediction, errors: PoseErrors) -> Tensor:
    """
    Teach the head how large its errors are: likelihood of an exponential distribution.

    The errors are taken as they are: no gradient reaches the pose from here.

    :return: mean over the batch; the least at sigma = expected error.
    """
    position = errors.position_m.detach(), prediction.log_position_sigma
    rotation = errors.rotation_rad.detach(), prediction.log_rotation_sigma
    terms = [log_sigma + error * (-log_sigma).exp() for error, log_sigma in (position, rotation)]
    return torch.stack(terms).sum(0).mean()


class LearnedWeights(nn.Module):
    """Weights of the terms that are learned with them (Kendall and Cipolla 2017)."""

    def __init__(self) -> None:
        """Begin with all weights 1."""
        super().__init__()
        self.log_variances = nn.Parameter(torch.zeros(3))

    def forward(self, loss: PoseLoss) -> Tensor:
        """Return the weighted sum."""
        terms = torch.stack((loss.rotation, loss.direction, loss.translation))
        return (terms * (-self.log_variances).exp() + self.log_variances).sum()
