"""Files with one JSON object a line: readable at any moment, also after a kill."""

import json
from pathlib import Path
from typing import Any


class JsonLines:
    """A file to which objects are appended."""

    def __init__(self, path: str) -> None:
        """
        Create or empty the file.

        :raises ValueError: if that is not possible.
        """
        self._path = Path(path).expanduser()
        try:
            self._path.write_text('')
        except OSError as error:
            raise ValueError(f'{path}: cannot be written: {error.strerror}') from error

    def append(self, record: dict[str, Any]) -> None:
        """Write a line and close the file: nothing waits in a buffer."""
        with self._path.open('a') as file:
            print(json.dumps(record), file=file)
