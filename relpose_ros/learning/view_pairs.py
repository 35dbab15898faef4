"""Which views show the same, and how to draw groups of them for training."""

from dataclasses import dataclass

from relpose_ros.learning.views import Views
import torch
from torch import Tensor

STRIDE_PX = 16
ROWS = 32  # views whose overlap with all others is found at once
# Depth of another view agrees within this share; a larger gap is another surface.
DEPTH_TOLERANCE = 0.1
OVERLAP_BINS = 9  # of 0.1 each, from MIN_OVERLAP to 1
MIN_OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class ViewPairs:
    """
    Ordered pairs of views.

    :param first: (P,) long.
    :param second: (P,) long; the same as first for a pair made by warping one view twice.
    :param overlap: (P,), share of the first view that the second shows too.
    """

    first: Tensor
    second: Tensor
    overlap: Tensor


@dataclass(frozen=True, slots=True)
class PairLimits:
    """
    Which pairs are worth learning from.

    :param overlap: smallest and largest share of the first view that the second shows too.
    :param baseline_m: largest distance between the cameras [m].
    :param rotation_deg: largest angle between them [deg].
    """

    overlap: tuple[float, float] = (MIN_OVERLAP, 1.0)
    baseline_m: float = 2.0
    rotation_deg: float = 60.0


def overlapping_pairs(views: Views, limits: PairLimits) -> ViewPairs:
    """
    Find the pairs within a scene by reprojecting depth.

    :param views: with depth; sorted by scene.
    """
    found = []
    scenes, counts = views.scene.unique_consecutive(return_counts=True)
    start = 0
    for count in counts.tolist():
        part = views[slice(start, start + count)]
        rows = torch.arange(count, device=part.scene.device).split(ROWS)
        overlap = torch.cat([_overlap(part, chunk) for chunk in rows])
        allowed = _near(part.world_from_camera, limits)
        allowed &= (overlap >= limits.overlap[0]) & (overlap <= limits.overlap[1])
        first, second = allowed.fill_diagonal_(False).nonzero().unbind(1)
        found.append((first + start, second + start, overlap[first, second]))
        start += count
    return ViewPairs(*(torch.cat(column) for column in zip(*found, strict=True)))


def self_pairs(views: Views) -> ViewPairs:
    """Pair every view with itself, to be warped into two."""
    index = torch.arange(len(views), device=views.scene.device)
    return ViewPairs(index, index, torch.ones(len(views), device=index.device))


def _overlap(views: Views, rows: Tensor) -> Tensor:
    """Return the share of the known points of some views (R,) that each view shows, (R, N)."""
    height, width = views.depth_m.shape[1:]
    z = views.depth_m[rows, STRIDE_PX // 2 :: STRIDE_PX, STRIDE_PX // 2 :: STRIDE_PX].float()
    v, u = torch.meshgrid(
        *(torch.arange(n, device=z.device) * STRIDE_PX + STRIDE_PX // 2 for n in z.shape[1:]),
        indexing='ij',
    )
    pixels = torch.stack((u, v, torch.ones_like(u)), -1).flatten(0, 1).float()  # (n, 3)
    z = z.flatten(1)  # (R, n)
    points = (pixels @ views.K[rows].inverse().transpose(1, 2)) * z[..., None]
    pose = views.world_from_camera[rows]
    points = points @ pose[:, :3, :3].transpose(1, 2) + pose[:, None, :3, 3]  # world
    rotation, centre = views.world_from_camera[:, :3, :3], views.world_from_camera[:, :3, 3]
    seen = (points[:, None] - centre[:, None]) @ (rotation @ views.K.transpose(1, 2))
    depth = seen[..., 2]  # (R, N, n)
    column, line = (seen[..., :2] / depth.clamp_min(1e-3)[..., None]).round().unbind(-1)
    inside = (depth > 1e-3) & (column >= 0) & (column < width) & (line >= 0) & (line < height)
    flat = (line.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
    known = views.depth_m.flatten(1).expand(len(rows), -1, -1).gather(2, flat).float()
    agrees = (known > 0) & ((known - depth).abs() < DEPTH_TOLERANCE * depth)
    shown = (inside & agrees & (z > 0)[:, None]).sum(2)
    return shown / (z > 0).sum(1, keepdim=True).clamp_min(1)


def _near(world_from_camera: Tensor, limits: PairLimits) -> Tensor:
    """Return which cameras (N, N) are near each other."""
    centre, rotation = world_from_camera[:, :3, 3], world_from_camera[:, :3, :3]
    trace = torch.einsum('aij,bij->ab', rotation, rotation)
    angle = ((trace - 1) / 2).clamp(-1, 1).arccos().rad2deg()
    return (torch.cdist(centre, centre) <= limits.baseline_m) & (angle <= limits.rotation_deg)


class GroupSampler:
    """
    Draws groups of views, each next to the one before it.

    Sources keep their share whatever their size, and within a source every overlap is as likely
    as any other. The same seed and step draw the same groups, so that training can be resumed.
    """

    def __init__(self, sources: list[tuple[ViewPairs, float]], seed: int) -> None:
        """
        Prepare to draw.

        :param sources: pairs, their views numbered throughout all sources in order, and the
            share of the groups that start from them.
        :raises ValueError: if a source has no pairs.
        """
        if any(len(pairs.first) == 0 for pairs, _ in sources):
            raise ValueError('pairs: a source has none')
        self._seed = seed
        first, order = torch.cat([pairs.first for pairs, _ in sources]).cpu().sort(stable=True)
        weight = torch.cat([share * _even(pairs.overlap.cpu()) for pairs, share in sources])
        self._first = first
        self._second = torch.cat([pairs.second for pairs, _ in sources]).cpu()[order]
        self._cumulative = torch.cat((torch.zeros(1), weight[order])).double().cumsum(0)
        views = torch.arange(int(first.max()) + 1)
        self._start = torch.searchsorted(first, views)
        self._stop = torch.searchsorted(first, views, right=True)

    def draw(self, groups: int, size: int, step: int) -> Tensor:
        """
        Draw groups.

        :return: (groups, size) long, indices of views; neighbours in a row overlap.
        """
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        chance = torch.rand(groups, size - 1, generator=generator, dtype=torch.float64)
        pair = self._pick(chance[:, 0], torch.zeros(groups).long(), len(self._first))
        columns = [self._first[pair], self._second[pair]]
        for number in range(1, size - 1):
            last = columns[-1]
            pair = self._pick(chance[:, number], self._start[last], self._stop[last])
            columns.append(self._second[pair])
        return torch.stack(columns, 1)

    def _pick(self, chance: Tensor, start: Tensor, stop: Tensor | int) -> Tensor:
        """Choose a pair of the range [start, stop) by its weight."""
        low, high = self._cumulative[start], self._cumulative[stop]
        pair = torch.searchsorted(self._cumulative, low + chance * (high - low), right=True) - 1
        return torch.minimum(pair.clamp_min(start), torch.as_tensor(stop) - 1)


def _even(overlap: Tensor) -> Tensor:
    """Return weights (P,) that sum to 1 and make all overlaps equally likely."""
    numbers = ((overlap - MIN_OVERLAP) * 10).long().clamp(0, OVERLAP_BINS - 1)
    counts = numbers.bincount(minlength=OVERLAP_BINS)
    return 1 / counts[numbers] / (counts > 0).sum()
