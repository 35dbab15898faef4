"""Both stages learn from rendered rooms, and a resumed run equals an uninterrupted one."""

from dataclasses import asdict
import json
import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from relpose_ros.core.matcher import MatcherConfig
from relpose_ros.core.network_weights import load_network
from relpose_ros.core.pose_head import mean_of_both_orders
from relpose_ros.core.relative_pose import NetworkConfig, RelativePoseNetwork
from relpose_ros.learning.augmentation import Augmentation
from relpose_ros.learning.recipe import HeadLoss, Optimization, read_recipe, Recipe, Source
from relpose_ros.learning.room_views import render_rooms, RoomViewsConfig
from relpose_ros.learning.stages import HeadStage
from relpose_ros.learning.trainer import Trainer
from relpose_ros.learning.training_data import TrainingData, validation_batches
from scipy.stats import chi2
import torch
import yaml

SIZE = (96, 72)
TINY = NetworkConfig(MatcherConfig(8, (8, 16, 32), 4, 1), longest_side_px=96)


@pytest.fixture(scope='module')
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    config = RoomViewsConfig(size=SIZE, rooms=2, spots=1, views=8)
    render_rooms(config, seed=1).save(folder / 'rooms.npz')
    return folder


def recipe(stage: str, steps: int = 30, **options) -> Recipe:
    source = (Source(views='rooms.npz'),)
    return Recipe(
        stage,
        source,
        source,
        network=TINY,
        view_px=SIZE,
        augmentation=Augmentation(SIZE, light=0.2, noise=0.01),
        optimization=Optimization(
            steps=steps, groups=4, warmup_steps=5, learning_rate=3e-3, validate_steps=steps
        ),
        **options,
    )


def trainer(recipe: Recipe, rooms: Path, folder: Path) -> Trainer:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = RelativePoseNetwork(recipe.network)
    data = TrainingData(recipe, rooms, 'cpu')
    validation = validation_batches(recipe, rooms, 'cpu')
    return Trainer(recipe, network, data, validation, folder, 'cpu')


@pytest.mark.parametrize('stage', ['matcher', 'head'])
def test_the_loss_falls_and_the_best_weights_are_written(
    stage: str, rooms: Path, tmp_path: Path
) -> None:
    run = trainer(recipe(stage, 40, self_pairs=0.3), rooms, tmp_path / 'out')
    figures = list(run.run())
    losses = [row['loss'] for row in figures]
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])
    assert len(figures[-1]) > 1
    network, _ = load_network(tmp_path / 'out' / 'best.safetensors')
    assert network.config == TINY
    assert (tmp_path / 'out' / 'validation.csv').read_text().count('\n') == 2


@pytest.mark.parametrize('stage', ['matcher', 'head'])
def test_a_resumed_run_equals_an_uninterrupted_one(
    stage: str, rooms: Path, tmp_path: Path
) -> None:
    whole = [row['loss'] for row in trainer(recipe(stage, 8), rooms, tmp_path / 'whole').run()]
    begun = trainer(recipe(stage, 8), rooms, tmp_path / 'parts')
    steps = begun.run()
    first = [next(steps)['loss'] for _ in range(3)]
    begun.save()
    resumed = trainer(recipe(stage, 8), rooms, tmp_path / 'parts')
    assert resumed.step == 3
    rest = [row['loss'] for row in resumed.run()]
    assert first + rest == pytest.approx(whole, rel=1e-4)


def test_two_processes_learn_together(rooms: Path, tmp_path: Path) -> None:
    text = yaml.safe_dump(json.loads(json.dumps(asdict(recipe('matcher', 4)))))
    (tmp_path / 'recipe.yaml').write_text(text)
    torchrun = (
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--nproc-per-node=2',
    )
    train = ('-m', 'relpose_ros', 'train', tmp_path / 'recipe.yaml', '--device', 'cpu')
    where = ('--data', rooms, '--out', tmp_path / 'out')
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(Path.cwd())}
    done = subprocess.run(
        [*torchrun, *train, *where], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert '4 of 4 steps' in done.stdout
    assert (tmp_path / 'out' / 'checkpoint' / 'progress.json').exists()


def test_time_stops_training(rooms: Path, tmp_path: Path) -> None:
    run = trainer(recipe('matcher', 1000), rooms, tmp_path / 'out')
    assert len(list(run.run(minutes=0.05))) < 1000
    assert trainer(recipe('matcher', 1000), rooms, tmp_path / 'out').step == run.step > 0


def test_a_frozen_matcher_stays_as_it_is(rooms: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = RelativePoseNetwork(TINY).matcher.state_dict()
    run = trainer(recipe('head', 3, loss=HeadLoss(learned_weights=True)), rooms, tmp_path / 'out')
    list(run.run())
    after = run.averaged_network.matcher.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_expected_errors_are_as_large_as_the_errors_seen(rooms: Path) -> None:
    head = recipe('head')
    batches = validation_batches(head, rooms, 'cpu')['rooms.npz']
    torch.manual_seed(0)
    stage = HeadStage(RelativePoseNetwork(TINY), head.loss).eval()
    stage.calibrate(batches)
    held = []
    for batch in batches:
        features = stage.network.matcher.image_features(batch.shots.images)
        pairs = features[batch.first], features[batch.second]
        pair = stage.network(*pairs, batch.shots.K[batch.first], batch.shots.K[batch.second])
        prediction = mean_of_both_orders(pair.one_from_two, pair.two_from_one)
        seen_cm = stage.measure(batch.shots, batch.first, batch.second)['position_cm']
        variance = (100 * prediction.log_position_sigma.exp()).square() / 3
        held.append(seen_cm.square() / variance < chi2.ppf(0.95, 3))
    assert float(torch.cat(held).float().mean()) == pytest.approx(0.95, abs=0.02)


def test_a_checkpoint_of_another_recipe_is_refused(rooms: Path, tmp_path: Path) -> None:
    list(trainer(recipe('matcher', 1), rooms, tmp_path / 'out').run())
    with pytest.raises(ValueError, match='another recipe'):
        trainer(recipe('matcher', 2), rooms, tmp_path / 'out')


def test_a_damaged_checkpoint_is_refused(rooms: Path, tmp_path: Path) -> None:
    list(trainer(recipe('matcher', 1), rooms, tmp_path / 'out').run())
    piece = tmp_path / 'out' / 'checkpoint' / 'state-000.safetensors'
    piece.write_bytes(piece.read_bytes()[:1000])
    with pytest.raises(ValueError, match='damaged checkpoint'):
        trainer(recipe('matcher', 1), rooms, tmp_path / 'out')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('stage: nose\nsources: [{views: a}]\nvalidation: [{views: a}]', 'stage: expected one of'),
        ('stage: head\nsources: []\nvalidation: []', 'needs sources'),
        ('stage: head\ncolour: red', "unknown key 'colour'"),
        ('stage: head\nsources: [{share: 1}]\nvalidation: []', 'expected one of'),
        ('stage: head', 'missing'),
        ('[', 'recipe.yaml'),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'recipe.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


@pytest.mark.parametrize('path', sorted(Path('config').glob('train_*.yaml')), ids=str)
def test_the_recipes_that_come_with_the_package_can_be_read(path: Path) -> None:
    RelativePoseNetwork(read_recipe(path).network)


def test_missing_sources_are_named(rooms: Path) -> None:
    lost = Recipe('matcher', (Source(views='nowhere/*.npz'),), (Source(views='rooms.npz'),))
    with pytest.raises(ValueError, match='nowhere'):
        TrainingData(lost, rooms, 'cpu')
