"""ROS parameters out of frozen dataclasses: names, defaults and descriptions stand once."""

from collections.abc import Iterable
from dataclasses import dataclass, Field, field, fields
import re
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from relpose_ros.core.estimators import DEVICES, ESTIMATORS

MODES = ('continuous', 'until_fix', 'on_demand')

Config = TypeVar('Config')


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """
    What the node needs beside the method's own settings.

    :param map_path: map file (NAME.relmap), made by build-map; set while the node runs, the map is
        swapped as a whole, and one that cannot be used is refused.
    :param estimator: how the relative pose is estimated.
    :param weights: file with the network's weights; empty for those of the package.
    :param device: where torch computes; auto is CUDA where there is one.
    :param mode: which images are localized: continuous for all, until_fix for all until one gives
        a pose, on_demand for none; ~/relocalize has the next one localized in any mode.
    :param request_timeout_s: how long a caller of ~/relocalize waits for an image [s].
    :param max_rate_hz: localize at most so often [Hz]; 0 for as often as the device can.
    :param reliability: QoS of the image and camera_info subscriptions.
    :param rectified: images are rectified already (image_rect): P is used instead of K, and no
        distortion.
    :param tf_mode: keyframe for map -> keyframe_<id> -> <camera>_relocalized on TF, odom for
        map -> odom (REP-105), or none.
    :param autostart: configure and activate without a lifecycle manager.
    :raises ValueError: if a value is not one of its choices.
    """

    map_path: str = field(default='', metadata={'live': True})
    estimator: str = field(default='network', metadata={'choices': ESTIMATORS, 'live': True})
    weights: str = field(default='', metadata={'live': True})
    device: str = field(default='auto', metadata={'choices': DEVICES, 'live': True})
    mode: str = field(default='continuous', metadata={'choices': MODES, 'live': True})
    request_timeout_s: float = field(default=5.0, metadata={'range': (0.1, 600.0), 'live': True})
    max_rate_hz: float = field(default=0.0, metadata={'range': (0.0, 1000.0), 'live': True})
    reliability: str = field(
        default='best_effort', metadata={'choices': ('best_effort', 'reliable')}
    )
    rectified: bool = False
    tf_mode: str = field(default='keyframe', metadata={'choices': ('keyframe', 'odom', 'none')})
    autostart: bool = field(default=True, metadata={'read_only': True})

    def __post_init__(self) -> None:
        check_choices(self)


def check_choices(config: Any) -> None:
    """
    Check the fields that have a list of allowed values.

    :raises ValueError: if a value is none of its field's choices.
    """
    for each in fields(config):
        choices, value = each.metadata.get('choices'), getattr(config, each.name)
        if choices and value not in choices:
            raise ValueError(f'{each.name}: expected one of {", ".join(choices)}, got {value!r}')


def declare(node: Node, *config_classes: type) -> None:
    """
    Declare one parameter per field.

    :raises rclpy.exceptions.ParameterException: if the value given on the command line or in a
        parameter file has the wrong type or is out of range.
    """
    for config_class in config_classes:
        texts = descriptions(config_class)
        for each in fields(config_class):
            node.declare_parameter(each.name, each.default, _descriptor(each, texts[each.name]))


def read(node: Node, config_class: type[Config], changed: Iterable[Parameter] = ()) -> Config:
    """
    Rebuild a config from a node's parameters.

    :param changed: parameters about to be set, which count instead of the present ones.
    :raises ValueError: if the config refuses a value.
    """
    values = {each.name: node.get_parameter(each.name).value for each in fields(config_class)}
    values.update({each.name: each.value for each in changed if each.name in values})
    return config_class(**values)


def refusal(node: Node, changed: list[Parameter], *config_classes: type) -> SetParametersResult:
    """
    Judge parameters about to be set: would each config accept them.

    :return: for rclpy's on-set callback.
    """
    try:
        for config_class in config_classes:
            read(node, config_class, changed)
    except ValueError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def descriptions(config_class: type) -> dict[str, str]:
    """
    Return what a config's docstring says of each field (`:param name: text`).

    :raises ValueError: if it is silent about one.
    """
    entries = re.findall(r':param (\w+): (.*?)(?=\n\s*:|\Z)', config_class.__doc__, re.DOTALL)
    texts = {name: ' '.join(text.split()) for name, text in entries}
    for each in fields(config_class):
        if each.name not in texts:
            raise ValueError(f'{config_class.__name__}.{each.name}: is not in the docstring')
    return texts


def _descriptor(each: Field, description: str) -> ParameterDescriptor:
    metadata = each.metadata
    descriptor = ParameterDescriptor(
        description=description, read_only=metadata.get('read_only', False)
    )
    if metadata.get('choices'):
        descriptor.additional_constraints = f'one of: {", ".join(metadata["choices"])}'
    if metadata.get('range'):
        low, high = metadata['range']
        if isinstance(each.default, float):
            limits = FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
            descriptor.floating_point_range = [limits]
        else:
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return descriptor
