"""What the package's own head sees of a pair: the motion its matches agree on, and the rest."""

from kornia.geometry.conversions import rotation_matrix_to_quaternion
from relpose_ros.core.correspondence import cell_grid, cell_rays, Correspondence
from relpose_ros.core.two_view_motion import (
    geman_mcclure,
    Motion,
    parallax,
    sampson_error,
    two_view_motion,
)
import torch
from torch import Tensor
import torch.nn.functional as F

CHANNELS = 18
NEARNESS, SURENESS = 6, 10  # where they stand among these
MIN_NEARNESS = 0.005  # is nothing but noise
# What is at the edge of the plane z = 1 or near the epipole is cut off here.
MIN_Z, MIN_SINE, MAX_NEARNESS = 0.2, 0.1, 2.0
UNIT_RAD, MAX_UNITS = 0.03, 3.0  # of the errors


def matched_motion(found: Correspondence, K_1: Tensor, K_2: Tensor) -> Motion:
    """
    Return the motion that mutual matches agree on, as far as each is believed.

    :param found: what each cell of image 1 corresponds to in image 2.
    :param K_1: (B, 3, 3) of image 1 [px].
    :param K_2: (B, 3, 3) of image 2 [px].
    """
    return two_view_motion(*_matching_rays(found, K_1, K_2), found.belief.flatten(1))


def motion_map(found: Correspondence, motion: Motion, K_1: Tensor, K_2: Tensor) -> Tensor:
    """
    Lay out the matches of all cells of image 1, and the motion.

    Of each match: the ray; how it moved, on the plane z = 1, once the rotation is undone; the
    parallax, and the nearness (baseline / depth) that it means; by how much it misses the motion;
    how sure it is, by itself, by the way back and by the motion. Of the motion: direction,
    rotation and misfit, the same everywhere.

    :param found: what each cell of image 1 corresponds to in image 2; others as matched_motion's.
    :return: (B, CHANNELS, h1, w1).
    """
    rays_1, rays_2 = _matching_rays(found, K_1, K_2)
    turned = rays_2 @ motion.rotation.transpose(1, 2)
    place, turned_place = _on_plane(rays_1), _on_plane(turned)
    parallax_rad = parallax(motion, rays_1, rays_2)
    error_rad = sampson_error(motion, rays_1, rays_2)
    sine = (1 - (rays_1 @ motion.direction[..., None])[..., 0].square()).clamp_min(0).sqrt()
    nearness = (parallax_rad / sine.clamp_min(MIN_SINE)).clamp(-1, MAX_NEARNESS)
    of_match = torch.stack(
        (
            *place.unbind(2),
            *(turned_place - place).unbind(2),
            parallax_rad,
            sine,
            nearness,
            (error_rad / UNIT_RAD).clamp(-MAX_UNITS, MAX_UNITS),
            found.confidence.flatten(1),
            found.mutual.flatten(1).to(sine),
            found.belief.flatten(1) * geman_mcclure(error_rad),
        ),
        dim=1,
    )
    quat_wxyz = rotation_matrix_to_quaternion(motion.rotation.contiguous())
    turn = 2 * quat_wxyz[:, 1:] * torch.where(quat_wxyz[:, :1] < 0, -1.0, 1.0)
    of_motion = torch.cat((motion.direction, turn, motion.misfit[:, None]), dim=1)
    everywhere = of_motion[..., None].expand(-1, -1, of_match.shape[2])
    return torch.cat((of_match, everywhere), dim=1).unflatten(2, found.belief.shape[1:])


def mean_nearness(maps: Tensor) -> Tensor:
    """
    Return baseline / depth (B,) of motion maps (B, CHANNELS, h, w), over what is sure.

    The longer the way between the images, the more what they see moves: times the depth of a
    scene this is the length of the translation.
    """
    sure = maps[:, SURENESS].flatten(1)
    mean = (sure * maps[:, NEARNESS].flatten(1)).sum(1) / sure.sum(1).clamp_min(1e-3)
    return mean.clamp(MIN_NEARNESS, MAX_NEARNESS)


def _on_plane(rays: Tensor) -> Tensor:
    """Return where rays (B, n, 3) meet the plane z = 1: (B, n, 2)."""
    return rays[..., :2] / rays[..., 2:].clamp_min(MIN_Z)


def _matching_rays(found: Correspondence, K_1: Tensor, K_2: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rays (B, n, 3) of unit norm of all cells of image 1 and of their matches."""
    cells_1 = cell_grid(found.confidence).expand(len(K_1), -1, -1, -1)
    return tuple(
        F.normalize(F.pad(cell_rays(cells, K).flatten(2).transpose(1, 2), (0, 1), value=1), dim=2)
        for cells, K in ((cells_1, K_1), (found.centres_2, K_2))
    )
