"""New shots from old views: the camera turned, zoomed and mirrored, light and lens changed."""

from dataclasses import dataclass

from relpose_ros.learning.optics import gaussian_blurred
from relpose_ros.learning.views import Views
import torch
from torch import Tensor
import torch.nn.functional as F

BLUR_REACH_PX = 3
SHARP_PX = 0.05  # standard deviation of a blur that changes nothing
WILD = 3.5  # a view that is paired with itself turns this much further


@dataclass(frozen=True, slots=True)
class Augmentation:
    """
    How far shots may differ from the views they are made of.

    Turning and zooming are exact: depth, pose and intrinsics follow the image.

    :param size: width and height of the shots [px].
    :param turn_deg: standard deviation of the camera's turn about its x and y axis [deg].
    :param roll_deg: the same about its z axis, the one it looks along: a camera that looks down
        at what it goes around rolls by much.
    :param zoom: range of the focal length's factor.
    :param light: strength of gain, contrast, gamma and uneven light; 0: none.
    :param blur_px: largest standard deviation of the blur [px].
    :param noise: largest standard deviation of the noise, of the full range.
    """

    size: tuple[int, int] = (192, 144)
    turn_deg: float = 4.0
    roll_deg: float = 4.0
    zoom: tuple[float, float] = (0.95, 1.3)
    light: float = 1.0
    blur_px: float = 1.2
    noise: float = 0.04


@dataclass(frozen=True, slots=True)
class Shots:
    """
    N images as the network sees them.

    :param images: (N, 1, h, w) grey in [0, 1].
    :param depth_m: (N, h, w), 0 where unknown [m].
    :param K: (N, 3, 3) [px].
    :param world_from_camera: (N, 4, 4).
    """

    images: Tensor
    depth_m: Tensor
    K: Tensor
    world_from_camera: Tensor


class Chance:
    """Random numbers of one step."""

    def __init__(self, seed: int, count: int, device: torch.device) -> None:
        """Seed the step of N shots."""
        self._generator = torch.Generator(device).manual_seed(seed)
        self._count, self._device = count, device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return (N, ...) in [low, high)."""
        size = (self._count, *shape)
        value = torch.rand(size, generator=self._generator, device=self._device)
        return low + (high - low) * value

    def normal(self, *shape: int) -> Tensor:
        """Return (N, ...)."""
        size = (self._count, *shape)
        return torch.randn(size, generator=self._generator, device=self._device)


def make_shots(
    views: Views, augmentation: Augmentation, mirrored: Tensor, wild: Tensor, seed: int
) -> Shots:
    """
    Photograph each view anew.

    :param mirrored: (N,) bool, views to swap left and right; the world is mirrored with them.
    :param wild: (N,) bool, views to turn and zoom much further: those paired with themselves.
    """
    chance = Chance(seed, len(views), views.grey.device)
    width, height = augmentation.size
    spread_deg = (augmentation.turn_deg, augmentation.turn_deg, augmentation.roll_deg)
    turn = chance.normal(3) * views.K.new_tensor(spread_deg).deg2rad()
    new_from_old = rotations(torch.where(wild[:, None], WILD * turn, turn))
    zoom = chance.uniform(*augmentation.zoom)
    zoom = zoom ** torch.where(wild, 2.0, 1.0)
    K = _resized(views, width, height)
    K[:, :2, :2] *= zoom[:, None, None]
    images, depth_m = _warped(views, new_from_old, K, (height, width))
    world_from_camera = views.world_from_camera.clone()
    world_from_camera[:, :3, :3] @= new_from_old.transpose(1, 2)
    images, depth_m, K, world_from_camera = _mirrored(
        mirrored, images, depth_m, K, world_from_camera
    )
    return Shots(_lit(images, augmentation, chance), depth_m, K, world_from_camera)


def plain_shots(views: Views, size: tuple[int, int]) -> Shots:
    """Return the views as they are, resized to (width, height)."""
    count, device = len(views), views.grey.device
    K = _resized(views, *size)
    identity = torch.eye(3, device=device).expand(count, 3, 3)
    images, depth_m = _warped(views, identity, K, size[::-1])
    return Shots(images, depth_m, K, views.world_from_camera)


def rotations(vectors: Tensor) -> Tensor:
    """Return (N, 3, 3) for rotation vectors (N, 3) [rad]."""
    x, y, z = vectors.unbind(1)
    zero = torch.zeros_like(x)
    skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), 1).reshape(-1, 3, 3)
    return torch.linalg.matrix_exp(skew)


def _resized(views: Views, width: int, height: int) -> Tensor:
    """Return the intrinsics (N, 3, 3) of the views resized: u' = (u + 0.5) s - 0.5."""
    scale = views.K.new_tensor((width / views.grey.shape[2], height / views.grey.shape[1]))
    K = views.K.clone()
    K[:, :2] *= scale[:, None]
    K[:, :2, 2] += (scale - 1) / 2
    return K


def _warped(
    views: Views, new_from_old: Tensor, K: Tensor, shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return image (N, 1, h, w) and depth (N, h, w) as turned cameras see them."""
    height, width = views.grey.shape[1:]
    v, u = torch.meshgrid(
        torch.arange(shape[0], device=K.device),
        torch.arange(shape[1], device=K.device),
        indexing='ij',
    )
    pixels = torch.stack((u, v, torch.ones_like(u))).flatten(1).float()
    rays = new_from_old.transpose(1, 2) @ (K.inverse() @ pixels)  # (N, 3, h w)
    seen = views.K @ (rays / rays[:, 2:])
    grid = seen[:, :2].transpose(1, 2).unflatten(1, shape)
    grid = (grid + 0.5) / grid.new_tensor((width, height)) * 2 - 1
    images = views.grey[:, None].float() / 255
    images = F.grid_sample(images, grid, padding_mode='border', align_corners=False)
    depth = views.depth_m[:, None].float()
    depth = F.grid_sample(depth, grid, mode='nearest', align_corners=False)[:, 0]
    return images, depth / rays[:, 2].unflatten(1, shape)


def _mirrored(
    mirrored: Tensor, images: Tensor, depth_m: Tensor, K: Tensor, world_from_camera: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    flip = torch.diag(K.new_tensor((-1, 1, 1, 1)))
    other = K.clone()
    other[:, 0, 2] = images.shape[-1] - 1 - K[:, 0, 2]
    rows = mirrored[:, None, None]
    return (
        torch.where(rows[:, None], images.flip(-1), images),
        torch.where(rows, depth_m.flip(-1), depth_m),
        torch.where(rows, other, K),
        torch.where(rows, flip @ world_from_camera @ flip, world_from_camera),
    )


def _lit(images: Tensor, augmentation: Augmentation, chance: Chance) -> Tensor:
    """Change light, sharpness and noise of each image (N, 1, h, w)."""
    strength = augmentation.light
    uneven = chance.normal(1, 3, 4) * 0.15 * strength
    uneven = F.interpolate(uneven, images.shape[-2:], mode='bicubic', align_corners=False)
    gamma = (chance.normal(1, 1, 1) * 0.3 * strength).exp()
    gain = (chance.normal(1, 1, 1) * 0.2 * strength).exp()
    offset = chance.normal(1, 1, 1) * 0.04 * strength
    images = images.clamp(1e-3, 1) ** gamma * (gain * uneven.exp()) + offset
    sigma_px = chance.uniform(0, augmentation.blur_px).clamp_min(SHARP_PX)
    images = gaussian_blurred(images, sigma_px, BLUR_REACH_PX)
    noise = chance.normal(*images.shape[1:])
    spread = augmentation.noise * chance.uniform(0, 1, 1, 1, 1) ** 2  # most are little
    return (images + spread * noise).clamp(0, 1)
