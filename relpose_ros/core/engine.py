"""What localizes: a map, an estimator and a device, put together once and replaced as one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.core.estimator import Estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.localization import Localization, Rejection
from relpose_ros.core.prior import Prior
from relpose_ros.core.relocalizer import Relocalizer, RelocalizerConfig
from relpose_ros.core.turn import turn_deg


class DeviceError(ValueError):
    """A device that torch offers fails at work; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Engine:
    """
    A relocalizer and what it is made of; another map or setting makes another engine.

    :param keyframe_map: an open map, which whoever opened it closes.
    :param load: makes the estimator for a device.
    :param device: 'cpu' or 'cuda'.
    :param config: settings of the method.
    :param estimator: made by `load`; None to make it.
    :param fault: why it runs on the CPU although another device was chosen; empty if none was.
    :raises MapError: if there is no keyframe in the map, or they cannot be searched.
    :raises ValueError: if the estimator cannot be loaded.
    :raises DeviceError: if the device fails.
    """

    keyframe_map: KeyframeMap
    load: Callable[[str], Estimator]
    device: str
    config: RelocalizerConfig
    estimator: Estimator | None = None
    fault: str = ''
    _relocalizer: Relocalizer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        with _blaming(self.device):
            estimator = self.estimator or self.load(self.device)
            relocalizer = Relocalizer(self.keyframe_map, estimator, self.config, self.device)
        object.__setattr__(self, 'estimator', estimator)
        object.__setattr__(self, '_relocalizer', relocalizer)

    @property
    def identity(self) -> dict[str, str]:
        """Return by name what results depend on: map, descriptor, estimator, device, weights."""
        identity = {
            'map': f'{self.keyframe_map.path} ({len(self.keyframe_map)} keyframes)',
            'descriptor': self.keyframe_map.vocabulary.identity,
            'estimator': self.estimator.name,
            'device': self.device,
        }
        if self.estimator.weights is not None:
            identity['weights'] = self.estimator.weights
        if self.fault:
            identity['device_fault'] = self.fault
        return identity

    def localize(
        self, rgb: np.ndarray, camera: Camera, prior: Prior | None = None
    ) -> Localization | Rejection:
        """
        Find where an image was taken (see Relocalizer.localize).

        :raises ValueError: if the image is not as said.
        :raises MapError: if the map cannot be read.
        :raises DeviceError: if the device fails.
        """
        with _blaming(self.device):
            return self._relocalizer.localize(rgb, camera, prior)

    def turn_deg(self, rgb: np.ndarray, camera: Camera) -> int | None:
        """
        Ask by how much an image has to be turned to have a pose (see core.turn).

        :raises DeviceError: if the device fails.
        """
        with _blaming(self.device):
            return turn_deg(self._relocalizer, rgb, camera)

    def on_cpu(self, error: DeviceError) -> 'Engine':
        """
        Return the same on the CPU, with nothing of what lay on the device that failed.

        :param error: what it said.
        """
        return replace(self, device='cpu', estimator=None, fault=str(error))


def open_map(path: str) -> KeyframeMap:
    """
    Open a map for an engine and check that it can be searched.

    :param path: map file; ~ is the home folder.
    :raises ValueError: if the path is empty.
    :raises MapError: if the file is no map, damaged or without keyframes.
    """
    if not path:
        raise ValueError("map_path: expected a map file, got ''")
    keyframe_map = KeyframeMap.open(Path(path).expanduser())
    try:
        keyframe_map.require_searchable()
    except ValueError:
        keyframe_map.close()
        raise
    return keyframe_map


@contextmanager
def _blaming(device: str) -> Iterator[None]:
    """
    Blame a device for what torch raises (out of memory, lost, no driver) while work is on it.

    An error that is not the device's comes again on the CPU, where it is nobody's but ours.
    """
    try:
        yield
    except RuntimeError as error:
        if device == 'cpu':
            raise
        raise DeviceError(f"device '{device}' fails: {str(error).splitlines()[0]}") from error
