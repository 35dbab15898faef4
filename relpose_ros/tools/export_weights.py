"""
Make trained weights the package's own.

For example:
  relpose_ros figures data --weights out/head/best.safetensors --out out/figures
  relpose_ros export-weights out/head/best.safetensors --figures out/figures/figures.json

Copies the weights to where the package looks for them and writes manifest.json beside them:
architecture, content hash, the recipes and data they were trained by, the commit of the code, and
what they reach.
"""

import argparse
import json
from pathlib import Path
import shutil
import subprocess

from relpose_ros.core.network_weights import DEFAULT_WEIGHTS, load_network, read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('weights', type=Path, help='best.safetensors of the second stage')
    parser.add_argument('--figures', type=Path, help='figures.json with rows of these weights')
    parser.add_argument(
        '--out',
        type=Path,
        default=DEFAULT_WEIGHTS.parent,
        help="folder to write to (default: the package's own)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Check the weights, copy them and describe them."""
    _, content_hash = load_network(arguments.weights)
    manifest = read_manifest(arguments.weights)
    figures = _figures(arguments.figures, content_hash) if arguments.figures else []
    description = {
        'content_hash': content_hash,
        'architecture': json.loads(manifest['architecture']),
        'history': json.loads(manifest.get('history', '[]')),
        'commit': _commit(),
        'figures': figures,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    weights, path = arguments.out / DEFAULT_WEIGHTS.name, arguments.out / 'manifest.json'
    shutil.copyfile(arguments.weights, weights)
    path.write_text(json.dumps(description, indent=2) + '\n')
    print(f'{weights}\n{path}')


def _figures(path: Path, content_hash: str) -> list[dict]:
    """Return the rows of these weights."""
    try:
        rows = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path}: holds no figures: {error}') from error
    own = [row for row in rows if row.get('weights') == content_hash]
    if not own:
        raise ValueError(f'{path}: has no figures of the weights {content_hash}')
    return own


def _commit() -> str | None:
    """Return the commit of the code that trained; None outside of a repository."""
    done = subprocess.run(
        ('git', 'rev-parse', 'HEAD'), cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return done.stdout.strip() or None
