"""Everything but nodes works where there is no ROS."""

from pathlib import Path
import subprocess
import sys

import pytest

REPOSITORY = Path(__file__).parents[1]
ROS_FREE = ('core', 'learning', 'evaluation', 'datasets', 'baselines', 'tools')
MESSAGES = ('builtin_interfaces', 'geometry_msgs', 'sensor_msgs', 'std_msgs', 'tf2_msgs')
PROGRAM = """
import importlib, sys
for name in {blocked}:
    sys.modules[name] = None
for name in {modules}:
    importlib.import_module(name)
"""


def modules_of(part: str) -> list[str]:
    """Return the names of all modules of a part of the package."""
    files = sorted((REPOSITORY / 'relpose_ros' / part).rglob('*.py'))
    names = ['.'.join(file.relative_to(REPOSITORY).with_suffix('').parts) for file in files]
    return [name.removesuffix('.__init__') for name in names]


@pytest.mark.parametrize('part', ROS_FREE)
def test_imports_without_ros(part: str):
    """Every module of the part can be imported with rclpy and the messages blocked."""
    names = modules_of(part)
    if not names:
        pytest.skip(f'there is no {part} yet')
    program = PROGRAM.format(blocked=('rclpy', *MESSAGES), modules=names)
    result = subprocess.run(
        [sys.executable, '-c', program], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ('part', 'above'),
    [
        ('core', ('datasets', 'learning', 'evaluation', 'baselines', 'tools', 'nodes')),
        ('datasets', ('learning', 'evaluation', 'baselines', 'tools', 'nodes')),
        ('learning', ('tools', 'nodes')),
        ('evaluation', ('tools', 'nodes')),
        ('nodes', ('tools',)),
    ],
)
def test_imports_go_one_way(part: str, above: tuple[str, ...]):
    """No module names a part that stands above its own."""
    for file in (REPOSITORY / 'relpose_ros' / part).rglob('*.py'):
        for line in file.read_text().splitlines():
            for each in above:
                assert not line.lstrip().startswith(f'from relpose_ros.{each}'), f'{file}: {line}'
