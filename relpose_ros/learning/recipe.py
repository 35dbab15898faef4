"""Training recipes: what config/train_*.yaml may say."""

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from relpose_ros.core.relative_pose import NetworkConfig
from relpose_ros.learning.augmentation import Augmentation
from relpose_ros.learning.view_pairs import PairLimits
import yaml

STAGES = ('matcher', 'head')
SCHEDULES = ('cosine', 'staircase')


@dataclass(frozen=True, slots=True)
class Source:
    """
    Views to learn from; one of the first three says where they are, below the data folder.

    :param views: pattern of files that render-rooms wrote.
    :param images: pattern of folders of recordings in any layout that is known, with depth.
    :param photographs: folder of images without pose or depth, each paired with itself.
    :param share: of the groups that are drawn.
    :param frames: first frame, one behind the last and, where not all in between are wanted, the
        step, of every recording; all by default.
    :param warps: views to add for each recorded one, made of its own depth from a place nearby.
    """

    views: str | None = None
    images: str | None = None
    photographs: str | None = None
    share: float = 1.0
    frames: tuple[int, ...] | None = None
    warps: int = 0

    def __post_init__(self) -> None:
        if sum(v is not None for v in (self.views, self.images, self.photographs)) != 1:
            raise ValueError("source: expected one of 'views', 'images' and 'photographs'")


@dataclass(frozen=True, slots=True)
class HeadLoss:
    """
    The loss of the head (paper section 3.4 and table 7).

    :param direction: use the cosine term of the direction.
    :param learned_weights: learn the weights of the terms.
    :param uncertainty: weight of the terms that teach the head its own error; ours.
    """

    direction: bool = True
    learned_weights: bool = False
    uncertainty: float = 0.1


@dataclass(frozen=True, slots=True)
class Optimization:
    """
    How to step.

    :param steps: of the whole training.
    :param groups: of views, in a batch.
    :param group_size: views of a group; each is paired with the next, the last with the first.
    :param cycle: number of batches after which the same ones come again; they are kept in memory,
        which spares the head's stage the frozen matcher. 0: never the same.
    :param learning_rate: the largest.
    :param schedule: 'cosine' down to 1 %, or 'staircase': times `decay` every `decay_steps`.
    :param warmup_steps: over which the learning rate rises from 0.
    :param weight_decay: 0: Adam as in the paper.
    :param averaging: decay of the moving average of the weights, which is what is validated and
        exported.
    :param validate_steps: between validations.
    :param patience: validations without improvement after which training stops; 0: never.
    """

    steps: int = 20_000
    groups: int = 8
    group_size: int = 3
    cycle: int = 0
    learning_rate: float = 1e-3
    schedule: str = 'cosine'
    decay: float = 0.9
    decay_steps: int = 1_000
    warmup_steps: int = 200
    weight_decay: float = 0.01
    averaging: float = 0.999
    validate_steps: int = 500
    patience: int = 0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f'schedule: expected one of {SCHEDULES}, got {self.schedule!r}')
        if self.group_size < 2:
            raise ValueError(f'group_size: expected 2 or more, got {self.group_size}')


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    One training.

    :param stage: 'matcher' or 'head'.
    :param sources: to learn from.
    :param validation: to measure on; never learned from.
    :param official_matcher: official LoFTR weights ('indoor_new', 'outdoor' or a file) for the
        frozen matcher of the second stage.
    :param view_px: width and height of the views that are kept in memory; shots of
        `augmentation.size`, which the network learns from, are made of them [px].
    :param self_pairs: share of the groups that begin with a view paired with itself, warped.
    :param focal_gamma: of the first stage's loss; LoFTR's is 2. Lower where many cells show
        nothing that could be told apart: they would take over.
    :param loss: of the second stage.
    :param bfloat16: compute in bfloat16 on a GPU.
    :param seed: of the initial weights and of every draw.
    """

    stage: str
    sources: tuple[Source, ...]
    validation: tuple[Source, ...]
    network: NetworkConfig = field(default_factory=NetworkConfig)
    official_matcher: str | None = None
    pairs: PairLimits = field(default_factory=PairLimits)
    view_px: tuple[int, int] = (256, 192)
    self_pairs: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimization: Optimization = field(default_factory=Optimization)
    focal_gamma: float = 2.0
    loss: HeadLoss = field(default_factory=HeadLoss)
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f'stage: expected one of {STAGES}, got {self.stage!r}')
        if not self.sources or not self.validation:
            raise ValueError('recipe: needs sources and validation')


def read_recipe(path: Path) -> Recipe:
    """
    Read a recipe.

    :raises ValueError: with one sentence, if the file is missing or says something unknown.
    """
    try:
        content = yaml.safe_load(path.read_text())
        return _parsed(Recipe, content, 'recipe')
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise ValueError(f'{path}: {error}') from error


def _parsed(kind: Any, value: Any, where: str) -> Any:
    """Make a dataclass of a mapping, and what is nested in it alike."""
    if not isinstance(value, dict):
        raise ValueError(f'{where}: expected a mapping, got {value!r}')
    known = {f.name for f in fields(kind)}
    for name in value:
        if name not in known:
            raise ValueError(f'{where}: unknown key {name!r}; known are {sorted(known)}')
    hints = get_type_hints(kind)
    return kind(**{name: _converted(hints[name], v, name) for name, v in value.items()})


def _converted(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return _parsed(hint, value, where)
    if hint == tuple[Source, ...]:
        return tuple(_parsed(Source, item, where) for item in value)
    return tuple(value) if isinstance(value, list) else value
