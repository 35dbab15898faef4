"""
Depth of a keyframe without a depth camera, from the keyframes around it, at its corners.

A plane sweep (Collins 1996) over corners alone: each is looked for along its epipolar lines in
several neighbours at once, by dense RootSIFT; it is where they agree best and clearly better than
elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from relpose_ros.core.chosen_products import chosen_products
from relpose_ros.core.fine_matching import Corners, FineImage, parabola_peak
from relpose_ros.core.geometry import inverse
import torch
from torch import Tensor
from torch.nn import functional

# Distances that are tried, evenly in disparity: what is nearer than about the median baseline is
# seen from too different sides, what is further off than many of the largest moves too little.
NEAR_BASELINES, FAR_BASELINES, STEPS = 0.8, 20.0, 200
# A corner must be inside of so many neighbours, look so alike in them, and by so much more alike
# than at any distance more than a few steps off.
MIN_VIEWS, MIN_SIMILARITY, MIN_MARGIN, PEAK_STEPS = 2, 0.75, 0.05, 5
# A depth is also that of the pixels around its corner, as the same corner is found again [px].
REACH_PX = 2
MIN_CORNERS = 50  # that have depth, of an image that gets any
OUTSIDE = -1  # place of what an image does not show


@dataclass(frozen=True, slots=True, eq=False)
class PosedView:
    """
    An image and where it was taken.

    :param map_from_camera: (4, 4) [m].
    """

    image: FineImage
    map_from_camera: np.ndarray


@torch.inference_mode()
def triangulated_depth(view: PosedView, neighbours: Sequence[PosedView]) -> np.ndarray | None:
    """
    Find the depth of an image's corners.

    :param neighbours: from other places, which see some of the same.
    :return: (H, W) float32 of the image as it came, 0 where unknown [m]; None if it is so nearly
        everywhere.
    """
    corners, camera = view.image.corners, view.image.original
    if len(neighbours) < MIN_VIEWS:
        return None
    z_m = _swept(corners, view, neighbours)
    if np.count_nonzero(z_m) < MIN_CORNERS:
        return None
    depth_m = np.zeros((camera.height, camera.width), np.float32)
    reach = max(1, round(REACH_PX * camera.width / view.image.camera.width))
    pixels = np.rint(view.image.in_original(corners.pixels)).astype(int)
    for (u, v), z in zip(pixels[z_m > 0], z_m[z_m > 0], strict=True):
        depth_m[max(0, v - reach) : v + reach + 1, max(0, u - reach) : u + reach + 1] = z
    return depth_m


def _swept(corners: Corners, view: PosedView, neighbours: Sequence[PosedView]) -> np.ndarray:
    """Return depths (n,), 0 where the neighbours do not tell [m]."""
    poses = [inverse(each.map_from_camera) @ view.map_from_camera for each in neighbours]
    baselines_m = np.linalg.norm([pose[:3, 3] for pose in poses], axis=1)
    near_m = NEAR_BASELINES * np.median(baselines_m)
    far_m = FAR_BASELINES * baselines_m.max()
    device = corners.descriptors.device
    disparity = torch.linspace(1 / far_m, 1 / near_m, STEPS, device=device)  # [1 / m]
    rays = torch.from_numpy(view.image.camera.rays(corners.pixels)).float().to(device)
    total = torch.zeros(len(rays), STEPS, device=device)
    views = torch.zeros_like(total)
    for neighbour, pose in zip(neighbours, poses, strict=True):
        turn, shift = torch.from_numpy(pose[:3]).float().to(device).split((3, 1), dim=1)
        points = (rays @ turn.T)[:, None] + disparity[:, None] * shift[:, 0]  # (n, STEPS, 3)
        similarity, inside = _similarity(neighbour.image, points, corners.descriptors)
        total, views = total + similarity, views + inside
    mean = torch.where(views >= MIN_VIEWS, total / views.clamp_min(1), -1.0)
    place, sure = _peaks(mean)
    found = disparity[0] + place * (disparity[1] - disparity[0])
    return torch.where(sure, 1 / found, 0.0).cpu().numpy()


def _similarity(image: FineImage, points: Tensor, descriptors: Tensor) -> tuple[Tensor, Tensor]:
    """
    Compare descriptors (n, 128) with an image where points (n, s, 3) of its camera show.

    :return: similarities (n, s), 0 outside of the image; which are inside (n, s).
    """
    place, inside = _places(image, points)
    there = image.grid.descriptors.flatten(0, 1)
    # Distances are finer than the grid: several fall on one place.
    new = inside & (place != functional.pad(place[:, :-1], (1, 0), value=OUTSIDE))
    found = chosen_products(descriptors.float(), there, place, new)
    last_new = (new.flatten().cumsum(0) - 1).clamp_min(0).view_as(place)
    found = functional.pad(found, (0, 1))  # where nothing is inside
    return torch.where(inside, found[last_new], 0.0), inside


def _places(image: FineImage, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return where on the grid points (n, s, 3) show, counted row by row, and whether: (n, s)."""
    camera, (rows, columns) = image.camera, image.grid.shape
    x, y, z = points.unbind(-1)
    ahead = z > 1e-6
    z = torch.where(ahead, z, 1.0)
    column, row = image.grid.nearest(camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy)
    inside = ahead & (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    return torch.where(inside, row * columns + column, OUTSIDE).long(), inside


def _peaks(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """
    Find the best of s distances.

    :param similarity: (n, s).
    :return: place (n,), fractions included; whether it stands out (n,).
    """
    count = similarity.shape[1]
    best, place = similarity.max(1)
    far = (torch.arange(count, device=place.device) - place[:, None]).abs() > PEAK_STEPS
    second = torch.where(far, similarity, -1.0).amax(1)
    sure = (best > MIN_SIMILARITY) & (best - second > MIN_MARGIN)
    sure &= (place > 0) & (place < count - 1)
    place = place.clamp(1, count - 2)
    before, at, after = (similarity.gather(1, (place + i)[:, None])[:, 0] for i in (-1, 0, 1))
    return place + parabola_peak(before, at, after), sure
