"""Progress bars: over images, and for work that counts by itself."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar('Item')


def counted(images: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
    """Yield images under a progress bar, which is drawn once the first is asked for."""
    yield from tqdm(images, title, total=total, unit='image')


class Progress:
    """A context manager to be called with the numbers done and to do."""

    def __init__(self, title: str) -> None:
        """Begin with nothing done."""
        self._bar = tqdm(desc=title, unit='image')

    def __enter__(self) -> 'Progress':
        """Return the bar."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def __call__(self, done: int, todo: int) -> None:
        """Move the bar."""
        self._bar.total = todo
        self._bar.update(done - self._bar.n)
