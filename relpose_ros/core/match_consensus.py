"""
Neighbours that match alike vouch for each other (neighbourhood consensus).

A cell of a plain wall looks like many. The cells around it that match say how far it moved: the
idea of Rocco et al., Neighbourhood Consensus Networks (2018), with fixed weights instead of
learned convolutions.
"""

from collections.abc import Callable

import torch
from torch import Tensor

SUPPORT = 2.0  # how much the neighbours' logarithm counts beside the cell's own
# What nothing vouches for is not impossible: the edge of an object has neighbours of another.
FLOOR = 0.02

Combine = Callable[..., Tensor]  # torch.maximum or torch.add


def vouched_scores(
    correlation: Tensor, shape_1: tuple[int, int], shape_2: tuple[int, int]
) -> Tensor:
    """
    Weigh what cells look like by how their neighbours match; two rounds.

    :param correlation: (B, h1 w1, h2 w2), divided by the temperature.
    :param shape_1: rows and columns of image 1.
    :param shape_2: rows and columns of image 2.
    :return: scores (B, h1 w1, h2 w2): the larger, the likelier the match.
    """
    scores = _log_dual_softmax(correlation)
    scores = scores + _log_support(scores, shape_1, shape_2)
    return scores + _log_support(_log_dual_softmax(scores), shape_1, shape_2)


def _log_dual_softmax(scores: Tensor) -> Tensor:
    """Return the logarithm of LoFTR's dual softmax: how likely cells are each other's match."""
    each_way = scores.logsumexp(2, keepdim=True) + scores.logsumexp(1, keepdim=True)
    return 2 * scores - each_way


def _log_support(log_likely: Tensor, shape_1: tuple[int, int], shape_2: tuple[int, int]) -> Tensor:
    """
    Add up how likely the 3x3 around each cell move by what it would move by, or by a cell more.

    :param log_likely: (B, h1 w1, h2 w2).
    """
    likely = log_likely.exp().unflatten(2, shape_2).unflatten(1, shape_1)  # (B, h1, w1, h2, w2)
    for axis in (3, 4):
        likely = _with_neighbours(likely, (axis,), torch.maximum)
    for axes in ((1, 3), (2, 4)):
        likely = _with_neighbours(likely, axes, torch.add)
    return SUPPORT * (likely.flatten(3).flatten(1, 2) / 9 + FLOOR).log()


def _with_neighbours(likely: Tensor, axes: tuple[int, ...], combine: Combine) -> Tensor:
    """Combine each entry with those before and after it, along all axes at once."""
    combined = likely.clone()
    last = likely.shape[axes[0]] - 1, likely.shape[axes[-1]] - 1
    for here, there in ((0, 1), (1, 0)):
        to, of = combined, likely
        for axis, length in zip(axes, last, strict=False):
            to, of = to.narrow(axis, here, length), of.narrow(axis, there, length)
        combine(to, of, out=to)
    return combined
