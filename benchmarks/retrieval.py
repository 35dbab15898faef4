"""Time what retrieval costs: describing an image and searching maps of many keyframes."""

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import statistics
import time

import cv2
import faiss
import numpy as np
from relpose_ros.core.vlad import default_vocabulary, DenseVlad
import torch

WIDTH_PX, HEIGHT_PX = 640, 480


def main() -> None:
    """Measure, and write the figures as JSON."""
    arguments = parsed_arguments()
    for library in (torch.set_num_threads, cv2.setNumThreads, faiss.omp_set_num_threads):
        library(arguments.threads)
    result = {
        'threads': arguments.threads,
        'device': arguments.device,
        'describe': describing(arguments.device, arguments.repeat),
        'search': [
            searching(size, arguments.dimensions, arguments.repeat) for size in arguments.map_sizes
        ],
    }
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + '\n')
    else:
        print(text)


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Time retrieval. "describe" is DenseVLAD of one 640x480 image with the '
        'default settings, beside SIFT detection and description of the same image by OpenCV in '
        'the same run: their ratio compares machines better than milliseconds do. "search" is the '
        'exact search for one image among random unit vectors. All figures are medians.',
        epilog='example: python benchmarks/retrieval.py --map-sizes 10000 --json retrieval.json',
    )
    parser.add_argument('--threads', type=int, default=2, help='CPU threads (default: 2)')
    parser.add_argument('--device', default='cpu', help='torch device that describes: cpu or cuda')
    parser.add_argument('--repeat', type=int, default=15, help='runs per figure (default: 15)')
    parser.add_argument(
        '--map-sizes',
        type=int,
        nargs='*',
        default=[10_000, 100_000],
        metavar='KEYFRAMES',
        help='maps to search (default: 10000 100000, the second takes 1.6 GB of memory)',
    )
    parser.add_argument(
        '--dimensions', type=int, default=4096, help='size of a descriptor (default: 4096)'
    )
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='write there, not to standard output'
    )
    return parser.parse_args()


def describing(device: str, repeat: int) -> dict[str, float]:
    """Time describing an image, and SIFT on it in turns, so that both meet the same load."""
    rgb = scene()
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    describer = DenseVlad(default_vocabulary(), device)
    sift = cv2.SIFT_create()
    times_s = [
        (
            seconds(lambda: describer.describe(rgb)),
            seconds(lambda: sift.detectAndCompute(grey, None)),
        )
        for _ in range(repeat + 1)
    ][1:]  # the first run warms up
    densevlad_s, sift_s = (statistics.median(column) for column in zip(*times_s, strict=True))
    return {
        'densevlad_ms': round(1e3 * densevlad_s, 2),
        'opencv_sift_ms': round(1e3 * sift_s, 2),
        'ratio': round(densevlad_s / sift_s, 3),
    }


def searching(size: int, dimensions: int, repeat: int) -> dict[str, float]:
    """Time an exact search for the five nearest of `size` random unit vectors."""
    generator = np.random.default_rng(0)
    index = faiss.IndexFlatIP(dimensions)
    for start in range(0, size, 5000):  # in parts: the index shall be the only large thing here
        count = min(5000, size - start)
        vectors = generator.standard_normal((count, dimensions), dtype=np.float32)
        faiss.normalize_L2(vectors)
        index.add(vectors)
    query = index.reconstruct(size // 2)[None]
    times_s = [seconds(lambda: index.search(query, 5)) for _ in range(repeat + 1)][1:]
    return {
        'keyframes': size,
        'dimensions': dimensions,
        'search_ms': round(1e3 * statistics.median(times_s), 2),
    }


def scene() -> np.ndarray:
    """Return a picture with texture of several sizes, (480, 640, 3) uint8."""
    generator = np.random.default_rng(0)
    image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    for cell_px in (80, 20, 5):
        shape = (HEIGHT_PX // cell_px, WIDTH_PX // cell_px, 3)
        noise = generator.uniform(0, cell_px, shape).astype(np.float32)
        image += cv2.resize(noise, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == '__main__':
    main()
