"""Which estimator runs, on which device: the names that parameters and options use."""

from pathlib import Path

from relpose_ros.core.calibration import read_calibration
from relpose_ros.core.estimator import Estimator
from relpose_ros.core.geometric_pose import GeometricEstimator
from relpose_ros.core.network_pose import NetworkEstimator
from relpose_ros.core.network_weights import DEFAULT_WEIGHTS, load_network
import torch

ESTIMATORS = ('network', 'geometric')
DEVICES = ('auto', 'cpu', 'cuda')


def chosen_device(name: str) -> str:
    """
    Return 'cpu' or 'cuda'; 'auto' takes the GPU where there is one.

    :param name: one of DEVICES.
    :raises ValueError: for another name, or for 'cuda' where torch finds no GPU.
    """
    if name not in DEVICES:
        raise ValueError(f"device: expected one of {', '.join(DEVICES)}, got '{name}'")
    if name == 'cuda' and not torch.cuda.is_available():
        raise ValueError("device: 'cuda' is asked for, but torch finds no GPU")
    if name == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    return name


def load_estimator(name: str, weights: str = '', device: str = 'cpu') -> Estimator:
    """
    Build an estimator.

    :param name: one of ESTIMATORS.
    :param weights: the network's weights file; empty for the package's own.
    :param device: 'cpu' or 'cuda'.
    :raises ValueError: for another name, or if the weights cannot be used.
    """
    if name == 'geometric':
        return GeometricEstimator(device=device, calibration=read_calibration(name))
    if name == 'network':
        path = Path(weights) if weights else DEFAULT_WEIGHTS
        network, content_hash = load_network(path)
        calibration = read_calibration(name, content_hash, path)
        return NetworkEstimator(network, content_hash, device, calibration=calibration)
    raise ValueError(f"estimator: expected one of {', '.join(ESTIMATORS)}, got '{name}'")
