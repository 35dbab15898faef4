"""Neighbours that vouch for each other's matches."""

import numpy as np
from relpose_ros.core.correspondence import cell_grid, correspond
from relpose_ros.core.match_consensus import FLOOR, vouched
import torch

SHAPE_1, SHAPE_2 = (4, 5), (5, 6)


def support_by_loops(likely):
    likely = likely.reshape(*SHAPE_1, *SHAPE_2)
    padded = np.pad(likely, ((1, 1), (1, 1), (2, 2), (2, 2)))
    total = np.zeros_like(likely)
    for y, x, v, u in np.ndindex(*likely.shape):
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                row, column = v + down + 2, u + right + 2
                inside = 0 <= v + down < SHAPE_2[0] and 0 <= u + right < SHAPE_2[1]
                near = padded[
                    y + down + 1, x + right + 1, row - 1 : row + 2, column - 1 : column + 2
                ]
                total[y, x, v, u] += near.max() if inside else 0
    return (total.reshape(20, 30) / 9 + FLOOR) ** 2


def test_what_is_likely_equals_plain_loops():
    correlation = 3 * torch.randn(2, 20, 30, generator=torch.Generator().manual_seed(0))
    likely = correlation.softmax(2) * correlation.softmax(1)
    found = vouched(likely, SHAPE_1, SHAPE_2)
    for i in range(2):
        alone = likely[i].double().numpy()
        first = alone * support_by_loops(alone)
        each_other = first**2 / first.sum(1, keepdims=True) / first.sum(0, keepdims=True)
        np.testing.assert_allclose(found[i], first * support_by_loops(each_other), rtol=1e-4)


def test_cells_that_look_like_others_follow_their_neighbours():
    """A pattern seen two columns to the right; some of its cells look as much like another one."""
    generator = torch.Generator().manual_seed(0)
    features_1 = torch.nn.functional.normalize(
        torch.randn(1, 32, 12, 16, generator=generator), dim=1
    )
    features_2 = features_1.roll(2, 3)
    alike = [(3, 4), (8, 9), (6, 6)]
    for row, column in alike:
        # somewhere else the same is seen, a little better
        features_2[..., 11 - row, 3] = 1.05 * features_1[..., row, column]
    true = cell_grid(features_1)[0] + torch.tensor((2, 0))[:, None, None]
    found, _ = correspond(features_1, features_2, temperature=0.003, consensus=True)
    alone, _ = correspond(features_1, features_2, temperature=0.003)
    for row, column in alike:
        assert (found.cells_2[0, :, row, column] == true[:, row, column]).all()
        assert (alone.cells_2[0, :, row, column] != true[:, row, column]).any()
    right = (found.cells_2[0] == true).all(0)[:, :14]
    assert right.float().mean() > 0.95
