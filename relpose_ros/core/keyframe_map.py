"""The map: posed keyframes and their descriptors in one SQLite file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import sqlite3
import time

import numpy as np
from relpose_ros.core.camera import Camera, checked_rgb
from relpose_ros.core.geometry import checked_transform
from relpose_ros.core.keyframe_index import KeyframeIndex
from relpose_ros.core.map_file import (
    connect,
    create_file,
    decoded_camera,
    decoded_depth,
    decoded_image,
    decoded_pose,
    encoded_camera,
    encoded_depth,
    encoded_image,
    MapError,
    READABLE_VERSIONS,
    SCHEMA_VERSION,
)
from relpose_ros.core.prior import Prior
from relpose_ros.core.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Keyframe:
    """
    An image of the map and where it was taken.

    :param id: row in the map file, never used twice.
    :param stamp_ns: time of the image [ns].
    :param map_from_camera: (4, 4), camera optical frame to map [m].
    :param camera: intrinsics, without distortion.
    :param rgb: (H, W, 3) uint8.
    :param depth_m: (H, W) float32 in this camera, 0 where unknown [m]; None without depth.
    """

    id: int
    stamp_ns: int
    map_from_camera: np.ndarray
    camera: Camera
    rgb: np.ndarray
    depth_m: np.ndarray | None


class KeyframeMap:
    """
    A map file, opened by one of `create`, `edit` and `open`; a context manager.

    Every keyframe is one transaction: a killed writer loses at most the keyframe in hand.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Take over a connection to a file that holds the schema."""
        self.path = path
        self._connection = connection
        self._index: KeyframeIndex | None = None
        self._checked_version: int | None = None
        self.manifest = dict(self._query('SELECT key, value FROM manifest'))
        self.vocabulary = self._checked_vocabulary()

    @classmethod
    def create(
        cls,
        path: Path,
        vocabulary: Vocabulary,
        map_frame: str = 'map',
        notes: Mapping[str, str] | None = None,
    ) -> 'KeyframeMap':
        """
        Create an empty map.

        :param path: a file that does not exist yet.
        :param map_frame: name of the frame that the keyframes are posed in.
        :param notes: more entries of its manifest.
        :raises MapError: if the file exists or cannot be created.
        """
        path = Path(path)
        manifest = {
            'schema_version': str(SCHEMA_VERSION),
            'descriptor': vocabulary.identity,
            'map_frame': map_frame,
            'created': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
            **(notes or {}),
        }
        return cls(path, create_file(path, manifest, vocabulary.to_bytes()))

    @classmethod
    def open(cls, path: Path) -> 'KeyframeMap':
        """
        Open a map for reading only.

        :raises MapError: if the file is missing, truncated, no map, or of another version.
        """
        return cls(Path(path), connect(Path(path), 'ro'))

    @classmethod
    def edit(cls, path: Path) -> 'KeyframeMap':
        """
        Open a map for adding and removing keyframes.

        :raises MapError: as `open`.
        """
        return cls(Path(path), connect(Path(path), 'rw'))

    def __enter__(self) -> 'KeyframeMap':
        """Return the map itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; what was added is in it."""
        self._connection.close()

    def __len__(self) -> int:
        """Return the number of keyframes."""
        return self._query('SELECT count(*) FROM keyframe')[0][0]

    def require_keyframes(self) -> None:
        """
        Refuse an empty map.

        :raises MapError: if there is no keyframe in it.
        """
        if len(self) == 0:
            raise MapError(f'{self.path}: has no keyframes')

    def require_searchable(self) -> None:
        """
        Refuse a map that `nearest` could not search, and read all it needs for that.

        :raises MapError: if there is no keyframe in it, or their descriptors are damaged.
        """
        self.require_keyframes()
        self._searchable()

    @property
    def map_frame(self) -> str:
        """Name of the frame that the keyframes are posed in."""
        return self.manifest['map_frame']

    @property
    def schema_version(self) -> int:
        """Version of the file's schema; `edit_map` writes the newest."""
        return int(self.manifest['schema_version'])

    @property
    def depth_count(self) -> int:
        """Return the number of keyframes with depth."""
        return self._query('SELECT count(depth) FROM keyframe')[0][0]

    @property
    def ids(self) -> list[int]:
        """Ids of all keyframes, in the order they were added."""
        return [row[0] for row in self._query('SELECT id FROM keyframe ORDER BY id')]

    def add(
        self,
        stamp_ns: int,
        map_from_camera: np.ndarray,
        camera: Camera,
        rgb: np.ndarray,
        descriptor: np.ndarray,
        depth_m: np.ndarray | None = None,
    ) -> int:
        """
        Add a keyframe in a transaction of its own.

        :param map_from_camera: (4, 4) [m].
        :param camera: intrinsics, without distortion.
        :param rgb: (H, W, 3) uint8.
        :param descriptor: (D,) unit norm, from this map's vocabulary.
        :param depth_m: (H, W) in this camera, 0 where unknown [m].
        :return: the new keyframe's id.
        :raises ValueError: if an argument is not what is said above.
        :raises MapError: if the file cannot be written.
        """
        if any(camera.distortion):
            raise ValueError('camera: expected no distortion (see core.camera.rectified)')
        if descriptor.shape != (self.vocabulary.dimensions,):
            raise ValueError(
                f'descriptor: expected ({self.vocabulary.dimensions},), got {descriptor.shape}'
            )
        if not np.isclose(np.linalg.norm(descriptor), 1, atol=1e-3):
            raise ValueError('descriptor: not of unit norm; has the image no texture?')
        row = (
            int(stamp_ns),
            checked_transform('map_from_camera', map_from_camera).tobytes(),
            encoded_camera(camera),
            encoded_image(checked_rgb(rgb, camera)),
            None if depth_m is None else encoded_depth(depth_m, camera),
            descriptor.astype('<f2').tobytes(),
        )
        columns = 'stamp_ns, map_from_camera, camera, image, depth, descriptor'
        return self._write(f'INSERT INTO keyframe ({columns}) VALUES (?, ?, ?, ?, ?, ?)', row)

    def remove(self, keyframe_id: int) -> None:
        """
        Remove a keyframe.

        :raises MapError: if the map has no such keyframe, or the file cannot be written.
        """
        self._existing('id', keyframe_id)
        self._write('DELETE FROM keyframe WHERE id = ?', (keyframe_id,))

    def set_depth(self, keyframe_id: int, depth_m: np.ndarray) -> None:
        """
        Give a keyframe depth.

        :param depth_m: (H, W) in its camera, 0 where unknown [m].
        :raises ValueError: if it has not the camera's size.
        :raises MapError: if the map has no such keyframe, or the file cannot be written.
        """
        depth = encoded_depth(depth_m, self.camera(keyframe_id))
        self._write('UPDATE keyframe SET depth = ? WHERE id = ?', (depth, keyframe_id))

    def note(self, key: str, value: str | None) -> None:
        """
        Write an entry of the manifest; None removes it.

        :raises MapError: if the file cannot be written.
        """
        if value is None:
            self._write('DELETE FROM manifest WHERE key = ?', (key,))
            self.manifest.pop(key, None)
        else:
            self._write('INSERT OR REPLACE INTO manifest VALUES (?, ?)', (key, value))
            self.manifest[key] = value

    def replace_vocabulary(
        self, vocabulary: Vocabulary, describe: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        """
        Describe all keyframes anew, in one transaction.

        :param vocabulary: the new one.
        :param describe: from (H, W, 3) uint8 to the (D,) descriptor with that vocabulary.
        :raises MapError: if the file cannot be read or written.
        """
        self._index = None
        try:
            with self._connection:
                for keyframe_id in self.ids:
                    descriptor = describe(self.keyframe(keyframe_id).rgb).astype('<f2').tobytes()
                    self._connection.execute(
                        'UPDATE keyframe SET descriptor = ? WHERE id = ?',
                        (descriptor, keyframe_id),
                    )
                self._connection.execute(
                    'UPDATE vocabulary SET data = ?', (vocabulary.to_bytes(),)
                )
                self._connection.execute(
                    "UPDATE manifest SET value = ? WHERE key = 'descriptor'",
                    (vocabulary.identity,),
                )
        except sqlite3.Error as error:
            raise MapError(f'{self.path}: cannot write: {error}') from error
        self.manifest['descriptor'] = vocabulary.identity
        self.vocabulary = vocabulary

    def keyframe(self, keyframe_id: int) -> Keyframe:
        """
        Read a keyframe with its image and depth.

        :raises MapError: if the map has no such keyframe, or it cannot be read.
        """
        stamp_ns, pose, camera, jpeg, png = self._existing(
            'stamp_ns, map_from_camera, camera, image, depth', keyframe_id
        )
        return Keyframe(
            id=keyframe_id,
            stamp_ns=stamp_ns,
            map_from_camera=decoded_pose(pose),
            camera=decoded_camera(camera),
            rgb=decoded_image(jpeg),
            depth_m=None if png is None else decoded_depth(png),
        )

    def jpeg(self, keyframe_id: int) -> bytes:
        """
        Read a keyframe's image as it is stored.

        :raises MapError: if the map has no such keyframe.
        """
        return self._existing('image', keyframe_id)[0]

    def pose(self, keyframe_id: int) -> np.ndarray:
        """
        Read where a keyframe was taken, without its image.

        :return: (4, 4), map_from_camera [m].
        :raises MapError: if the map has no such keyframe.
        """
        return decoded_pose(self._existing('map_from_camera', keyframe_id)[0])

    def stamp_ns(self, keyframe_id: int) -> int:
        """
        Read the time of a keyframe's image [ns].

        :raises MapError: if the map has no such keyframe.
        """
        return self._existing('stamp_ns', keyframe_id)[0]

    def camera(self, keyframe_id: int) -> Camera:
        """
        Read a keyframe's intrinsics, without its image.

        :raises MapError: if the map has no such keyframe.
        """
        return decoded_camera(self._existing('camera', keyframe_id)[0])

    def nearest(
        self, descriptor: np.ndarray, count: int, prior: Prior | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Find the keyframes that look most like a descriptor (see KeyframeIndex.nearest).

        :raises MapError: if the map is empty, or its descriptors are damaged.
        """
        self.require_keyframes()
        return self._searchable().nearest(descriptor, count, prior)

    def descriptors(self) -> np.ndarray:
        """
        Read all descriptors.

        :return: (n, D) float32, by id.
        """
        return self._searchable().descriptors()

    def _searchable(self) -> KeyframeIndex:
        """Return the index, read once."""
        if self._index is None:
            rows = self._query('SELECT id, descriptor, map_from_camera FROM keyframe ORDER BY id')
            size = 2 * self.vocabulary.dimensions  # bytes of float16
            damaged = [keyframe_id for keyframe_id, blob, _ in rows if len(blob) != size]
            if damaged:
                raise MapError(f'{self.path}: is damaged: descriptor of keyframe {damaged[0]}')
            descriptors = np.frombuffer(b''.join(blob for _, blob, _ in rows), '<f2')
            self._index = KeyframeIndex(
                np.array([row[0] for row in rows], np.int64),
                np.array([decoded_pose(pose)[:3, 3] for _, _, pose in rows]).reshape(-1, 3),
                descriptors.reshape(len(rows), self.vocabulary.dimensions),
            )
        return self._index

    def _checked_vocabulary(self) -> Vocabulary:
        version = self.manifest.get('schema_version')
        if version not in map(str, READABLE_VERSIONS):
            raise MapError(
                f'{self.path}: has schema version {version}, this program reads up to '
                f'{SCHEMA_VERSION}; update relpose_ros, or build the map again'
            )
        try:
            vocabulary = Vocabulary.from_bytes(self._query('SELECT data FROM vocabulary')[0][0])
        except (ValueError, IndexError) as error:
            raise MapError(f'{self.path}: its vocabulary cannot be read: {error}') from error
        if vocabulary.identity != self.manifest.get('descriptor'):
            raise MapError(
                f'{self.path}: its keyframes are described by {self.manifest.get("descriptor")}, '
                f'its vocabulary is {vocabulary.identity}; build the map again'
            )
        return vocabulary

    def _require_unchanged(self) -> None:
        """Refuse a file over which another map has been copied since its index was read."""
        if self._index is None:
            return
        version = self._query('PRAGMA data_version')[0][0]
        if version == self._checked_version:
            return
        known = self._index.positions_m
        frame = self._query("SELECT value FROM manifest WHERE key = 'map_frame'")
        poses = self._query('SELECT id, map_from_camera FROM keyframe')
        if frame != [(self.map_frame,)] or any(
            not np.array_equal(decoded_pose(pose)[:3, 3], known[keyframe_id])
            for keyframe_id, pose in poses
            if keyframe_id in known
        ):
            raise MapError(
                f'{self.path}: another map has been copied over it while it was open; set '
                'map_path again to use that'
            )
        self._checked_version = version

    def _existing(self, columns: str, keyframe_id: int) -> tuple:
        self._require_unchanged()
        rows = self._query(f'SELECT {columns} FROM keyframe WHERE id = ?', (int(keyframe_id),))
        if not rows:
            raise MapError(f'{self.path}: has no keyframe {keyframe_id}')
        return rows[0]

    def _query(self, sql: str, values: tuple = ()) -> list[tuple]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise MapError(f'{self.path}: is damaged or no map: {error}') from error

    def _write(self, sql: str, values: tuple) -> int:
        self._index = None
        try:
            with self._connection:
                return self._connection.execute(sql, values).lastrowid
        except sqlite3.Error as error:
            raise MapError(f'{self.path}: cannot write: {error}') from error
