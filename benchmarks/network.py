"""The network, beside kornia's stock LoFTR on a pair of images of the same size."""

from collections.abc import Callable, Iterator
import copy

from kornia.feature import LoFTR
from kornia.feature.loftr.loftr import default_cfg
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import RelativePose
from relpose_ros.core.fusion import fuse, KeyframeEstimate
from relpose_ros.core.network_pose import network_size, NetworkEstimator, NetworkFeatures
from relpose_ros.core.refine import RefinementConfig
from relpose_ros.core.relative_pose import RelativePoseNetwork
from scene import HEIGHT_PX, scene, WIDTH_PX
from timing import row
import torch

CAMERA = Camera(WIDTH_PX, HEIGHT_PX, 525.0, 525.0, WIDTH_PX / 2, HEIGHT_PX / 2)
KEYFRAMES = (1, 5)


def network_rows(
    network: RelativePoseNetwork, weights: str, device: str, repeat: int
) -> Iterator[dict[str, str | float]]:
    """
    Time features of a query, and the query from image to poses against cached keyframes.

    :param weights: their content hash; figures do not depend on them.
    """
    alone = NetworkEstimator(network, weights, device, RefinementConfig(pose='regression'))
    query = scene()
    size = network_size(CAMERA, network.config.longest_side_px)
    beside, loftr = f'kornia LoFTR forward, one pair at {size[0]}x{size[1]}', _loftr(size, device)

    def encode() -> object:
        return alone.features(query, CAMERA, None)

    yield row('network features of a 640x480 image', device, encode, beside, loftr, repeat)
    cached = [alone.features(seen, CAMERA, None) for seen in _moved(query, KEYFRAMES[-1])]
    for count in KEYFRAMES:
        yield row(
            f'query against {count} cached keyframe{"s" * (count > 1)}',
            device,
            lambda count=count: alone.estimate(encode(), cached[:count]),
            beside,
            loftr,
            repeat,
        )
    whole = NetworkEstimator(network, weights, device)
    yield _refinement_row(whole, alone, query, cached, device, repeat)


def _refinement_row(
    whole: NetworkEstimator,
    alone: NetworkEstimator,
    query: np.ndarray,
    cached: list[NetworkFeatures],
    device: str,
    repeat: int,
) -> dict[str, str | float]:
    """Time the network with refinement and fusion beside the network alone."""
    for keyframe in cached:
        _ = keyframe.fine.corners  # kept with the keyframe

    def refined() -> object:
        found = whole.estimate(whole.features(query, CAMERA, None), cached)
        poses = [each for each in found if isinstance(each, RelativePose)]
        return fuse([KeyframeEstimate(np.eye(4), pose) for pose in poses])

    return row(
        f'query against {len(cached)} cached keyframes, refined and fused',
        device,
        refined,
        'the same by the network alone',
        lambda: alone.estimate(alone.features(query, CAMERA, None), cached),
        repeat,
    )


def _moved(rgb: np.ndarray, count: int) -> list[np.ndarray]:
    """Return pictures of the same place, so that there are matches as on a robot."""
    return [np.roll(rgb, 16 * (i + 1), axis=1) for i in range(count)]


def _loftr(size: tuple[int, int], device: str) -> Callable[[], object]:
    """
    Return a forward pass of LoFTR as its authors configured it.

    Its weights are random, so that nothing is downloaded: it finds next to no matches, and its
    fine stage, whose time grows with them, is as fast as it can be.
    """
    model = LoFTR(pretrained=None, config=copy.deepcopy(default_cfg)).eval().to(device)
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 1, *size[::-1], generator=generator).to(device) for _ in range(2)]

    def forward() -> object:
        with torch.inference_mode():
            return model({'image0': images[0], 'image1': images[1]})

    return forward
