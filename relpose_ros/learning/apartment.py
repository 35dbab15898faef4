"""The demo's own data: a rendered apartment in 7-Scenes layout, so that no download is needed."""

from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import shutil

import cv2
import numpy as np
from relpose_ros.core.camera import Camera
from relpose_ros.learning.apartment_rooms import build_apartment
from relpose_ros.learning.photograph import photograph
from relpose_ros.learning.render import render
from relpose_ros.learning.textures import make_textures
from relpose_ros.learning.trajectory import fly, ring
from relpose_ros.learning.worlds import stack_worlds, World, Worlds
import torch
from tqdm import tqdm

FOCAL = 525.0 / 640  # of the image width, as cheap RGB-D cameras have it
DEPTH_RANGE_M = 10.0
KEYFRAMES, REPLAY, QUERY_STEP = 64, 80, 2
RATE_HZ = 10

# Middle of the free floor of each room.
LIVING, KITCHEN, BEDROOM = (2.9, 2.35), (7.1, 2.85), (2.95, 6.5)
# From room to room through the doors: position, target [m].
LIVING_TO_KITCHEN = np.array(((3.9, 3.2, 1.4, 6.4, 3.6, 1.2), (5.26, 3.65, 1.42, 7.7, 3.2, 1.1)))
KITCHEN_TO_BEDROOM = np.array(
    (
        (5.9, 3.6, 1.4, 3.4, 3.9, 1.3),
        (4.75, 3.6, 1.4, 2.6, 4.6, 1.3),
        (3.95, 3.85, 1.4, 3.5, 6.3, 1.2),
        (3.85, 4.75, 1.4, 3.2, 7.2, 1.1),
    )
)


def keyframe_path(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return the poses (frames, 4, 4) of the run that makes the map."""
    stops = (
        ring(LIVING, (0.85, 0.75), (215, 575), (1.4, 1.0)),
        LIVING_TO_KITCHEN,
        ring(KITCHEN, (0.5, 0.45), (190, 720), (1.45, 1.0)),
        KITCHEN_TO_BEDROOM,
        ring(BEDROOM, (0.4, 0.95), (-60, 300), (1.4, 1.0)),
    )
    return fly(np.concatenate(stops), frames, rng)


def query_path(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return the poses (frames, 4, 4) of a later run: other ways, heights and views."""
    back = KITCHEN_TO_BEDROOM[::-1].copy()
    back[:, :3] += (0.04, -0.03, -0.15)
    back[:, 3:] = back[:, :3] + (back[:, :3] - back[:, 3:]) * (1, 1, 0.6)
    stops = (
        ring(BEDROOM, (0.25, 0.65), (250, -70), (1.25, 0.95), aside_deg=12),
        back[:2],
        ring(LIVING, (0.5, 0.5), (430, 190), (1.6, 1.0), aside_deg=14),
        LIVING_TO_KITCHEN + (0, 0.05, -0.18, 0.2, -0.2, 0),
        ring(KITCHEN, (0.3, 0.25), (190, -150), (1.2, 0.95), aside_deg=14),
    )
    return fly(np.concatenate(stops), frames, rng)


def write_apartment(
    folder: Path, seed: int = 0, size: tuple[int, int] = (640, 480), progress: bool = True
) -> None:
    """
    Render the apartment: a run for the map (seq-01) and a later one to localize (seq-02).

    The folder appears when it is complete. Colour and depth are one camera, so that split.yaml
    has the key `camera` and neither `colour_poses` nor `depth_camera`.

    :param folder: where to; must not exist.
    :param seed: of surfaces, small things and the hand that holds the camera.
    :param size: width and height [px].
    :param progress: show a progress bar.
    :raises FileExistsError: if the folder exists.
    :raises OSError: if an image cannot be written.
    """
    if folder.exists():
        raise FileExistsError(f'{folder}: exists already')
    rng = np.random.default_rng((seed, 1))
    runs = {'seq-01': keyframe_path(KEYFRAMES, rng), 'seq-02': query_path(REPLAY, rng)}
    world = build_apartment(make_textures(seed), seed)
    write_runs(folder, world, runs, camera_of(size), seed, progress)


def write_runs(
    folder: Path,
    world: World,
    runs: dict[str, np.ndarray],
    camera: Camera,
    seed: int,
    progress: bool,
) -> None:
    """
    Render two runs through a world, the first for the map, the second to localize.

    :param runs: name to (n, 4, 4), world_from_camera.
    :param seed: of the photographs' imperfections.
    """
    partial = folder.with_name(folder.name + '.partial')
    shutil.rmtree(partial, ignore_errors=True)
    jobs = [(run, frame) for run, poses in runs.items() for frame in range(len(poses))]
    for run in runs:
        (partial / run).mkdir(parents=True)
    worlds = stack_worlds([world])

    def write(job: tuple[str, int]) -> None:
        run, frame = job
        number = list(runs).index(run) * 100_000 + frame
        stem = partial / run / f'frame-{frame:06d}'
        _write_frame(stem, worlds, camera, runs[run][frame], seed * 1_000_000 + number)

    threads = torch.get_num_threads()
    # An image per thread beats many threads per small tensor operation; Python feeds but a few.
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            written = pool.map(write, jobs)
            list(tqdm(written, 'rendering', len(jobs), unit='image', disable=not progress))
    finally:
        torch.set_num_threads(threads)
    (partial / 'split.yaml').write_text(_split(camera, *runs.items()))
    partial.rename(folder)


def camera_of(size: tuple[int, int]) -> Camera:
    """Return the camera of the apartment's images of a size (width, height) [px]."""
    width, height = size
    focal = FOCAL * width
    return Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def _write_frame(
    stem: Path, worlds: Worlds, camera: Camera, world_from_camera: np.ndarray, seed: int
) -> None:
    pose = torch.as_tensor(world_from_camera, dtype=torch.float32)[None]
    picture = render(worlds, camera, pose, torch.zeros(1, dtype=torch.long))
    rgb = photograph(picture.radiance, [seed])[0].permute(1, 2, 0).numpy()
    depth_m = picture.depth_m[0].numpy()
    depth_mm = np.where(depth_m < DEPTH_RANGE_M, np.rint(depth_m * 1000), 0).astype(np.uint16)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95]
    colour = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    if not (
        cv2.imwrite(f'{stem}.color.jpg', colour, quality)
        and cv2.imwrite(f'{stem}.depth.png', depth_mm)
    ):
        raise OSError(f'{stem}: cannot be written')
    np.savetxt(f'{stem}.pose.txt', world_from_camera, fmt='%.9f')


def _split(
    camera: Camera, keyframes: tuple[str, np.ndarray], replay: tuple[str, np.ndarray]
) -> str:
    (map_run, map_poses), (run, poses) = keyframes, replay
    stop = len(poses)
    return f"""# A rendered apartment; colour and depth are one camera, poses are camera-to-world.
layout: 7scenes
camera: {{focal_px: {camera.fx}, principal_point_px: [{camera.cx}, {camera.cy}]}}
keyframes: {{sequence: {map_run}, start: 0, stop: {len(map_poses)}, step: 1}}
queries: {{sequence: {run}, start: 0, stop: {stop}, step: {QUERY_STEP}}}
replay: {{sequence: {run}, start: 0, stop: {stop}, rate_hz: {RATE_HZ}}}
"""
