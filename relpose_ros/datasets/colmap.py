"""
COLMAP models, text or binary: cameras, images and where they were taken.

A model's pixels are counted from the upper left corner of the first pixel, here from its centre:
the principal point moves by half a pixel. **A model's scale is arbitrary** unless it was aligned:
its units become metres by a factor that only the user knows.
"""

from dataclasses import dataclass
from pathlib import Path
import struct

from relpose_ros.core.camera import Camera
from relpose_ros.core.geometry import inverse
from relpose_ros.datasets.image_files import check_images, ImageFile, ImageFiles, only_posed
from relpose_ros.datasets.text_files import rigid_from_quaternion

RATE_HZ = 30.0
MODEL_FOLDERS = ('.', 'sparse/0', 'sparse')
# Of COLMAP's sensor/models.h: number in binary files, and parameters in order. 'f' is both focal
# lengths; the rest is distortion as OpenCV counts it, missing coefficients are 0.
_PINHOLE = ('fx', 'fy', 'cx', 'cy')
_MODELS = {
    'SIMPLE_PINHOLE': (0, ('f', 'cx', 'cy')),
    'PINHOLE': (1, _PINHOLE),
    'SIMPLE_RADIAL': (2, ('f', 'cx', 'cy', 'k1')),
    'RADIAL': (3, ('f', 'cx', 'cy', 'k1', 'k2')),
    'OPENCV': (4, (*_PINHOLE, 'k1', 'k2', 'p1', 'p2')),
    'OPENCV_FISHEYE': (5, (*_PINHOLE, 'k1', 'k2', 'k3', 'k4')),
    'FULL_OPENCV': (6, (*_PINHOLE, 'k1', 'k2', 'p1', 'p2', 'k3', 'k4', 'k5', 'k6')),
    'SIMPLE_RADIAL_FISHEYE': (8, ('f', 'cx', 'cy', 'k1')),
    'RADIAL_FISHEYE': (9, ('f', 'cx', 'cy', 'k1', 'k2')),
}
# How CameraInfo names the distortion, and the order of its coefficients.
_DISTORTIONS = {
    'plumb_bob': ('k1', 'k2', 'p1', 'p2'),
    'equidistant': ('k1', 'k2', 'k3', 'k4'),
    'rational_polynomial': ('k1', 'k2', 'p1', 'p2', 'k3', 'k4', 'k5', 'k6'),
}


@dataclass(frozen=True, slots=True)
class _Image:
    """An image of a model; numbers of its pose as words or floats."""

    name: str
    camera_id: int
    quat_wxyz: tuple
    translation: tuple


def find_model(folder: Path) -> Path | None:
    """Return the folder with a model's files: this one, or where COLMAP puts them below it."""
    for name in MODEL_FOLDERS:
        for kind in ('bin', 'txt'):
            model = folder / name
            if all((model / f'{part}.{kind}').is_file() for part in ('cameras', 'images')):
                return model
    return None


def read_images(folder: Path, images: Path | None = None, scale: float = 1.0) -> ImageFiles:
    """
    Open the images of a model in the order of their names.

    :param folder: a project or the folder of the model's files.
    :param images: the folder that the names of the images start from; None looks for one called
        images in the folder, and beside and above the model.
    :param scale: metres that one unit of the model is.
    :raises ValueError: with one sentence naming the path, if something is missing or wrong.
    """
    model = find_model(folder)
    if model is None:
        raise ValueError(f'{folder}: no COLMAP model: no cameras and images, .bin or .txt')
    if not scale > 0:
        raise ValueError(f'scale: expected a positive number, got {scale}')
    binary = (model / 'images.bin').is_file() and (model / 'cameras.bin').is_file()
    cameras, entries = _binary_model(model) if binary else _text_model(model)
    if not entries:
        raise ValueError(f'{model}: the model has no image')
    images = images or _images_beside(folder, model)
    ordered = sorted(entries, key=lambda entry: entry.name)
    files = only_posed(
        model, (_file(i, each, cameras, images, scale) for i, each in enumerate(ordered))
    )
    check_images(model, [file.path for file in files])
    return ImageFiles(files)


def _file(
    index: int, entry: _Image, cameras: dict[int, Camera], images: Path, scale: float
) -> ImageFile | None:
    if entry.camera_id not in cameras:
        raise ValueError(f'{entry.name}: the COLMAP model has no camera {entry.camera_id}')
    camera_from_map = rigid_from_quaternion(entry.quat_wxyz, entry.translation)
    if camera_from_map is None:
        return None
    map_from_camera = inverse(camera_from_map)
    map_from_camera[:3, 3] *= scale
    return ImageFile(
        name=entry.name,
        stamp_ns=round(index * 1_000_000_000 / RATE_HZ),
        path=images / entry.name,
        camera=cameras[entry.camera_id],
        map_from_camera=map_from_camera,
    )


def _images_beside(folder: Path, model: Path) -> Path:
    """Return where images usually are: images/ beside the model or up to two folders above it."""
    for place in (folder, model, model.parent, model.parent.parent):
        if (place / 'images').is_dir():
            return place / 'images'
    raise ValueError(f'{folder}: no folder images/ in it or beside it; say where the images are')


def _camera(where: Path, model: str, width: int, height: int, numbers: tuple) -> Camera:
    """Make a camera of a model's name and its parameters in COLMAP's order."""
    if model not in _MODELS:
        raise ValueError(
            f"{where}: camera model '{model}' is not supported; undistort the images with COLMAP, "
            f'or use one of {", ".join(_MODELS)}'
        )
    names = _MODELS[model][1]
    if len(numbers) != len(names):
        raise ValueError(f'{where}: {model} has {len(names)} parameters, not {len(numbers)}')
    values = dict(zip(names, numbers, strict=True))
    kind = 'equidistant' if 'FISHEYE' in model else 'plumb_bob'
    if model == 'FULL_OPENCV':
        kind = 'rational_polynomial'
    distortion = tuple(values.get(name, 0.0) for name in _DISTORTIONS[kind])
    fx, fy = values.get('fx', values.get('f')), values.get('fy', values.get('f'))
    try:
        centre = (values['cx'] - 0.5, values['cy'] - 0.5)
        return Camera(width, height, fx, fy, *centre, distortion, kind)
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from None


def _text_model(model: Path) -> tuple[dict[int, Camera], list[_Image]]:
    path, cameras = model / 'cameras.txt', {}
    for line in filter(str.strip, _lines(path)):
        try:
            camera_id, kind, width, height, *words = line.split()
            numbers = (int(camera_id), int(width), int(height))
            parameters = tuple(map(float, words))
        except ValueError:
            raise ValueError(f"{path}: expected 'ID MODEL WIDTH HEIGHT PARAMETERS...'") from None
        cameras[numbers[0]] = _camera(path, kind, *numbers[1:], parameters)
    path, images = model / 'images.txt', []
    # Every other line lists points, and is empty where there are none.
    for line in filter(str.strip, _lines(path)[::2]):
        words = line.split(maxsplit=9)
        try:
            image = _Image(words[9].strip(), int(words[8]), tuple(words[1:5]), tuple(words[5:8]))
        except (IndexError, ValueError):
            raise ValueError(
                f"{path}: expected 'ID QW QX QY QZ TX TY TZ CAMERA_ID NAME', got '{line[:80]}'"
            ) from None
        images.append(image)
    return cameras, images


def _lines(path: Path) -> list[str]:
    """Return all lines but comments: empty ones have a meaning."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f'{path}: missing or not readable as text') from None
    return [line for line in lines if not line.startswith('#')]


def _binary_model(model: Path) -> tuple[dict[int, Camera], list[_Image]]:
    kinds = {number: (name, len(names)) for name, (number, names) in _MODELS.items()}
    path, cameras = model / 'cameras.bin', {}
    file = _Binary(path)
    for _ in range(file.take('<Q')[0]):
        camera_id, number, width, height = file.take('<iiQQ')
        kind, count = kinds.get(number, (f'number {number}', 0))
        cameras[camera_id] = _camera(path, kind, width, height, file.take(f'<{count}d'))
    images, file = [], _Binary(model / 'images.bin')
    for _ in range(file.take('<Q')[0]):
        _, *pose, camera_id = file.take('<i7di')
        name = file.text()
        file.skip(24 * file.take('<Q')[0])  # u, v and id of each point
        images.append(_Image(name, camera_id, tuple(pose[:4]), tuple(pose[4:])))
    return cameras, images


class _Binary:
    """Takes numbers off a file."""

    def __init__(self, path: Path) -> None:
        self._path, self._data, self._at = path, path.read_bytes(), 0

    def take(self, layout: str) -> tuple:
        begin = self._at
        self.skip(struct.calcsize(layout))
        return struct.unpack(layout, self._data[begin : self._at])

    def text(self) -> str:
        """Take what stands before the next zero byte."""
        begin = self._at
        self.skip(self._data.find(b'\0', begin) + 1 - begin)
        return self._data[begin : self._at - 1].decode(errors='replace')

    def skip(self, count: int) -> None:
        self._at += count
        if count < 0 or self._at > len(self._data):
            raise ValueError(f'{self._path}: is truncated')
