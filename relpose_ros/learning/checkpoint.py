"""Checkpoints: a folder of safetensors files, each small enough to be carried anywhere."""

import json
from pathlib import Path
import shutil

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

LARGEST_FILE = 15_000_000  # bytes


def save_checkpoint(folder: Path, state: dict[str, Tensor], progress: dict) -> None:
    """
    Write a checkpoint in place of the last one, which stays until the new one is complete.

    :param folder: where it is found by load_checkpoint.
    :param state: tensors by name.
    :param progress: what JSON can hold.
    """
    partial, old = folder.with_suffix('.partial'), folder.with_suffix('.old')
    for rest in (partial, old):
        shutil.rmtree(rest, ignore_errors=True)
    partial.mkdir(parents=True)
    pieces: list[dict[str, Tensor]] = [{}]
    room = LARGEST_FILE
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        if value.nbytes > room and pieces[-1]:
            pieces.append({})
            room = LARGEST_FILE
        pieces[-1][name] = value.clone()
        room -= value.nbytes
    for number, piece in enumerate(pieces):
        save_file(piece, partial / f'state-{number:03d}.safetensors')
    description = {**progress, 'pieces': len(pieces)}
    (partial / 'progress.json').write_text(json.dumps(description, indent=2) + '\n')
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict] | None:
    """
    Read a checkpoint.

    :return: state and progress; None if there is none.
    :raises ValueError: if it is damaged.
    """
    old = folder.with_suffix('.old')  # a writer was killed between its last two steps
    source = folder if folder.exists() else old
    if not source.exists():
        return None
    try:
        progress = json.loads((source / 'progress.json').read_text())
        state: dict[str, Tensor] = {}
        for number in range(progress['pieces']):
            state |= load_file(source / f'state-{number:03d}.safetensors')
    except (OSError, KeyError, SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f'{source}: is a damaged checkpoint: {error}') from error
    return state, progress
