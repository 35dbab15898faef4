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

    @property
    def total(self) -> Tensor:
        """Return the sum, all weights 1."""
        return self.rotation + self.direction + self.translation


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
