"""Parameters, their defaults in code, their descriptions and config/*.yaml are one."""

from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path

import pytest
import rclpy
from rclpy.parameter import Parameter
from relpose_ros.nodes import mapper_node, relocalizer_node
from relpose_ros.nodes.image_player import PlayerConfig
from relpose_ros.nodes.parameters import declare, descriptions, NodeConfig, read, refusal
from relpose_ros.nodes.pose_recorder import RecorderConfig
import yaml

CONFIG = Path(__file__).parents[2] / 'config'
CONFIGS = {
    'relocalize.yaml': relocalizer_node.CONFIGS,
    'mapper.yaml': mapper_node.CONFIGS,
}


@dataclass(frozen=True, slots=True)
class Config:
    """
    Of every kind one.

    :param word: one of two.
    :param share: between none and
        all.
    :param number: a few.
    """

    word: str = field(default='this', metadata={'choices': ('this', 'that')})
    share: float = field(default=0.5, metadata={'range': (0.0, 1.0)})
    number: int = field(default=3, metadata={'range': (1, 5), 'read_only': True})


@pytest.fixture
def node(ros):
    """Return a node that has declared Config."""
    node = rclpy.create_node('parameters')
    declare(node, Config)
    yield node
    node.destroy_node()


@pytest.mark.parametrize('name', CONFIGS)
def test_yaml_has_all_defaults(name: str):
    """ROS ignores unknown names silently, so the file must not have any."""
    written = yaml.safe_load((CONFIG / name).read_text())['/**']['ros__parameters']
    defaults = {each.name: each.default for config in CONFIGS[name] for each in fields(config)}
    assert written == defaults
    assert {name: type(value) for name, value in written.items()} == {
        name: type(value) for name, value in defaults.items()
    }


@pytest.mark.parametrize('config', [*chain(*CONFIGS.values()), PlayerConfig, RecorderConfig])
def test_every_field_is_described(config: type):
    """`ros2 param describe` has a sentence for each."""
    assert all(descriptions(config)[each.name] for each in fields(config))


def test_descriptors(node):
    """Description, choices, range and read-only arrive at the parameter."""
    word = node.describe_parameter('word')
    assert word.description == 'one of two.'
    assert word.additional_constraints == 'one of: this, that'
    share = node.describe_parameter('share')
    assert share.description == 'between none and all.'
    limits = share.floating_point_range[0]
    assert (limits.from_value, limits.to_value) == (0.0, 1.0)
    assert node.describe_parameter('number').integer_range[0].to_value == 5
    assert node.describe_parameter('number').read_only


def test_read(node):
    """The config is rebuilt from the parameters."""
    assert read(node, Config) == Config()
    assert node.set_parameters([Parameter('share', value=0.25)])[0].successful
    assert read(node, Config) == Config(share=0.25)
    assert not node.set_parameters([Parameter('share', value=2.0)])[0].successful
    assert not node.set_parameters([Parameter('number', value=4)])[0].successful


def test_refusal(node):
    """A value that the config refuses is refused with the config's words."""
    declare(node, NodeConfig)
    assert refusal(node, [Parameter('tf_mode', value='none')], NodeConfig).successful
    result = refusal(node, [Parameter('tf_mode', value='odd')], NodeConfig)
    assert not result.successful
    assert result.reason == "tf_mode: expected one of keyframe, odom, none, got 'odd'"
