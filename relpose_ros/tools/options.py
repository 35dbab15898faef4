"""Options that several commands share."""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from relpose_ros.core.estimator import Estimator
from relpose_ros.core.estimators import chosen_device, DEVICES, ESTIMATORS, load_estimator
from relpose_ros.core.network_pose import NetworkEstimator, untrained_network
from relpose_ros.datasets.text_files import rigid_from_quaternion

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
        default='network',
        help='how the relative pose is estimated (default: network)',
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


def add_transform(parser: argparse.ArgumentParser, name: str, meaning: str) -> None:
    """Add an option that takes a (4, 4) transform; None without it."""
    parser.add_argument(
        name,
        action=_Transform,
        nargs=7,
        metavar=('X', 'Y', 'Z', 'QX', 'QY', 'QZ', 'QW'),
        help=f'{meaning} [m, quaternion]',
    )


class _Transform(argparse.Action):
    """Takes seven numbers for a rigid transform."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option: str | None = None,
    ) -> None:
        value = rigid_from_quaternion((values[6], *values[3:6]), values[:3])
        if value is None:
            parser.error(f'{option}: {" ".join(values)}: no position and unit quaternion')
        setattr(namespace, self.dest, value)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add --overwrite."""
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace the map file if it is there; until the new one is whole the old one stays',
    )


def existing_folder(text: str) -> Path:
    """
    Return the path of a folder.

    :raises ArgumentTypeError: if there is none.
    """
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f'{path}: no such folder')
    return path
