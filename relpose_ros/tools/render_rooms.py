"""
Render views of random rooms, to train on or to look at.

For example:
  relpose_ros render-rooms rooms --count 200 --workers 8
  relpose_ros render-rooms --sheet sheet.png

Writes a shard rooms-<seed>.npz for each seed: many views of some rooms, with depth and pose. The
same seed makes the same views. Shards that are there already are kept, so that an interrupted run
goes on where it stopped. --sheet writes a picture of sample pairs, two views of one spot each.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import as_completed, ProcessPoolExecutor
from dataclasses import replace
import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np
from relpose_ros.core.estimators import chosen_device
from relpose_ros.core.geometry import position_error_m, rotation_error_rad
from relpose_ros.learning.room_views import render_rooms, RoomViewsConfig
from relpose_ros.learning.views import Views
from relpose_ros.tools.options import add_device, existing_folder
import torch
from tqdm import tqdm

SHEET_PAIRS, SHEET_COLUMNS = 24, 3
BORDER_PX = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    default = RoomViewsConfig()
    width, height = default.size
    parser.add_argument('folder', type=Path, nargs='?', help='where to; made if there is none')
    parser.add_argument('--seed', type=int, default=0, help='of the first shard (default: 0)')
    parser.add_argument('--count', type=int, default=1, help='number of shards (default: 1)')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=default.size,
        metavar=('WIDTH', 'HEIGHT'),
        help=f'of a view in pixels (default: {width} {height})',
    )
    parser.add_argument(
        '--rooms', type=int, default=default.rooms, help=f'in a shard (default: {default.rooms})'
    )
    parser.add_argument(
        '--photographs',
        type=existing_folder,
        metavar='FOLDER',
        help='take prints and parts of surfaces from the images in it',
    )
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count(), help='processes (default: one for a core)'
    )
    parser.add_argument('--sheet', type=Path, metavar='FILE', help='write a picture of pairs')
    add_device(parser)


def run(arguments: argparse.Namespace) -> None:
    """Render the shards that are missing, then the sheet."""
    if not arguments.folder and not arguments.sheet:
        raise ValueError('render-rooms: give a folder for shards, --sheet FILE, or both')
    config = RoomViewsConfig(
        size=tuple(arguments.size), rooms=arguments.rooms, photographs=arguments.photographs
    )
    device = chosen_device(arguments.device)
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        seeds = range(arguments.seed, arguments.seed + arguments.count)
        render_shards(arguments.folder, config, seeds, arguments.workers, device)
    if arguments.sheet:
        few = replace(config, rooms=SHEET_PAIRS, spots=1, views=2)
        picture = sheet(render_rooms(few, arguments.seed, device))
        if not cv2.imwrite(str(arguments.sheet), picture):
            raise OSError(f'{arguments.sheet}: cannot be written')


def render_shards(
    folder: Path, config: RoomViewsConfig, seeds: Sequence[int], workers: int, device: str
) -> None:
    """Render one shard for each seed that has none yet, in processes of their own."""
    paths = {seed: folder / f'rooms-{seed:05d}.npz' for seed in seeds}
    missing = {seed: path for seed, path in paths.items() if not path.exists()}
    # Forked processes would share locks of torch's threads and could not use a GPU.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, context) as pool:
        jobs = [pool.submit(_render, config, *job, device) for job in missing.items()]
        done, there = as_completed(jobs), len(seeds) - len(jobs)
        try:
            for job in tqdm(done, 'Rooms', len(seeds), unit='shard', initial=there):
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _render(config: RoomViewsConfig, seed: int, path: Path, device: str) -> None:
    torch.set_num_threads(1)  # a process for each core does more than threads do
    render_rooms(config, seed, device).save(path)


def sheet(views: Views) -> np.ndarray:
    """
    Put pairs of views of one scene side by side, with distance and angle between them.

    :return: (H, W) uint8.
    """
    grey, scene = views.grey.cpu().numpy(), views.scene.cpu().numpy()
    poses = views.world_from_camera.cpu().double().numpy()
    tiles = []
    for first in np.flatnonzero(scene[1:] == scene[:-1]):
        a, b = poses[first], poses[first + 1]
        apart_m, turn_deg = position_error_m(a, b), np.degrees(rotation_error_rad(a, b))
        tile = np.hstack((grey[first], grey[first + 1]))
        cv2.putText(tile, f'{apart_m:.2f} m {turn_deg:.0f} deg', (5, 14), 0, 0.45, 255)
        tiles.append(np.pad(tile, BORDER_PX, constant_values=255))
    columns = min(len(tiles), SHEET_COLUMNS)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])
