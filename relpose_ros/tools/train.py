r"""
Train the relative pose network by a recipe.

For example:
  relpose_ros render-rooms data/rooms
  relpose_ros train config/train_matcher.yaml --data data --out out/matcher
  relpose_ros train config/train_head.yaml --data data --out out/head \
      --weights out/matcher/best.safetensors

The first stage trains the matcher, the second the pose head on the frozen matcher. Interrupted
training goes on from the last checkpoint when the same command is given again; --minutes stops in
time. The folder then holds best.safetensors (moving average of the weights at the best
validation), curves as CSV, and the checkpoint. For several GPUs: torchrun --nproc-per-node 8 -m
relpose_ros train ...
"""

import argparse
import json
import os
from pathlib import Path

from relpose_ros.core.estimators import chosen_device, DEVICES
from relpose_ros.core.matcher import official_matcher
from relpose_ros.core.network_weights import load_network, read_manifest
from relpose_ros.core.relative_pose import NetworkConfig, RelativePoseNetwork
from relpose_ros.learning.recipe import read_recipe, Recipe
from relpose_ros.learning.trainer import Trainer
from relpose_ros.learning.training_data import TrainingData, validation_batches
from relpose_ros.tools.options import existing_folder
import torch
from torch import distributed
from tqdm import tqdm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('recipe', type=Path, help='YAML file, such as those in config/')
    parser.add_argument(
        '--data', type=existing_folder, required=True, help="where the recipe's sources are"
    )
    parser.add_argument('--out', type=Path, required=True, help='checkpoint, curves and weights')
    parser.add_argument('--weights', type=Path, help='start from these instead of random ones')
    parser.add_argument('--minutes', type=float, help='checkpoint and stop after this time')
    parser.add_argument('--device', choices=DEVICES, default='auto')


def run(arguments: argparse.Namespace) -> None:
    """Train until the recipe's end, or the end of the time."""
    recipe = read_recipe(arguments.recipe)
    device = _joined_group(chosen_device(arguments.device))
    network = initial_network(recipe, arguments.weights)
    data = TrainingData(recipe, arguments.data, device)
    validation = validation_batches(recipe, arguments.data, device)
    arguments.out.mkdir(parents=True, exist_ok=True)
    history = training_history(arguments.weights) if arguments.weights else []
    trainer = Trainer(recipe, network, data, validation, arguments.out, device, history)
    first = int(os.environ.get('RANK', 0)) == 0
    steps = recipe.optimization.steps
    with tqdm(total=steps, initial=trainer.step, unit='step', disable=not first) as bar:
        for figures in trainer.run(arguments.minutes):
            bar.update()
            bar.set_postfix(loss=f'{figures["loss"]:.3f}')
            if first and len(figures) > 1:
                words = (f'{k} {v:.3f}' for k, v in figures.items() if k != 'loss')
                bar.write(f'step {trainer.step}: {", ".join(words)}')
    if first:
        print(f'{trainer.step} of {steps} steps\n{arguments.out / "best.safetensors"}')


def initial_network(recipe: Recipe, weights: Path | None) -> RelativePoseNetwork:
    """
    Return the network that a recipe starts from.

    :param weights: of an earlier training; its matcher, and its head if it is of the same form.
    :raises ValueError: if they are of another network than the recipe's.
    """
    torch.manual_seed(recipe.seed)
    network = RelativePoseNetwork(recipe.network)
    if recipe.official_matcher is not None:
        network.matcher.load_state_dict(official_matcher(recipe.official_matcher).state_dict())
    elif weights is not None:
        loaded, _ = load_network(weights)
        if loaded.config.matcher != recipe.network.matcher:
            raise ValueError(f"{weights}: holds another matcher than the recipe's")
        network.matcher.load_state_dict(loaded.matcher.state_dict())
        if _head_form(loaded.config) == _head_form(recipe.network):
            network.head.load_state_dict(loaded.head.state_dict())
    elif recipe.stage == 'head':
        raise ValueError('the head needs a trained matcher: give --weights')
    return network


def _head_form(config: NetworkConfig) -> tuple[int, bool]:
    return config.heads, config.head_features


def training_history(weights: Path) -> list[dict]:
    """Return the trainings that made weights: their recipes and steps."""
    return json.loads(read_manifest(weights).get('history', '[]'))


def _joined_group(device: str) -> str:
    """Join the other processes of torchrun, if any; return this one's device."""
    if int(os.environ.get('WORLD_SIZE', 1)) == 1:
        return device
    if device == 'cpu':
        distributed.init_process_group('gloo')
        return device
    torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    distributed.init_process_group('nccl')
    return f'cuda:{os.environ["LOCAL_RANK"]}'
