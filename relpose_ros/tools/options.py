"""Options that several commands share."""

import argparse
from pathlib import Path
import sys

from relpose_ros.core.estimator import Estimator
from relpose_ros.core.estimators import chosen_device, DEVICES, ESTIMATORS, load_estimator
from relpose_ros.core.network_pose import NetworkEstimator, untrained_network

UNTRAINED = 'untrained'


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        '--device', choices=DEVICES, default='auto', help='where torch computes (default: auto)'
    )


def add_estimator(parser: argparse.ArgumentParser) -> None:
    """Add --estimator, --weights and --device."""
    parser.add_argument(
        '--estimator',
        choices=ESTIMATORS,
        default='geometric',
        help='how the relative pose is estimated (default: geometric)',
    )
    parser.add_argument(
        '--weights',
        default='',
        metavar='FILE',
        help="the network's weights, by default the package's; 'untrained' for random ones, "
        'to try that the network runs: its poses mean nothing',
    )
    add_device(parser)


def estimator_from(arguments: argparse.Namespace) -> tuple[Estimator, str]:
    """
    Build what --estimator, --weights and --device name.

    :return: the estimator and the device.
    :raises ValueError: as load_estimator and chosen_device.
    """
    device = chosen_device(arguments.device)
    if arguments.estimator == 'network' and arguments.weights == UNTRAINED:
        # Not on stdout: `localize` writes JSON there.
        print('The weights are UNTRAINED: the poses mean nothing.', file=sys.stderr)
        return NetworkEstimator(untrained_network(), UNTRAINED, device), device
    return load_estimator(arguments.estimator, arguments.weights, device), device


def existing_folder(text: str) -> Path:
    """
    Return the path of a folder.

    :raises ArgumentTypeError: if there is none.
    """
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f'{path}: no such folder')
    return path
