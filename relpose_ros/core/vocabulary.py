"""What DenseVLAD has learned, with the settings it was learned with."""

from dataclasses import asdict, dataclass, field
import hashlib
import json

import numpy as np
from relpose_ros.core.dense_sift import DESCRIPTOR_SIZE, smallest_side_px
from safetensors import SafetensorError
from safetensors.numpy import load, save

VERSION = 'densevlad/1'  # changes whenever the same numbers would describe an image differently


@dataclass(frozen=True, slots=True)
class DenseVladConfig:
    """
    Settings of the descriptor; images are comparable only if described with the same ones.

    :param max_side_px: images are resized to this larger side [px].
    :param bin_sizes_px: SIFT bin widths, one a scale; even; a region is 4 bins wide [px].
    :param stride_px: distance of neighbouring SIFT descriptors [px]. The paper has 2; the time to
        describe an image falls with it.
    :param contrast_threshold: least mean gradient of a region that counts [grey value / px].
    :param words: size of the vocabulary.
    :param max_dimensions: most principal directions that whitening keeps; 0 for no whitening.
    :param whitening_floor: added to every eigenvalue before whitening, as a multiple of their
        mean, so that directions which the images hardly support are not blown up.
    :raises ValueError: if a setting is out of range.
    """

    max_side_px: int = 640
    bin_sizes_px: tuple[int, ...] = (4, 6, 8, 10)
    stride_px: int = 12
    contrast_threshold: float = 0.005
    words: int = 128
    max_dimensions: int = 4096
    whitening_floor: float = 1.0

    def __post_init__(self) -> None:
        bins = self.bin_sizes_px
        if not bins or any(bin_px < 2 or bin_px % 2 for bin_px in bins):
            raise ValueError(f'bin_sizes_px: expected positive even numbers, got {bins}')
        if self.max_side_px < smallest_side_px(bins):
            raise ValueError(
                f'max_side_px: expected at least {smallest_side_px(bins)} for bins of '
                f'{max(bins)} px, got {self.max_side_px}'
            )
        for name, least in (('stride_px', 1), ('words', 1), ('max_dimensions', 0)):
            if getattr(self, name) < least:
                raise ValueError(f'{name}: expected at least {least}, got {getattr(self, name)}')
        if not 0 <= self.contrast_threshold < 1:
            raise ValueError(f'contrast_threshold: expected 0 to 1, got {self.contrast_threshold}')
        if not 0 < self.whitening_floor < float('inf'):
            raise ValueError(f'whitening_floor: expected above 0, got {self.whitening_floor}')


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """
    What the descriptor has learned from images.

    :param config: the settings it was learned with and must be used with.
    :param centres: (words, 128) float32, visual words.
    :param projection: (D, words * 128) float16, principal directions; None for no whitening.
    :param gains: (D + 1,) float32, of the directions and of all that is outside them; None
        without a projection.
    :raises ValueError: if shapes do not fit the settings or a number is not finite.
    """

    config: DenseVladConfig
    centres: np.ndarray
    projection: np.ndarray | None = None
    gains: np.ndarray | None = None
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        size = self.config.words * DESCRIPTOR_SIZE
        centres = np.ascontiguousarray(self.centres, np.float32)
        if centres.shape != (self.config.words, DESCRIPTOR_SIZE):
            raise ValueError(
                f'centres: expected {(self.config.words, DESCRIPTOR_SIZE)}, got {centres.shape}'
            )
        object.__setattr__(self, 'centres', centres)
        if self.projection is not None:
            projection = np.ascontiguousarray(self.projection, np.float16)
            if projection.ndim != 2 or projection.shape[1] != size or len(projection) == 0:
                raise ValueError(f'projection: expected (D, {size}), got {projection.shape}')
            object.__setattr__(self, 'projection', projection)
            gains = np.ascontiguousarray(self.gains, np.float32)
            if gains.shape != (len(projection) + 1,):
                raise ValueError(f'gains: expected {(len(projection) + 1,)}, got {gains.shape}')
            object.__setattr__(self, 'gains', gains)
        numbers = self._numbers()
        if not all(np.isfinite(array).all() for array in numbers.values()):
            raise ValueError('vocabulary: not finite')
        digest = hashlib.sha256(self._settings().encode())
        for name, array in numbers.items():
            digest.update(f'{name} {array.shape}'.encode() + array.tobytes())
        object.__setattr__(self, 'identity', f'{VERSION}:{digest.hexdigest()[:12]}')

    @property
    def dimensions(self) -> int:
        """Return the size of a descriptor."""
        return self.centres.size if self.gains is None else len(self.gains)

    def to_bytes(self) -> bytes:
        """Return the vocabulary in the safetensors format."""
        return save(self._numbers(), metadata={'settings': self._settings()})

    @classmethod
    def from_bytes(cls, data: bytes) -> 'Vocabulary':
        """
        Read what to_bytes wrote.

        :raises ValueError: if it is something else or incomplete.
        """
        try:
            numbers = load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], 'little')])
            settings = json.loads(header['__metadata__']['settings'])
            version = settings.pop('version')
            settings['bin_sizes_px'] = tuple(settings['bin_sizes_px'])
            config = DenseVladConfig(**settings)
            centres = numbers['centres']
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f'vocabulary: not a vocabulary of DenseVLAD ({error})') from error
        if version != VERSION:
            raise ValueError(f"vocabulary: expected version '{VERSION}', got '{version}'")
        return cls(config, centres, numbers.get('projection'), numbers.get('gains'))

    def _numbers(self) -> dict[str, np.ndarray]:
        numbers = {'centres': self.centres}
        if self.projection is not None:
            numbers |= {'projection': self.projection, 'gains': self.gains}
        return numbers

    def _settings(self) -> str:
        return json.dumps({'version': VERSION, **asdict(self.config)}, sort_keys=True)
