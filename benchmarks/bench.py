"""Time what a fix is made of, each beside a reference in the same run."""

import argparse
import json
from pathlib import Path

import cv2
import faiss
from network import network_rows
from relpose_ros.core.network_weights import DEFAULT_WEIGHTS, load_network
from retrieval import describing, searching
import torch


def main() -> None:
    """Measure, print, and write the rows as JSON."""
    arguments = parsed_arguments()
    for library in (torch.set_num_threads, cv2.setNumThreads, faiss.omp_set_num_threads):
        library(arguments.threads)
    network, weights = load_network(DEFAULT_WEIGHTS)
    rows = []
    for device in ('cpu', 'cuda') if torch.cuda.is_available() else ('cpu',):
        repeat = arguments.repeat * (5 if device == 'cuda' else 1)
        rows.append(shown(describing(device, repeat)))
        rows += map(shown, network_rows(network, weights, device, repeat))
    rows += map(shown, searching(arguments.map_sizes, arguments.repeat))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(rows, indent=2) + '\n')
    print(arguments.out)


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write rows {id, device, median_ms, beside, ratio}. Work and reference are '
        'timed in turns; their ratio compares machines better than milliseconds do. The CPU is '
        'always timed, a GPU where there is one.',
        epilog='example: python benchmarks/bench.py --out out/bench/bench.json',
    )
    parser.add_argument('--out', type=Path, default=Path('out/bench/bench.json'), metavar='FILE')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads (default: 2)')
    parser.add_argument('--repeat', type=int, default=15, help='runs per figure (default: 15)')
    parser.add_argument(
        '--map-sizes',
        type=int,
        nargs='*',
        default=[10_000, 100_000],
        metavar='KEYFRAMES',
        help='maps to search (default: 10000 100000, the second takes 1.6 GB of memory)',
    )
    return parser.parse_args()


def shown(row: dict[str, str | float]) -> dict[str, str | float]:
    """Print a row as soon as it is there."""
    beside_ms = row['median_ms'] / row['ratio']
    beside = f'{row["ratio"]:.3f} times {row["beside"]}, {beside_ms:.1f} ms'
    print(f'{row["id"]}: {row["median_ms"]:.2f} ms, {beside} ({row["device"]})', flush=True)
    return row


if __name__ == '__main__':
    main()
