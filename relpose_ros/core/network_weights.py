"""Weights of the relative pose network: one safetensors file with its manifest."""

from dataclasses import asdict
import hashlib
import json
from pathlib import Path

from relpose_ros.core.matcher import MatcherConfig
from relpose_ros.core.relative_pose import NetworkConfig, RelativePoseNetwork
from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
import torch

DEFAULT_WEIGHTS = Path(__file__).parents[1] / 'weights' / 'relative_pose.safetensors'


def save_network(path: Path, network: RelativePoseNetwork, manifest: dict[str, str]) -> str:
    """
    Write weights as float16, with the architecture and a content hash beside what is given.

    :param manifest: what to say of the weights: data, recipe, commit, figures.
    :return: the content hash.
    """
    state = {
        name: value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in network.state_dict().items()
    }
    state = {name: value.contiguous() for name, value in state.items()}
    identity = _content_hash(state)
    architecture = json.dumps(asdict(network.config))
    save_file(state, path, {**manifest, 'architecture': architecture, 'content_hash': identity})
    return identity


def load_network(path: Path) -> tuple[RelativePoseNetwork, str]:
    """
    Read weights and build their network.

    :return: the network, ready for inference, and the content hash.
    :raises ValueError: if the file is missing, damaged, or holds another network.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such weights file')
    try:
        with safe_open(path, 'pt') as file:
            manifest = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = RelativePoseNetwork(_config(json.loads(manifest['architecture'])))
        network.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(f'{path}: holds no weights of this network: {error}') from error
    if manifest['content_hash'] != _content_hash(state):
        raise ValueError(f'{path}: its content hash is wrong: the file is damaged')
    return network.eval(), manifest['content_hash']


def read_manifest(path: Path) -> dict[str, str]:
    """
    Read what is said of weights: architecture, content_hash and what save_network was given.

    :raises ValueError: if the file is missing or damaged.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such weights file')
    try:
        with safe_open(path, 'pt') as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f'{path}: holds no weights of this network: {error}') from error


def _config(fields: dict) -> NetworkConfig:
    matcher = fields.pop('matcher')
    matcher['block_channels'] = tuple(matcher['block_channels'])
    return NetworkConfig(matcher=MatcherConfig(**matcher), **fields)


def _content_hash(state: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].numpy().tobytes())
    return digest.hexdigest()[:12]
