"""From the node's parameters to its engine: at the start, and when they change at run time."""

from dataclasses import fields, replace
from functools import partial

from rclpy.node import Node
from rclpy.parameter import Parameter
from relpose_ros.core.engine import DeviceError, Engine, open_map
from relpose_ros.core.estimators import chosen_device, load_estimator
from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.map_to_odom import MapToOdomConfig
from relpose_ros.core.relocalizer import RelocalizerConfig
from relpose_ros.nodes.navigation import NavigationConfig
from relpose_ros.nodes.parameters import NodeConfig, read

NO_DEPTH = (
    'the map has no depth: the geometric estimator finds only directions, and a position needs '
    'several of them from keyframes that stand apart'
)
NOT_CALIBRATED = (
    'these weights are not calibrated: covariances are as propagated, and no pose is rejected for '
    'its chance of being wrong (relpose_ros calibrate)'
)
FIXED = (NodeConfig, NavigationConfig, MapToOdomConfig)  # but for their live fields
ESTIMATOR_PARAMETERS = {'estimator', 'weights', 'device'}


def load_engine(node: Node) -> Engine:
    """
    Open the map and load the estimator that a node's parameters name.

    :raises ValueError: with a sentence for the user, if one of them cannot be used.
    """
    config = read(node, NodeConfig)
    return _placed(open_map(config.map_path), config, read(node, RelocalizerConfig))


def changed_engine(engine: Engine, node: Node, changed: list[Parameter]) -> Engine:
    """
    Return the engine with some parameters changed, which shares with the old what they leave.

    :param changed: parameters about to be set.
    :return: the same engine if it depends on none of them; else another, whose map is opened and
        checked if `map_path` is among them.
    :raises ValueError: with a sentence for the user, if a value cannot be used, or not at run
        time; the old engine is as it was.
    """
    names = {each.name for each in changed}
    for each in (each for config in FIXED for each in fields(config)):
        if each.name in names and not each.metadata.get('live'):
            raise ValueError(
                f'{each.name}: takes effect on configure: deactivate and clean up the node first'
            )
    config, settings = read(node, NodeConfig, changed), read(node, RelocalizerConfig, changed)
    if names & ESTIMATOR_PARAMETERS:
        engine = _placed(engine.keyframe_map, config, engine.config)
    if settings != engine.config:
        engine = replace(engine, config=settings)
    if 'map_path' in names:  # also if it is the same: the file may be another
        engine = replace(engine, keyframe_map=open_map(config.map_path))
    return engine


def hints(engine: Engine, before: Engine | None) -> list[str]:
    """
    Return what a user should know about an engine.

    :param before: the one in whose place it comes, about which the user has been told.
    """
    texts = []
    if engine.fault and (before is None or before.fault != engine.fault):
        texts.append(f'{engine.fault}; going on with the CPU')
    new_map = before is None or before.keyframe_map is not engine.keyframe_map
    blind = engine.estimator.name == 'geometric' and not engine.keyframe_map.depth_count
    if blind and (new_map or before.estimator.name != engine.estimator.name):
        texts.append(NO_DEPTH)
    if engine.estimator.calibration is None and (
        before is None or before.estimator is not engine.estimator
    ):
        texts.append(NOT_CALIBRATED)
    return texts


def _placed(keyframe_map: KeyframeMap, config: NodeConfig, settings: RelocalizerConfig) -> Engine:
    load = partial(load_estimator, config.estimator, config.weights)
    try:
        return Engine(keyframe_map, load, chosen_device(config.device), settings)
    except DeviceError as error:
        if config.device != 'auto':
            raise
        return Engine(keyframe_map, load, 'cpu', settings, fault=str(error))
