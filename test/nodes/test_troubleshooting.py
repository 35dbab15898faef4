"""docs/troubleshooting.md has a paragraph for every reason why there is no pose."""

from pathlib import Path
import re

from relpose_ros.core.estimator import Reason
from relpose_ros.nodes import diagnostics, requests

PAGE = (Path(__file__).parents[2] / 'docs' / 'troubleshooting.md').read_text()


def words_of(module: object) -> set[str]:
    """Return the results that a module names: its constants that are one word."""
    constants = {value for name, value in vars(module).items() if name.isupper()}
    return {each for each in constants if isinstance(each, str) and each.isidentifier()}


def test_every_result_has_its_paragraph():
    """None is missing, none is there that is not given any more, and none is empty."""
    results = {reason.value for reason in Reason} | words_of(diagnostics) | words_of(requests)
    results.remove(diagnostics.UNKNOWN)  # an age
    paragraphs = re.findall(r'^### `(\w+)`\n\n(\w.*)', PAGE, re.MULTILINE)
    assert sorted(name for name, _ in paragraphs) == sorted(results)
