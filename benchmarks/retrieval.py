"""Retrieval: describing an image, beside OpenCV's SIFT of it; searching maps, beside numpy."""

from collections.abc import Iterator, Sequence

import cv2
import faiss
import numpy as np
from relpose_ros.core.vlad import default_vocabulary, DenseVlad
from scene import scene
from timing import row

DIMENSIONS = 4096
NEAREST = 5


def describing(device: str, repeat: int) -> dict[str, str | float]:
    """Time DenseVLAD of one 640x480 image with the default settings."""
    rgb = scene()
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    describer = DenseVlad(default_vocabulary(), device)
    sift = cv2.SIFT_create()
    return row(
        'describe a 640x480 image',
        device,
        lambda: describer.describe(rgb),
        'OpenCV SIFT of it on the CPU',
        lambda: sift.detectAndCompute(grey, None),
        repeat,
    )


def searching(sizes: Sequence[int], repeat: int) -> Iterator[dict[str, str | float]]:
    """Time exact searches for the nearest of so many random unit vectors."""
    generator = np.random.default_rng(0)
    for size in sizes:
        index = faiss.IndexFlatIP(DIMENSIONS)
        for start in range(
            0, size, 5000
        ):  # in parts: the index shall be the only large thing here
            count = min(5000, size - start)
            vectors = generator.standard_normal((count, DIMENSIONS), dtype=np.float32)
            faiss.normalize_L2(vectors)
            index.add(vectors)
        stored = faiss.rev_swig_ptr(index.get_xb(), size * DIMENSIONS).reshape(size, DIMENSIONS)
        query = index.reconstruct(size // 2)
        yield row(
            f'search {size} keyframes',
            'cpu',
            lambda index=index, query=query: index.search(query[None], NEAREST),
            'numpy dot product and partition',
            lambda stored=stored, query=query: np.argpartition(-(stored @ query), NEAREST),
            repeat,
        )
