"""The pose loss against the paper's words."""

import numpy as np
import pytest
from relpose_ros.core.pose_head import PoseHead, PosePrediction
from relpose_ros.learning.losses import LearnedWeights, pose_loss
import torch

QUAT = torch.tensor([[0.0, 0.0, 0.6, 0.8]])
TRANSLATION = torch.tensor([[3.0, 0.0, 4.0]])


def prediction(quat=QUAT, direction=TRANSLATION / 5, distance=5.0):
    zero = torch.zeros(1)
    return PosePrediction(quat, direction, torch.tensor([distance]), zero, zero)


def test_the_truth_costs_nothing_whatever_the_sign_of_its_quaternion():
    assert pose_loss(prediction(), QUAT, TRANSLATION).total().item() == pytest.approx(0, abs=1e-6)
    assert pose_loss(prediction(), -QUAT, TRANSLATION).total().item() == pytest.approx(0, abs=1e-6)


def test_terms_are_separate():
    flipped = pose_loss(prediction(direction=-TRANSLATION / 5), QUAT, TRANSLATION)
    assert flipped.direction.item() == pytest.approx(2)
    assert flipped.translation.item() == pytest.approx(14)
    assert flipped.rotation.item() == pytest.approx(0, abs=1e-6)
    longer = pose_loss(prediction(distance=10.0), QUAT, TRANSLATION)
    assert longer.direction.item() == pytest.approx(0, abs=1e-6)
    assert longer.translation.item() == pytest.approx(7)
    turned = pose_loss(prediction(quat=torch.tensor([[0.0, 0.0, 0.0, 1.0]])), QUAT, TRANSLATION)
    assert turned.rotation.item() == pytest.approx(0.8)


def test_without_a_baseline_there_is_no_direction_to_learn():
    loss = pose_loss(prediction(), QUAT, torch.zeros(1, 3))
    assert loss.direction.item() == 0
    assert np.isfinite(loss.total().item())


def test_learned_weights_begin_at_one_and_learn():
    weights = LearnedWeights()
    loss = pose_loss(prediction(distance=10.0), -QUAT, TRANSLATION)
    assert weights(loss).item() == pytest.approx(loss.total().item())
    weights(loss).backward()
    assert weights.log_variances.grad[2] < 0  # the large term is weighed down


def test_a_head_overfits_one_batch():
    torch.manual_seed(0)
    head = PoseHead(8)
    maps = torch.randn(4, 8, 6, 8)
    quat = torch.nn.functional.normalize(torch.randn(4, 4), dim=1)
    translation = torch.randn(4, 3)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    first = None
    for _ in range(60):
        loss = pose_loss(head(maps), quat, translation).total()
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first
