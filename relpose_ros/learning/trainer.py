"""The training loop: resumable to the step, within a budget of time, on one device or several."""

from collections.abc import Iterator, Sequence
import copy
import csv
from dataclasses import asdict
import json
from math import cos, inf, pi
from pathlib import Path
import time

from relpose_ros.core.network_weights import save_network
from relpose_ros.core.relative_pose import RelativePoseNetwork
from relpose_ros.learning.checkpoint import load_checkpoint, save_checkpoint
from relpose_ros.learning.recipe import Optimization, Recipe
from relpose_ros.learning.stages import HeadBatch, HeadStage, MatcherStage
from relpose_ros.learning.training_data import Batch, TrainingData
import torch
from torch import distributed, Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

LARGEST_GRADIENT = 1.0
CHECKPOINT_S = 300.0
LOG_STEPS = 20


class Trainer:
    """Trains one stage of a network."""

    def __init__(
        self,
        recipe: Recipe,
        network: RelativePoseNetwork,
        data: TrainingData,
        validation: dict[str, list[Batch]],
        folder: Path,
        device: str,
        history: Sequence[dict] = (),
    ) -> None:
        """
        Prepare, and go on from the checkpoint in the folder where there is one.

        :param network: with its initial weights.
        :param folder: for the checkpoint, the curves and best.safetensors.
        :param history: the trainings that the initial weights come from, kept with the new ones.
        :raises ValueError: if the checkpoint is damaged or of another recipe.
        """
        self._recipe, self._data, self._validation = recipe, data, validation
        self._folder, self._device, self._history = folder, device, history
        network = network.to(device)
        if recipe.stage == 'matcher':
            self._stage = MatcherStage(network, recipe.focal_gamma)
        else:
            self._stage = HeadStage(network, recipe.loss)
        self._stage.to(device)
        self._learned = [p for p in self._stage.parameters() if p.requires_grad]
        options = recipe.optimization
        self._optimizer = torch.optim.AdamW(
            self._learned, options.learning_rate, weight_decay=options.weight_decay
        )
        self._average = copy.deepcopy(self._stage.trained())
        self.step, self._seconds = 0, 0.0
        self.best: float | None = None
        self.misses = 0
        self._kept: dict[int, Batch | HeadBatch] = {}
        self._resume()
        self._parallel = self._stage
        if distributed.is_initialized():
            self._parallel = DistributedDataParallel(self._stage)

    @property
    def averaged_network(self) -> RelativePoseNetwork:
        """Return the network with the moving average of what learned."""
        network = copy.deepcopy(self._stage.network)
        part = network.matcher if self._recipe.stage == 'matcher' else network.head
        part.load_state_dict(self._average.state_dict())
        return network.eval()

    def run(self, minutes: float | None = None) -> Iterator[dict[str, float]]:
        """
        Train until the recipe's last step, its patience or the time is over; then checkpoint.

        Nothing is lost when the caller stops iterating but the steps since the last checkpoint.

        :param minutes: to stop after.
        :return: after every step, its loss; after a validation, its figures too.
        """
        options = self._recipe.optimization
        begin = saved = time.monotonic()
        before_s = self._seconds
        end = begin + 60 * minutes if minutes is not None else inf
        while self.step < options.steps and not self._is_over(end):
            figures = {'loss': self._learn(self._batch(self._number()))}
            self.step += 1
            self._seconds = before_s + time.monotonic() - begin
            self._log('loss.csv', figures, every=LOG_STEPS)
            if self.step % options.validate_steps == 0 or self.step == options.steps:
                figures |= self._validate()
            if time.monotonic() - saved > CHECKPOINT_S:
                self.save()
                saved = time.monotonic()
            yield figures
        self.save()

    def _number(self) -> int:
        """Return the number of the batch that this process learns from next."""
        if not distributed.is_initialized():
            return self.step
        return self.step * distributed.get_world_size() + distributed.get_rank()

    def _batch(self, number: int) -> Batch | HeadBatch:
        """Return a batch as the stage wants it; kept where batches come again."""
        cycle = self._recipe.optimization.cycle
        if not cycle:
            return self._stage.prepared(self._data.batch(number))
        number %= cycle
        if number not in self._kept:
            self._kept[number] = self._stage.prepared(self._data.batch(number))
        return self._kept[number]

    def _learn(self, batch: Batch | HeadBatch) -> float:
        for group in self._optimizer.param_groups:
            group['lr'] = learning_rate(self._recipe.optimization, self.step)
        self._parallel.train()
        half = self._device.startswith('cuda') and self._recipe.bfloat16
        with torch.autocast(self._device.partition(':')[0], torch.bfloat16, enabled=half):
            loss = self._parallel(batch)
        self._optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self._learned, LARGEST_GRADIENT)
        self._optimizer.step()
        self._update_average()
        return float(loss.detach())

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self._recipe.optimization.averaging, (1 + self.step) / (10 + self.step))
        new = self._stage.trained().state_dict()
        for name, value in self._average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - decay)
            else:
                value.copy_(new[name])

    def _validate(self) -> dict[str, float]:
        """Measure the averaged network, and keep it if it is the best so far."""
        network = self.averaged_network
        stage = self._stage.with_network(network).eval()
        stage.calibrate(batch for batches in self._validation.values() for batch in batches)
        figures: dict[str, float] = {}
        for name, batches in self._validation.items():
            rows = [stage.measure(b.shots, b.first, b.second) for b in batches]
            for key in rows[0]:
                values = torch.cat([row[key] for row in rows])
                figures[f'{name}/{key}'] = float(values.nanmedian())
        score = stage.score(figures)
        self.misses = 0 if self.best is None or score > self.best else self.misses + 1
        if self.misses == 0:
            self.best = score
            if _is_first():
                own = {'step': self.step, 'recipe': _described(self._recipe)}
                manifest = {'history': json.dumps([*self._history, own])}
                save_network(self._folder / 'best.safetensors', network, manifest)
        self._log('validation.csv', figures)
        return figures

    def _is_over(self, end: float) -> bool:
        """Say whether time or patience are over; all processes hear the same."""
        patience = self._recipe.optimization.patience
        over = time.monotonic() > end or (patience > 0 and self.misses >= patience)
        if not distributed.is_initialized():
            return over
        answer = torch.tensor(over, dtype=torch.int, device=self._device)
        distributed.broadcast(answer, 0)
        return bool(answer)

    def _log(self, name: str, figures: dict[str, float], every: int = 1) -> None:
        if not _is_first() or self.step % every:
            return
        row = {'step': self.step, 'seconds': round(self._seconds, 1)} | figures
        path = self._folder / name
        new = not path.exists()
        with path.open('a', newline='') as file:
            writer = csv.DictWriter(file, row.keys())
            if new:
                writer.writeheader()
            writer.writerow(row)

    def save(self) -> None:
        """Write the checkpoint."""
        if not _is_first():
            return
        state = _named('learned', self._stage.state_dict())
        state |= _named('average', self._average.state_dict())
        for number, moments in self._optimizer.state_dict()['state'].items():
            state |= _named(f'moments.{number}', moments)
        progress = {
            'step': self.step,
            'seconds': self._seconds,
            'best': self.best,
            'misses': self.misses,
            'recipe': _described(self._recipe),
        }
        save_checkpoint(self._folder / 'checkpoint', state, progress)

    def _resume(self) -> None:
        loaded = load_checkpoint(self._folder / 'checkpoint')
        if loaded is None:
            return
        state, progress = loaded
        if progress['recipe'] != _described(self._recipe):
            raise ValueError(
                f'{self._folder}: holds the checkpoint of another recipe: give an empty folder'
            )
        self._stage.load_state_dict(_below('learned', state))
        self._average.load_state_dict(_below('average', state))
        moments = [_below(f'moments.{i}', state) for i in range(len(self._learned))]
        settings = self._optimizer.state_dict()['param_groups']
        filled = {i: m for i, m in enumerate(moments) if m}
        self._optimizer.load_state_dict({'state': filled, 'param_groups': settings})
        self.step, self._seconds = progress['step'], progress['seconds']
        self.best, self.misses = progress['best'], progress['misses']


def learning_rate(options: Optimization, step: int) -> float:
    """Return the learning rate of a step."""
    rate = options.learning_rate * min(1.0, (step + 1) / max(1, options.warmup_steps))
    if options.schedule == 'staircase':
        return rate * options.decay ** (step // options.decay_steps)
    done = step / options.steps
    return rate * (0.01 + 0.99 * (1 + cos(pi * done)) / 2)


def _is_first() -> bool:
    return not distributed.is_initialized() or distributed.get_rank() == 0


def _described(recipe: Recipe) -> dict:
    """Return the recipe as JSON gives it back."""
    return json.loads(json.dumps(asdict(recipe)))


def _named(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f'{prefix}.{name}': value for name, value in state.items()}


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f'{prefix}.'
    return {n.removeprefix(start): v for n, v in state.items() if n.startswith(start)}
