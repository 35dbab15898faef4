"""Weights become the package's own only with figures that are theirs."""

import json
from pathlib import Path

import pytest
from relpose_ros.__main__ import main
from relpose_ros.core.network_pose import untrained_network
from relpose_ros.core.network_weights import load_network, save_network


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / 'best.safetensors'
    history = json.dumps([{'step': 3, 'recipe': {'stage': 'head'}}])
    return path, save_network(path, untrained_network(), {'history': history})


def export(weights: Path, figures: Path, out: Path) -> int:
    command = ('export-weights', weights, '--figures', figures, '--out', out)
    return main([str(word) for word in command])


def test_the_manifest_says_what_made_them_and_what_they_reach(tmp_path, weights):
    path, content_hash = weights
    rows = [{'id': 'a', 'weights': content_hash}, {'id': 'b', 'weights': None}]
    figures = tmp_path / 'figures.json'
    figures.write_text(json.dumps(rows))
    assert export(path, figures, tmp_path / 'out') == 0
    manifest = json.loads((tmp_path / 'out' / 'manifest.json').read_text())
    assert manifest['content_hash'] == content_hash
    assert manifest['figures'] == rows[:1]
    assert manifest['history'][0]['recipe'] == {'stage': 'head'}
    assert load_network(tmp_path / 'out' / 'relative_pose.safetensors')[1] == content_hash


@pytest.mark.parametrize(
    ('text', 'words'), [('[', 'holds no figures'), ('[{"weights": "x"}]', 'no figures of the')]
)
def test_figures_of_other_weights_are_refused(tmp_path, weights, capfd, text, words):
    figures = tmp_path / 'figures.json'
    figures.write_text(text)
    assert export(weights[0], figures, tmp_path / 'out') == 1
    error = capfd.readouterr().err
    assert words in error and error.count('\n') == 1
    assert not (tmp_path / 'out').exists()
