"""Time work beside a reference, in turns, so that both meet the same load of the machine."""

from collections.abc import Callable
import statistics
import time

import torch

Work = Callable[[], object]
WARM_UP = 1


def row(
    name: str, device: str, work: Work, beside: str, reference: Work, repeat: int
) -> dict[str, str | float]:
    """
    Time both and return a row of bench.json.

    :param name: what `work` is; the device makes it the row's id.
    :param device: 'cpu' or 'cuda'.
    :param beside: what `reference` is.
    :param repeat: runs of each.
    """
    times_s = [
        (seconds(work, device), seconds(reference, device)) for _ in range(WARM_UP + repeat)
    ][WARM_UP:]
    work_s, reference_s = (statistics.median(column) for column in zip(*times_s, strict=True))
    return {
        'id': f'{name}/{device}',
        'device': device_name(device),
        'median_ms': round(1e3 * work_s, 3),
        'beside': beside,
        'ratio': round(work_s / reference_s, 3),
    }


def seconds(work: Work, device: str) -> float:
    """Return how long a run takes, to the end of what it starts on a GPU."""
    start = time.perf_counter()
    work()
    if device == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def device_name(device: str) -> str:
    """Return what a person calls it."""
    if device == 'cuda':
        return torch.cuda.get_device_name()
    return f'CPU, {torch.get_num_threads()} threads'
