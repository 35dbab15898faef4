"""docs/reference.md says what the code and the running nodes say."""

from pathlib import Path
import re
import runpy
from typing import Any, NamedTuple

import cv2
import pytest
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

DOCS = Path(__file__).parents[2] / 'docs'
PAGE = (DOCS / 'reference.md').read_text()
NAMESPACE = '/documented'
# What every node has.
COMMON_TYPES = ('rcl_interfaces/', 'lifecycle_msgs/', 'type_description_interfaces/')
COMMON_PARAMETERS = {'use_sim_time', 'start_type_description_service'}
NAMES = {
    'relocalizer_node': 'relocalizer',
    'mapper_node': 'mapper',
    'image_player': 'image_player',
    'pose_recorder': 'pose_recorder',
}


class Interface(NamedTuple):
    """A topic or service of a node; a service has no QoS."""

    kind: str
    name: str
    type_name: str
    qos: str


@pytest.fixture
def arguments(tmp_path: Path, wall_map: Path, photograph) -> dict[str, tuple[str, ...]]:
    """Return what makes each node offer all that it can."""
    images = tmp_path / 'images'
    images.mkdir()
    cv2.imwrite(str(images / '0.png'), photograph(0.0).rgb)
    lens = 'intrinsics:=[280.0, 280.0, 160.0, 120.0]'
    navigation = ('-p', 'tf_mode:=odom', '-p', 'publish_initialpose:=true')
    return {
        'relocalizer_node': ('-p', f'map_path:={wall_map}', *navigation),
        'mapper_node': ('-p', f'map_path:={tmp_path / "new.relmap"}', '-p', 'depth:=true'),
        'image_player': ('-p', f'data:={images}', '-p', lens),
        'pose_recorder': ('-p', f'output:={tmp_path / "poses.jsonl"}'),
    }


def section(module: str) -> str:
    """Return what the page says of a node."""
    return re.search(rf'^## {module}\n(.*?)(?=^## |\Z)', PAGE, re.DOTALL | re.MULTILINE)[1]


def documented(module: str) -> set[Interface]:
    """Return the rows of a node's table of topics and services, with names in full."""
    interfaces = set()
    for line in re.findall(r'^\| (?:in|out|service) \|.*', section(module), re.MULTILINE):
        kind, name, type_name, qos = (cell.strip(' `') for cell in line.split('|')[1:5])
        name = name.replace('~', NAMES[module])
        name = name if name.startswith('/') else f'{NAMESPACE}/{name}'
        interfaces.add(Interface(kind, name, type_name, qos))
    return interfaces


def offered(observer: Any, name: str) -> set[Interface]:
    """Return what a running node has beyond what every node has, as another one sees it."""
    asked = name, NAMESPACE
    if asked not in observer.get_node_names_and_namespaces():
        return set()
    interfaces = {
        Interface('service', service, types[0], '')
        for service, types in observer.get_service_names_and_types_by_node(*asked)
    }
    for kind, topics, ends in (
        (
            'out',
            observer.get_publisher_names_and_types_by_node,
            observer.get_publishers_info_by_topic,
        ),
        (
            'in',
            observer.get_subscriber_names_and_types_by_node,
            observer.get_subscriptions_info_by_topic,
        ),
    ):
        interfaces |= {
            Interface(kind, topic, end.topic_type, words_for(end.qos_profile))
            for topic, _ in topics(*asked)
            for end in ends(topic)
            if (end.node_name, end.node_namespace) == asked
        }
    return {each for each in interfaces if not each.type_name.startswith(COMMON_TYPES)}


def words_for(qos: QoSProfile) -> str:
    """Return a QoS as the page words it."""
    reliable = qos.reliability == ReliabilityPolicy.RELIABLE
    latched = qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return ('reliable' if reliable else 'best effort') + (', latched' if latched else '')


def test_tables_of_parameters_are_fresh():
    """`make reference` would change nothing."""
    assert runpy.run_path(str(DOCS / 'reference.py'))['filled'](PAGE) == PAGE, 'run make reference'


@pytest.mark.parametrize('module', NAMES)
def test_running_node(rig, start, arguments, module: str):
    """The node has the topics, services and parameters that the page tells of, and no more."""
    start(module, '-r', f'__ns:={NAMESPACE}', *arguments[module])
    expected = documented(module)
    assert expected
    rig.until(lambda: offered(rig.node, NAMES[module]) >= expected)
    assert offered(rig.node, NAMES[module]) == expected
    client = AsyncParameterClient(rig.node, f'{NAMESPACE}/{NAMES[module]}')
    rig.until(client.services_are_ready)
    future = client.list_parameters()
    rig.until(future.done)
    tables = re.findall(r'<!-- \w+Config -->\n(.*?)<!-- end -->', section(module), re.DOTALL)
    rows = re.findall(r'^\| `(\w+)` \|', '\n'.join(tables), re.MULTILINE)
    assert sorted(rows) == sorted(set(future.result().result.names) - COMMON_PARAMETERS)
