from dataclasses import replace

import cv2
import numpy as np
import pytest
from relpose_ros.core.vlad import (
    aggregate,
    default_vocabulary,
    DenseVlad,
    DenseVladConfig,
    describe_locally,
    learn_vocabulary,
    Vocabulary,
    whitened,
    whitening,
)
from safetensors.numpy import save
import torch

SMALL = DenseVladConfig(max_side_px=120, words=8, max_dimensions=4)


def textured_rgb(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    """Return coloured noise with shapes, another picture for another seed."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(10):
        corner = generator.integers(0, (width, height))
        colour = generator.integers(0, 256, 3).tolist()
        cv2.circle(image, corner, int(generator.integers(4, 20)), colour, -1)
    return image


@pytest.fixture(scope='module')
def images() -> list[np.ndarray]:
    return [textured_rgb(seed) for seed in range(6)]


@pytest.fixture(scope='module')
def vocabulary(images: list[np.ndarray]) -> Vocabulary:
    return learn_vocabulary(images, SMALL)


def unit_rows(generator: np.random.Generator, *shape: int) -> np.ndarray:
    rows = np.abs(generator.normal(size=shape)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_aggregate_equals_brute_force() -> None:
    generator = np.random.default_rng(1)
    descriptors, centres = unit_rows(generator, 400, 128), unit_rows(generator, 7, 128)
    descriptors[::5] = 0  # low contrast: must not count
    expected = np.zeros((7, 128))
    for descriptor in descriptors:
        if descriptor.any():
            word = np.argmin([np.linalg.norm(descriptor - centre) for centre in centres])
            expected[word] += descriptor - centres[word]
    for row in expected:
        row /= np.linalg.norm(row) or 1
    expected /= np.linalg.norm(expected)
    found = aggregate(torch.from_numpy(descriptors), torch.from_numpy(centres)).numpy()
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-5)


def test_every_word_present_weighs_the_same() -> None:
    generator = np.random.default_rng(2)
    centres = np.eye(128, dtype=np.float32)[:4]
    # Word 0 has a hundred descriptors, words 1 and 2 one each, word 3 none.
    words = [0] * 100 + [1, 2]
    descriptors = centres[words] + 0.1 * unit_rows(generator, len(words), 128)
    vlad = aggregate(torch.from_numpy(descriptors), torch.from_numpy(centres))
    norms = vlad.reshape(4, 128).norm(dim=1)
    torch.testing.assert_close(norms, torch.tensor([1, 1, 1, 0]) / 3**0.5)


def test_whitening_equals_eigh_of_second_moment() -> None:
    generator = np.random.default_rng(3)
    vlads = unit_rows(generator, 30, 12) * np.linspace(0.5, 3, 12, dtype=np.float32)
    config = replace(SMALL, max_dimensions=5, whitening_floor=0.1)
    eigenvalues, vectors = np.linalg.eigh(vlads.T.astype(np.float64) @ vlads / len(vlads))
    floor = 0.1 * eigenvalues.mean()
    eigenvalues, vectors = np.append(eigenvalues[::-1][:5], 0), vectors[:, ::-1][:, :5]
    directions, gains = whitening(vlads, config)
    signs = np.sign((directions * vectors.T).sum(1, keepdims=True))
    np.testing.assert_allclose(directions * signs, vectors.T, atol=1e-4)
    expected = np.sqrt((eigenvalues[0] + floor) / (eigenvalues + floor))
    np.testing.assert_allclose(gains, expected, rtol=1e-4)


def test_whitening_makes_the_second_moment_white() -> None:
    vlads = unit_rows(np.random.default_rng(4), 40, 10)
    config = replace(SMALL, max_dimensions=10, whitening_floor=1e-9)
    directions, gains = whitening(vlads, config)
    projected = vlads @ directions.T * gains[:-1]
    moment = projected.T @ projected / len(vlads)
    np.testing.assert_allclose(moment / moment[0, 0], np.eye(10), atol=1e-3)


def test_whitened_similarity_is_the_cosine_in_the_whole_space() -> None:
    generator = np.random.default_rng(6)
    keyframes, query = unit_rows(generator, 6, 50), unit_rows(generator, 50)
    config = replace(SMALL, max_dimensions=6)
    eigenvalues, vectors = np.linalg.eigh(keyframes.T.astype(np.float64) @ keyframes / 6)
    floor = eigenvalues.sum() / 6  # the mean over the rank
    whole = vectors / np.sqrt(np.maximum(eigenvalues, 0) + floor) @ vectors.T
    expected = np.stack([whole @ v / np.linalg.norm(whole @ v) for v in (query, *keyframes)])
    learned = [torch.from_numpy(array) for array in whitening(keyframes, config)]
    found = np.stack([whitened(torch.from_numpy(v), *learned) for v in (query, *keyframes)])
    np.testing.assert_allclose(found[1:] @ found[0], expected[1:] @ expected[0], atol=1e-3)
    np.testing.assert_allclose(found[1:, -1], 0, atol=5e-3)


def test_whitening_keeps_no_more_dimensions_than_images_support() -> None:
    vlads = unit_rows(np.random.default_rng(5), 6, 50)
    repeated = np.concatenate((vlads, vlads, vlads[:1]))
    assert whitening(repeated, replace(SMALL, max_dimensions=4096))[0].shape == (6, 50)
    assert whitening(vlads, SMALL)[0].shape == (4, 50)


def test_whitening_needs_texture() -> None:
    with pytest.raises(ValueError, match='no texture'):
        whitening(np.zeros((3, 50), np.float32), SMALL)


def test_description_has_unit_norm_and_knows_its_image(
    images: list[np.ndarray], vocabulary: Vocabulary
) -> None:
    assert vocabulary.dimensions == SMALL.max_dimensions + 1
    for known in (vocabulary, Vocabulary(SMALL, vocabulary.centres)):
        describer = DenseVlad(known)
        described = np.stack([describer.describe(image) for image in images])
        assert described.shape == (len(images), known.dimensions)
        assert described.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, atol=1e-5)
        darker = [describer.describe(cv2.convertScaleAbs(i, alpha=0.8)) for i in images]
        nearest = (np.stack(darker) @ described.T).argmax(1)
        assert nearest.tolist() == list(range(len(images)))


def test_image_size_hardly_matters(images: list[np.ndarray], vocabulary: Vocabulary) -> None:
    describer = DenseVlad(Vocabulary(SMALL, vocabulary.centres))
    original = describer.describe(images[0])
    for scale in (0.75, 2):
        resized = cv2.resize(images[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        assert original @ describer.describe(resized) > 0.6
    assert original @ describer.describe(images[1]) < 0.4


def test_no_texture_is_similar_to_nothing(
    images: list[np.ndarray], vocabulary: Vocabulary
) -> None:
    describer = DenseVlad(vocabulary)
    blank = describer.describe(np.full((90, 120, 3), 77, np.uint8))
    assert blank.shape == (vocabulary.dimensions,)
    assert not blank.any()
    assert blank @ describer.describe(images[0]) == 0


def test_learning_is_deterministic(images: list[np.ndarray], vocabulary: Vocabulary) -> None:
    assert learn_vocabulary(images, SMALL).identity == vocabulary.identity
    assert learn_vocabulary(images, SMALL, seed=1).identity != vocabulary.identity


def test_learning_decodes_images_one_at_a_time(vocabulary: Vocabulary) -> None:
    class Lazy:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> np.ndarray:
            self.asked.append(index)
            return textured_rgb(index)

    lazy, steps = Lazy(), []
    learned = learn_vocabulary(lazy, SMALL, progress=lambda *step: steps.append(step))
    assert learned.identity == vocabulary.identity
    assert lazy.asked == 2 * list(range(6))
    assert steps == [(i, 12) for i in range(1, 13)]


def test_given_words_are_kept(images: list[np.ndarray], vocabulary: Vocabulary) -> None:
    learned = learn_vocabulary(images[:3], SMALL, centres=vocabulary.centres)
    np.testing.assert_array_equal(learned.centres, vocabulary.centres)
    assert learned.dimensions == 4  # three images support three directions


def test_learning_needs_texture() -> None:
    with pytest.raises(ValueError, match='at least one'):
        learn_vocabulary([], SMALL)
    with pytest.raises(ValueError, match='too few for 8 words'):
        learn_vocabulary([np.zeros((90, 120, 3), np.uint8)], SMALL)


def test_bytes_round_trip(images: list[np.ndarray], vocabulary: Vocabulary) -> None:
    for written in (vocabulary, learn_vocabulary(images, replace(SMALL, max_dimensions=0))):
        read = Vocabulary.from_bytes(written.to_bytes())
        assert read.identity == written.identity
        assert read.config == written.config
        described = DenseVlad(written).describe(images[0])
        np.testing.assert_array_equal(DenseVlad(read).describe(images[0]), described)


def replace_settings(vocabulary: Vocabulary, **settings: int) -> Vocabulary:
    config = replace(vocabulary.config, **settings)
    return Vocabulary(config, vocabulary.centres, vocabulary.projection, vocabulary.gains)


def test_identity_covers_settings_and_numbers(vocabulary: Vocabulary) -> None:
    centres = vocabulary.centres.copy()
    centres[0, 0] += 1e-3
    others = [
        Vocabulary(SMALL, centres, vocabulary.projection, vocabulary.gains),
        Vocabulary(SMALL, vocabulary.centres, vocabulary.projection[:3], vocabulary.gains[:4]),
        Vocabulary(SMALL, vocabulary.centres),
        replace_settings(vocabulary, stride_px=6),
    ]
    identities = {vocabulary.identity, *(other.identity for other in others)}
    assert len(identities) == 5
    assert all(identity.startswith('densevlad/1:') for identity in identities)


def test_from_bytes_refuses_anything_else(vocabulary: Vocabulary) -> None:
    data = vocabulary.to_bytes()
    other_version = data.replace(b'densevlad/1', b'densevlad/9')
    foreign = save({'centres': vocabulary.centres})
    for wrong in (b'', b'rubbish', bytes(100), data[:-1], data[:200], other_version, foreign):
        with pytest.raises(ValueError, match='vocabulary: '):
            Vocabulary.from_bytes(wrong)


def test_default_vocabulary_describes_a_camera_image() -> None:
    vocabulary = default_vocabulary()
    descriptor = DenseVlad(vocabulary).describe(textured_rgb(0, 480, 640))
    assert descriptor.shape == (vocabulary.dimensions,)
    assert abs(np.linalg.norm(descriptor) - 1) < 1e-5


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_agrees_with_cpu(images: list[np.ndarray], vocabulary: Vocabulary) -> None:
    on_cpu, on_gpu = DenseVlad(vocabulary), DenseVlad(vocabulary, 'cuda')
    for image in images:
        # A descriptor on the border of two words may fall to the other one.
        assert on_cpu.describe(image) @ on_gpu.describe(image) > 0.999


@pytest.mark.parametrize(
    'rgb',
    [
        np.zeros((90, 120), np.uint8),
        np.zeros((90, 120, 4), np.uint8),
        np.zeros((90, 120, 3), np.float32),
        np.zeros((0, 120, 3), np.uint8),
    ],
)
def test_wrong_image_raises(rgb: np.ndarray, vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match='rgb: '):
        DenseVlad(vocabulary).describe(rgb)


def test_image_narrower_than_a_region_raises(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match='at least 41 px'):
        describe_locally(textured_rgb(0, 30, 120), SMALL, torch.device('cpu'))


@pytest.mark.parametrize(
    'wrong',
    [
        {'bin_sizes_px': ()},
        {'bin_sizes_px': (4, 5)},
        {'max_side_px': 40},
        {'stride_px': 0},
        {'words': 0},
        {'max_dimensions': -1},
        {'contrast_threshold': float('nan')},
        {'whitening_floor': 0.0},
    ],
)
def test_wrong_settings_raise(wrong: dict) -> None:
    with pytest.raises(ValueError, match=f'{next(iter(wrong))}: expected'):
        DenseVladConfig(**wrong)


def test_wrong_numbers_raise(vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match='centres: expected'):
        Vocabulary(SMALL, vocabulary.centres[:-1])
    with pytest.raises(ValueError, match='projection: expected'):
        Vocabulary(SMALL, vocabulary.centres, np.zeros((4, 100), np.float32))
    with pytest.raises(ValueError, match='gains: expected'):
        Vocabulary(SMALL, vocabulary.centres, vocabulary.projection, np.ones(2))
    with pytest.raises(ValueError, match='not finite'):
        Vocabulary(SMALL, np.full_like(vocabulary.centres, np.nan))
