"""docs/troubleshooting.md has a paragraph for every result that a node reports."""

from pathlib import Path
import re

from relpose_ros.core.estimator import Reason
from relpose_ros.core.keyframe_selection import LeftOut
from relpose_ros.nodes import diagnostics, mapper_node, requests

PAGE = (Path(__file__).parents[2] / 'docs' / 'troubleshooting.md').read_text()


def words_of(module: object) -> set[str]:
    """Return the results that a module names: its constants that are one word."""
    constants = {value for name, value in vars(module).items() if name.isupper()}
    return {each for each in constants if isinstance(each, str) and each.isidentifier()}


def test_every_result_has_its_paragraph():
    """None is missing, none is there that is not given any more, and none is empty."""
    results = {reason.value for reason in Reason} | {each.name.lower() for each in LeftOut}
    for module in (diagnostics, requests, mapper_node):
        results |= words_of(module)
    results.remove(diagnostics.UNKNOWN)  # an age
    paragraphs = re.findall(r'^### `(\w+)`\n\n(\w.*)', PAGE, re.MULTILINE)
    assert sorted(name for name, _ in paragraphs) == sorted(results)
