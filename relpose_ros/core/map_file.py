"""The map's file: an SQLite schema, the checks on opening, and how values become blobs."""

from dataclasses import asdict
import json
from pathlib import Path
import sqlite3
import struct

import cv2
import numpy as np
from relpose_ros.core.camera import Camera

APPLICATION_ID = 0x52504D31  # 'RPM1': tells a map from any other SQLite file
# Version 2 stores descriptors before images: opening a map no longer walks through every image.
# All statements name their columns, so that maps of both versions are read and written alike.
SCHEMA_VERSION, READABLE_VERSIONS = 2, (1, 2)
JPEG_QUALITY = 95
SCHEMA = """
CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE vocabulary (id INTEGER PRIMARY KEY CHECK (id = 1), data BLOB NOT NULL);
CREATE TABLE keyframe (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stamp_ns INTEGER NOT NULL,
    map_from_camera BLOB NOT NULL,  -- 4x4 float64, row by row, metres
    camera TEXT NOT NULL,           -- JSON of core/camera.py's Camera
    descriptor BLOB NOT NULL,       -- float16, unit norm
    image BLOB NOT NULL,            -- JPEG
    depth BLOB                      -- 16-bit PNG, millimetres, 0 unknown
);
"""


class MapError(ValueError):
    """A map file cannot be used; the message is one sentence for the user."""


def check_file(path: Path) -> None:
    """
    Refuse what SQLite would only notice later, or in words for programmers.

    :raises MapError: if the file is missing, truncated or no map.
    """
    if not path.is_file():
        raise MapError(f'{path}: no such map file')
    with path.open('rb') as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(b'SQLite format 3\0'):
        raise MapError(f'{path}: is no map file')
    page_bytes, pages, application = struct.unpack('>16xH10xI36xI28x', header)
    if application != APPLICATION_ID:
        raise MapError(f'{path}: is an SQLite file, but no map')
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    if path.stat().st_size < pages * page_bytes:
        raise MapError(
            f'{path}: is truncated: {path.stat().st_size} of {pages * page_bytes} bytes are there'
        )


def create_file(path: Path, manifest: dict[str, str], vocabulary: bytes) -> sqlite3.Connection:
    """
    Create the file of an empty map.

    :param path: a file that does not exist yet.
    :raises MapError: if the file exists or cannot be created.
    """
    if path.exists():
        raise MapError(f'{path}: exists already; remove it or choose another name')
    try:
        connection = sqlite3.connect(path, check_same_thread=False)
        # One transaction: a killed creation leaves no half of a schema.
        connection.executescript(
            f'PRAGMA application_id = {APPLICATION_ID}; BEGIN IMMEDIATE; {SCHEMA}'
        )
        connection.executemany('INSERT INTO manifest VALUES (?, ?)', manifest.items())
        connection.execute('INSERT INTO vocabulary VALUES (1, ?)', (vocabulary,))
        connection.commit()
    except sqlite3.Error as error:
        raise MapError(f'{path}: cannot create the map: {error}') from error
    return connection


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """
    Open an existing map file.

    :param mode: 'ro' or 'rw'.
    :raises MapError: as `check_file`, or if SQLite cannot open it.
    """
    check_file(path)
    uri = path.absolute().as_uri()
    try:
        if mode == 'ro' and path.with_name(path.name + '-journal').exists():
            # A writer was killed in mid-transaction: roll back first, which a reader may not.
            connect(path, 'rw').close()
        connection = sqlite3.connect(f'{uri}?mode={mode}', uri=True, check_same_thread=False)
        connection.execute('SELECT count(*) FROM sqlite_master').fetchone()
    except sqlite3.Error as error:
        raise MapError(f'{path}: cannot be opened: {error}') from error
    return connection


def decoded_pose(blob: bytes) -> np.ndarray:
    """
    Return the (4, 4) transform that was stored as float64, row by row.

    :raises MapError: if it is damaged.
    """
    try:
        return np.frombuffer(blob, '<f8').reshape(4, 4).copy()
    except ValueError as error:
        raise _damaged('pose') from error


def encoded_camera(camera: Camera) -> str:
    """Return the camera as JSON."""
    return json.dumps(asdict(camera))


def decoded_camera(text: str) -> Camera:
    """
    Return the camera that was stored as JSON.

    :raises MapError: if it is damaged.
    """
    try:
        fields = json.loads(text)
        return Camera(**{**fields, 'distortion': tuple(fields['distortion'])})
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged('camera') from error


def encoded_image(rgb: np.ndarray) -> bytes:
    """Return the (H, W, 3) uint8 image as JPEG."""
    return cv2.imencode('.jpg', rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[
        1
    ].tobytes()


def decoded_image(jpeg: bytes) -> np.ndarray:
    """
    Return the JPEG as (H, W, 3) uint8.

    :raises MapError: if it is damaged.
    """
    return np.ascontiguousarray(_decoded('image', jpeg, cv2.IMREAD_COLOR)[..., ::-1])


def encoded_depth(depth_m: np.ndarray, camera: Camera) -> bytes:
    """
    Return depth as 16-bit PNG in millimetres; what does not fit becomes 0, unknown.

    :param depth_m: (H, W) [m].
    :raises ValueError: if it has not the camera's size.
    """
    if depth_m.shape != (camera.height, camera.width):
        raise ValueError(
            f'depth_m: expected ({camera.height}, {camera.width}), got {depth_m.shape}'
        )
    millimetres = np.nan_to_num(depth_m * 1000, nan=0, posinf=0, neginf=0)
    millimetres[(millimetres < 0) | (millimetres > 65534)] = 0
    return cv2.imencode('.png', np.rint(millimetres).astype(np.uint16))[1].tobytes()


def decoded_depth(png: bytes) -> np.ndarray:
    """
    Return the stored depth, (H, W) float32, 0 where unknown [m].

    :raises MapError: if it is damaged.
    """
    return _decoded('depth', png, cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000


def _decoded(name: str, data: bytes, flags: int) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if pixels is None:
        raise _damaged(name)
    return pixels


def _damaged(name: str) -> MapError:
    return MapError(f'the {name} of a keyframe cannot be read: the map is damaged')
