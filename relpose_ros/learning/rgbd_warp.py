"""New views out of recorded ones: their pixels, lifted by depth, seen from another place."""

from math import radians

from relpose_ros.learning.augmentation import rotations
from relpose_ros.learning.views import Views
import torch
from torch import Tensor

MOVE_M, TURN_DEG = 0.15, 5.0  # standard deviation along and about each axis
UNSEEN = 2**62
PIXEL_BITS = 32


def warped(views: Views, seed: int) -> Views:
    """
    Move every camera a little and render what its own depth image knows.

    What the recorded camera did not see is black and without depth.

    :param views: N, with depth.
    :return: N views of the same scenes.
    """
    generator = torch.Generator().manual_seed(seed)
    chance = torch.randn(2, len(views), 3, generator=generator).to(views.K.device)
    moved = torch.eye(4, device=views.K.device).repeat(len(views), 1, 1)  # old_from_new
    moved[:, :3, :3] = rotations(chance[0] * radians(TURN_DEG))
    moved[:, :3, 3] = chance[1] * MOVE_M
    rows = [_warped(views[slice(i, i + 1)], moved[i]) for i in range(len(views))]
    grey, depth_m = (torch.stack(column) for column in zip(*rows, strict=True))
    return Views(grey, depth_m, views.K, views.world_from_camera @ moved, views.scene)


def _warped(view: Views, old_from_new: Tensor) -> tuple[Tensor, Tensor]:
    """Return image and depth (H, W) of one view seen from another place."""
    height, width = view.depth_m.shape[1:]
    z = view.depth_m[0].float().flatten()
    source = (z > 0).nonzero()[:, 0]
    pixels = torch.stack((source % width, source // width, torch.ones_like(source))).float()
    points = (view.K[0].inverse() @ pixels) * z[source]
    points = old_from_new[:3, :3].T @ (points - old_from_new[:3, 3:])
    depth = points[2]
    place = (view.K[0] @ points)[:2] / depth.clamp_min(1e-3)
    # The nearest surface wins: its key has the smaller depth in front and its pixel behind.
    keys = ((depth * 1000).long() << PIXEL_BITS) | source
    winner = torch.full((height * width,), UNSEEN, device=z.device)
    for du in (0, 1):  # every pixel covers the four around its place, so that no cracks open
        for dv in (0, 1):
            u, v = (place.floor() + place.new_tensor((du, dv))[:, None]).long()
            inside = (depth > 1e-3) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
            flat = (v * width + u)[inside]
            winner.scatter_reduce_(0, flat, keys[inside], 'amin')
    seen = winner < UNSEEN
    index = torch.where(seen, winner & ((1 << PIXEL_BITS) - 1), 0)
    grey = torch.where(seen, view.grey[0].flatten()[index], 0)
    depth_m = torch.where(seen, (winner >> PIXEL_BITS) / 1000, 0).half()
    return grey.unflatten(0, (height, width)), depth_m.unflatten(0, (height, width))
