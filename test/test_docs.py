"""What README and docs/ tell people to type or to click exists."""

import argparse
from pathlib import Path
import re

import pytest
from relpose_ros.__main__ import COMMANDS
from relpose_ros.core.map_file import SCHEMA, SCHEMA_VERSION

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / 'README.md', *sorted((REPOSITORY / 'docs').glob('*.md'))]
pages = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)


def lines_to_type(page: Path) -> list[str]:
    """Return the lines of all code blocks, continued ones in one."""
    blocks = re.findall(r'^```\w*\n(.*?)^```', page.read_text(), re.DOTALL | re.MULTILINE)
    return '\n'.join(blocks).replace('\\\n', ' ').splitlines()


def anchors(page: Path) -> set[str]:
    """Return what a link can lead to on a page, as GitHub names it."""
    headings = re.findall(r'^#+ (.*)', page.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', each.lower()).replace(' ', '-') for each in headings}


@pages
def test_links(page: Path):
    """Every link within the repository leads to a file, and to a heading that is in it."""
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if '://' in target:
            continue
        path, _, anchor = target.partition('#')
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pages
def test_commands(page: Path):
    """Every command of this package has the options that it is shown with."""
    for line in lines_to_type(page):
        call = re.search(r'(?:ros2 run|python -m|torchrun .* -m) relpose_ros (.*)', line)
        words = call[1].removeprefix('relpose_ros ').split() if call else []
        if not words or words[0].endswith('_node'):
            continue
        parser = argparse.ArgumentParser()
        COMMANDS[words[0]].add_arguments(parser)
        options = {word for word in words if word.startswith('--')}
        known = set(re.findall(r'--[\w-]+', parser.format_help()))
        assert options <= known, line


@pages
def test_launch_arguments(page: Path):
    """Every launch file exists and has the arguments that it is shown with."""
    for line in lines_to_type(page):
        call = re.search(r'ros2 launch relpose_ros (\S+)(.*)', line)
        if call is None:
            continue
        source = (REPOSITORY / 'launch' / call[1]).read_text()
        for name in re.findall(r'(\w+):=', call[2]):
            assert f"'{name}': (" in source, line


def test_schema_of_maps():
    """The guide shows the map file's schema and version as they are."""
    guide = (REPOSITORY / 'docs' / 'mapping.md').read_text()
    assert f'```sql{SCHEMA}```' in guide
    assert f'schema version {SCHEMA_VERSION}:' in guide
