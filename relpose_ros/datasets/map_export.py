"""A map as files that other programs read: a COLMAP text model, or a TUM RGB-D recording."""

from collections.abc import Callable, Iterable
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from relpose_ros.core.geometry import inverse, quaternion_xyzw
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.datasets.tum import DEPTH_COUNTS_PER_M

# Pixels in COLMAP are counted from the first pixel's corner, here from its centre.
COLMAP_PIXEL_CENTRE = 0.5


def export_map(
    folder: Path, keyframe_map: KeyframeMap, layout: str, ids: Iterable[int] | None = None
) -> None:
    """
    Write a map's keyframes; the folder is there when all of it is.

    :param folder: one that does not exist yet.
    :param layout: of LAYOUTS.
    :param ids: the keyframes, which a progress bar may count; None for all.
    :raises ValueError: if the folder exists, the map is empty or the layout has no room for it.
    """
    keyframe_map.require_keyframes()
    if folder.exists():
        raise ValueError(f'{folder}: exists already; choose another name')
    if not folder.absolute().parent.is_dir():
        raise ValueError(f'{folder}: there is no folder to put it in')
    with TemporaryDirectory(prefix=f'.{folder.name}.', dir=folder.absolute().parent) as parent:
        unfinished = Path(parent) / folder.name
        unfinished.mkdir()
        LAYOUTS[layout](unfinished, keyframe_map, keyframe_map.ids if ids is None else ids)
        os.rename(unfinished, folder)


def _write_colmap(folder: Path, keyframe_map: KeyframeMap, ids: Iterable[int]) -> None:
    """Write images/ and sparse/0/ without points; images have their keyframe's id."""
    model, images = folder / 'sparse' / '0', folder / 'images'
    model.mkdir(parents=True)
    images.mkdir()
    cameras, lines = {}, ['# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then its points: none']
    for keyframe_id in ids:
        camera_id = cameras.setdefault(keyframe_map.camera(keyframe_id), len(cameras) + 1)
        camera_from_map = inverse(keyframe_map.pose(keyframe_id))
        x, y, z, w = quaternion_xyzw(camera_from_map[:3, :3])
        name = f'{keyframe_id:06d}.jpg'
        pose = _numbers(w, x, y, z, *camera_from_map[:3, 3])
        lines += [f'{keyframe_id} {pose} {camera_id} {name}', '']
        (images / name).write_bytes(keyframe_map.jpeg(keyframe_id))
    _write(model / 'images.txt', lines)
    _write(model / 'points3D.txt', ['# No points: the map is one of keyframes'])
    numbers = {
        camera_id: _numbers(c.fx, c.fy, c.cx + COLMAP_PIXEL_CENTRE, c.cy + COLMAP_PIXEL_CENTRE)
        for c, camera_id in cameras.items()
    }
    rows = [f'{i} PINHOLE {c.width} {c.height} {numbers[i]}' for c, i in cameras.items()]
    _write(model / 'cameras.txt', ['# CAMERA_ID MODEL WIDTH HEIGHT FX FY CX CY', *rows])


def _write_tum(folder: Path, keyframe_map: KeyframeMap, ids: Iterable[int]) -> None:
    """Write rgb/, depth/, their lists and groundtruth.txt; calibration.txt is an addition."""
    cameras = {keyframe_map.camera(keyframe_id) for keyframe_id in keyframe_map.ids}
    stamps_ns = [keyframe_map.stamp_ns(keyframe_id) for keyframe_id in keyframe_map.ids]
    if len(cameras) > 1:
        raise ValueError(f'{keyframe_map.path}: has {len(cameras)} cameras, TUM has room for one')
    if len(set(stamps_ns)) < len(stamps_ns):
        raise ValueError(
            f'{keyframe_map.path}: keyframes share a stamp, by which TUM tells images apart'
        )
    (folder / 'rgb').mkdir()
    (folder / 'depth').mkdir()
    lists = {'rgb': [], 'depth': [], 'groundtruth': []}
    for keyframe_id in ids:
        keyframe = keyframe_map.keyframe(keyframe_id)
        seconds, rest_ns = divmod(keyframe.stamp_ns, 1_000_000_000)
        stamp = f'{seconds}.{rest_ns:09d}'
        map_from_camera = keyframe.map_from_camera
        quat_xyzw = quaternion_xyzw(map_from_camera[:3, :3])
        pose = _numbers(*map_from_camera[:3, 3], *quat_xyzw)
        lists['groundtruth'].append(f'{stamp} {pose}')
        lists['rgb'].append(f'{stamp} rgb/{stamp}.jpg')
        (folder / 'rgb' / f'{stamp}.jpg').write_bytes(keyframe_map.jpeg(keyframe_id))
        if keyframe.depth_m is not None:
            lists['depth'].append(f'{stamp} depth/{stamp}.png')
            png = _depth_png(keyframe.depth_m)
            (folder / 'depth' / f'{stamp}.png').write_bytes(png)
    for name, lines in lists.items():
        head = 'tx ty tz qx qy qz qw' if name == 'groundtruth' else 'filename'
        _write(folder / f'{name}.txt', [f'# timestamp {head}', *sorted(lines, key=_stamp)])
    (camera,) = cameras
    numbers = _numbers(camera.fx, camera.fy, camera.cx, camera.cy)
    lines = ['# fx fy cx cy width height', f'{numbers} {camera.width} {camera.height}']
    _write(folder / 'calibration.txt', lines)


LAYOUTS: dict[str, Callable[[Path, KeyframeMap, Iterable[int]], None]] = {
    'colmap': _write_colmap,
    'tum': _write_tum,
}


def _depth_png(depth_m: np.ndarray) -> bytes:
    """Return depth, (H, W) [m], in TUM's counts; what is too far for them becomes 0, unknown."""
    counts = np.rint(depth_m * DEPTH_COUNTS_PER_M)
    counts[counts > 65534] = 0
    return cv2.imencode('.png', counts.astype(np.uint16))[1].tobytes()


def _stamp(line: str) -> tuple[int, str]:
    """Return what stamps are sorted by: seconds may have any number of digits."""
    seconds, rest = line.split(maxsplit=1)[0].split('.')
    return int(seconds), rest


def _numbers(*values: float) -> str:
    return ' '.join(repr(float(value)) for value in values)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text('\n'.join(lines) + '\n')
