"""What polished floors and table tops reflect."""

from relpose_ros.learning.raycast import Bundles, dot, trace, unit
from relpose_ros.learning.surface import Surface, surface
from relpose_ros.learning.worlds import Worlds
import torch
from torch import Tensor

LEAST_GLOSS, LEAST_SHARE = 0.25, 0.04  # weaker reflections are not worth a ray
FACING = 0.03  # share of the light that a polished surface reflects straight back
INDIRECT = (0.6, 0.6, 0.57)  # stands for all light on what is reflected; no shadows there
HAZE = 5.0  # footprints grow by this: polish is never perfect
SAME_LEVEL_M = 2e-3


def reflection(
    worlds: Worlds, rays: Bundles, t: Tensor, seen: Surface, pixel_rad: float, farthest: float
) -> Tensor:
    """
    Return the radiance (M, 3, R) that level surfaces reflect; one level for each bundle.

    :param t: (M, R), of the hits that the surfaces describe.
    :param pixel_rad: angle between neighbouring rays [rad].
    :param farthest: t beyond which nothing is reflected.
    """
    out = torch.zeros_like(seen.albedo)
    cosine = -dot(unit(rays.direction), seen.normals)
    share = seen.gloss.sqrt() * (FACING + (1 - FACING) * (1 - cosine).clamp(0, 1) ** 5)
    polished = (seen.gloss > LEAST_GLOSS) & (seen.normals[:, 2] > 0.999) & (share > LEAST_SHARE)
    height = torch.where(polished, seen.points[:, 2], torch.nan).nanmedian(1).values
    polished &= (seen.points[:, 2] - height[:, None]).abs() < SAME_LEVEL_M
    some = polished.any(1).nonzero()[:, 0]
    if not len(some):
        return out
    # Seen from the camera's mirror image below the surface; what lies before it is ignored.
    upside_down = rays.direction.new_tensor((1.0, 1.0, -1.0))
    origin = rays.origin[some] * upside_down
    origin[:, 2] += 2 * height[some]
    below = Bundles(rays.world[some], origin, rays.direction[some] * upside_down[:, None])
    limit = torch.where(polished[some], farthest, -1.0)
    reach, hit = trace(worlds, below, limit, start=t[some] + SAME_LEVEL_M)
    there = surface(worlds, below, reach, hit, HAZE * pixel_rad)
    ambient = there.albedo.new_tensor(INDIRECT) * worlds.ambient[below.world, None]
    light = there.albedo * (ambient[:, :, None] + there.emission[:, None])
    lit = polished[some] & (hit >= 0)
    out[some] = light * (share[some] * lit)[:, None]
    return out
