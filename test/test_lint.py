"""Style is checked like everything else; ament's linters where they are installed."""

from pathlib import Path
import subprocess
import sys
from xml.etree import ElementTree

import pytest

REPOSITORY = Path(__file__).parents[1]
CODE = [REPOSITORY / name for name in ('relpose_ros', 'test', 'launch', 'docs', 'setup.py')]
XML = [
    REPOSITORY / 'package.xml',
    *sorted((REPOSITORY / 'config').rglob('*.xml')),
]


def run_ruff(*arguments: str) -> subprocess.CompletedProcess:
    """Run ruff on the repository's code."""
    pytest.importorskip('ruff')
    command = [sys.executable, '-m', 'ruff', *arguments, *map(str, CODE)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def test_ruff_check():
    """No finding."""
    result = run_ruff('check', '--quiet')
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_format():
    """The code is formatted."""
    result = run_ruff('format', '--check')
    assert result.returncode == 0, result.stdout + result.stderr


def test_ament_flake8(tmp_path: Path):
    """No finding, with ament's settings but for two rules."""
    ament_flake8 = pytest.importorskip('ament_flake8.main')
    settings = Path(ament_flake8.__file__).parent / 'configuration' / 'ament_flake8.ini'
    # A003: a field may be called id, as in messages. E203: ruff's format of slices.
    config = tmp_path / 'flake8.ini'
    config.write_text(
        settings.read_text().replace('extend-ignore = ', 'extend-ignore = A003,E203,')
    )
    code, errors = ament_flake8.main_with_errors(argv=['--config', str(config), *map(str, CODE)])
    assert code == 0, '\n'.join(errors)


def test_ament_pep257():
    """No finding."""
    ament_pep257 = pytest.importorskip('ament_pep257.main')
    assert ament_pep257.main(argv=[str(path) for path in CODE]) == 0


def test_ament_xmllint():
    """The XML files follow their schemas."""
    ament_xmllint = pytest.importorskip('ament_xmllint.main')
    assert ament_xmllint.main(argv=[str(path) for path in XML]) == 0


@pytest.mark.parametrize('path', XML, ids=lambda path: path.name)
def test_xml_is_well_formed(path: Path):
    """Every XML file can be parsed."""
    assert ElementTree.parse(path).getroot().tag
