"""DenseVLAD: an image as one vector, so that views of one place have a high dot product."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import faiss
import numpy as np
from relpose_ros.core.dense_sift import BINS, dense_root_sift, DESCRIPTOR_SIZE, ORIENTATIONS
from relpose_ros.core.vocabulary import DenseVladConfig, Vocabulary
import torch
from torch import Tensor
from torch.nn import functional

DEFAULT_VOCABULARY = Path(__file__).parent.parent / 'weights' / 'vocabulary.safetensors'

CLUSTERING_SAMPLE = 200_000  # descriptors
CLUSTERING_ROUNDS = 20
RANK_TOLERANCE = 1e-6  # of the largest eigenvalue: below it the images say nothing of a direction


def default_vocabulary() -> Vocabulary:
    """Return the vocabulary that is part of the package."""
    return Vocabulary.from_bytes(DEFAULT_VOCABULARY.read_bytes())


class DenseVlad:
    """
    Describes images with one vocabulary.

    :param vocabulary: see Vocabulary.
    :param device: torch device that does the work.
    """

    def __init__(self, vocabulary: Vocabulary, device: str = 'cpu') -> None:
        self.vocabulary = vocabulary
        self._device = torch.device(device)
        self._centres = torch.from_numpy(vocabulary.centres).to(self._device)
        self._projection = None
        if vocabulary.projection is not None:
            self._projection = torch.from_numpy(vocabulary.projection).to(self._device).float()
            self._gains = torch.from_numpy(vocabulary.gains).to(self._device)

    @torch.inference_mode()
    def describe(self, rgb: np.ndarray) -> np.ndarray:
        """
        Describe an image.

        :param rgb: (H, W, 3) uint8.
        :return: (D,) float32, unit norm; zero, similar to nothing, if the image has no texture.
        :raises ValueError: if shape or dtype are wrong or the image is too narrow for a region.
        """
        descriptors = describe_locally(rgb, self.vocabulary.config, self._device)
        descriptor = aggregate(descriptors, self._centres)
        if self._projection is not None:
            descriptor = whitened(descriptor, self._projection, self._gains)
        return descriptor.cpu().numpy()


def describe_locally(rgb: np.ndarray, config: DenseVladConfig, device: torch.device) -> Tensor:
    """
    Resize an image to the side that the settings name and return its dense RootSIFT.

    :param rgb: (H, W, 3) uint8.
    :return: (N, 128) float32, ordered orientation, row, column, as the words of vocabularies are.
    :raises ValueError: if shape or dtype are wrong or the image is too narrow for a region.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f'rgb: expected (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}')
    if rgb.size == 0:
        raise ValueError(f'rgb: the image is empty, {rgb.shape}')
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = config.max_side_px / max(grey.shape)
    if scale != 1:
        size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        grey = cv2.resize(grey, size, interpolation=way)
    batch = torch.from_numpy(grey).to(device).float()[None] / 255
    descriptors = dense_root_sift(
        batch, config.bin_sizes_px, config.stride_px, config.contrast_threshold
    )[0]
    return descriptors.view(-1, BINS, BINS, ORIENTATIONS).transpose(1, 3).flatten(1)


def aggregate(descriptors: Tensor, centres: Tensor) -> Tensor:
    """
    Sum what each word's descriptors differ from it by (VLAD), intra-normalised.

    Descriptors that are zero (low contrast) count for nothing: in the code released with the paper
    they all fall to one word, whose part then says how empty the image is.

    :param descriptors: (N, 128), each of unit norm or zero.
    :param centres: (words, 128).
    :return: (words * 128,), unit norm; zero if all descriptors are.
    """
    # |x - c|^2 is least where x.c - |c|^2 / 2 is largest.
    offset = -0.5 * centres.square().sum(1)
    words = torch.addmm(offset, descriptors, centres.T).argmax(1)
    textured = descriptors.sum(1) > 0
    words, descriptors = words[textured], descriptors[textured]
    sums = torch.zeros_like(centres).index_add_(0, words, descriptors)
    residuals = sums - words.bincount(minlength=len(centres))[:, None] * centres
    return functional.normalize(functional.normalize(residuals, dim=1).flatten(), dim=0)


def whitened(descriptor: Tensor, projection: Tensor, gains: Tensor) -> Tensor:
    """
    Whiten a VLAD; how much of it lies outside the known directions becomes one number more.

    Without that number an image of another place, most of it outside, would after normalisation
    look as much like the map as one of the map's own. Images that the directions come from have
    zero there, so a dot product with one of them is the cosine in the whole space.

    :param descriptor: (size,), unit norm or zero.
    :param projection: (D, size), orthonormal rows.
    :param gains: (D + 1,).
    :return: (D + 1,), unit norm or zero.
    """
    inside = projection @ descriptor
    outside = (descriptor.square().sum() - inside.square().sum()).clamp(min=0).sqrt()
    return functional.normalize(gains * torch.cat((inside, outside[None])), dim=0)


def learn_vocabulary(
    images: Sequence[np.ndarray],
    config: DenseVladConfig,
    seed: int = 0,
    device: str = 'cpu',
    progress: Callable[[int, int], None] | None = None,
    centres: np.ndarray | None = None,
) -> Vocabulary:
    """
    Learn visual words from images and, unless max_dimensions is 0, the whitening of their VLADs.

    For each of the two every image is described once; only one image is needed at a time, so
    `images` may decode lazily. The VLADs stay in memory, 64 kB an image.

    :param images: each (H, W, 3) uint8.
    :param seed: the same images and seed give the same vocabulary.
    :param progress: called after each description with the number done and the number to do.
    :param centres: (words, 128), words to keep; None learns them from the images.
    :raises ValueError: if there is no image, or too little texture to learn from.
    """
    if len(images) == 0:
        raise ValueError('images: expected at least one')
    passes = (centres is None) + (config.max_dimensions > 0)
    counted = _Counted(images, passes * len(images), progress)
    if centres is None:
        centres = _learn_centres(counted, config, seed, torch.device(device))
    words_only = Vocabulary(config, centres)
    if not config.max_dimensions:
        return words_only
    describer = DenseVlad(words_only, device)
    vlads = np.stack([describer.describe(image) for image in counted])
    return Vocabulary(config, centres, *whitening(vlads, config))


def whitening(vlads: np.ndarray, config: DenseVladConfig) -> tuple[np.ndarray, np.ndarray]:
    """
    PCA-whitening about the origin: like the code released with DenseVLAD, no mean is subtracted.

    The eigenvectors come from the images' Gram matrix, which is small where images are few. The
    gain of eigenvalue l is 1 / sqrt(l + f), f the floor times the mean eigenvalue; outside the
    eigenvectors kept, l is taken as 0. Gains are given relative to the first.

    :param vlads: (N, size) float32.
    :return: (D, size) float32, eigenvectors, D = min(max_dimensions, rank), and their gains
        (D + 1,) float32.
    :raises ValueError: if all VLADs are zero.
    """
    if not vlads.any():
        raise ValueError('images: no texture to learn from')
    gram = (vlads @ vlads.T).astype(np.float64) / len(vlads)
    eigenvalues, vectors = np.linalg.eigh(gram)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    rank = int(np.sum(eigenvalues > RANK_TOLERANCE * eigenvalues[0]))
    floor = config.whitening_floor * eigenvalues[:rank].mean()
    kept = min(config.max_dimensions, rank)
    eigenvalues, vectors = eigenvalues[:kept], vectors[:, :kept]
    directions = (vectors / np.sqrt(eigenvalues * len(vlads))).T.astype(np.float32) @ vlads
    gains = 1 / np.sqrt(np.append(eigenvalues, 0) + floor)
    return directions, (gains / gains[0]).astype(np.float32)


class _Counted:
    """Images that report to `progress` when the next one is asked for."""

    def __init__(
        self,
        images: Sequence[np.ndarray],
        todo: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._images, self._todo, self._progress = images, todo, progress
        self._done = 0

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[np.ndarray]:
        for i in range(len(self._images)):
            yield self._images[i]
            self._done += 1
            if self._progress:
                self._progress(self._done, self._todo)


def _learn_centres(
    images: _Counted, config: DenseVladConfig, seed: int, device: torch.device
) -> np.ndarray:
    """Cluster an equal share of descriptors from each image. -> (words, 128)."""
    generator = np.random.default_rng(seed)
    share = CLUSTERING_SAMPLE // len(images) + 1
    sample = []
    for image in images:
        descriptors = describe_locally(image, config, device)
        textured = torch.nonzero(descriptors.sum(1) > 0)[:, 0].cpu().numpy()
        chosen = generator.permutation(textured)[:share]
        sample.append(descriptors[torch.from_numpy(chosen).to(device)].cpu().numpy())
    sample = np.concatenate(sample)
    if len(sample) < config.words:
        raise ValueError(
            f'images: {len(sample)} textured descriptors are too few for {config.words} words'
        )
    clustering = faiss.Kmeans(
        DESCRIPTOR_SIZE,
        config.words,
        niter=CLUSTERING_ROUNDS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
    )
    clustering.train(sample)
    return clustering.centroids.reshape(config.words, DESCRIPTOR_SIZE)
