"""A progress bar for work that counts by itself."""

from tqdm import tqdm


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
