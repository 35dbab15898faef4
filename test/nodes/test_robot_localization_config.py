"""The example for robot_localization fits what the relocalizer publishes."""

from pathlib import Path

from relpose_ros.nodes.navigation import NavigationConfig
import yaml

CONFIG = Path(__file__).parents[2] / 'config' / 'robot_localization.yaml'
STATE = [
    *'xyz',
    'roll',
    'pitch',
    'yaw',
    'vx',
    'vy',
    'vz',
    'vroll',
    'vpitch',
    'vyaw',
    'ax',
    'ay',
    'az',
]


def test_robot_localization_config() -> None:
    """Frames and topic are the node's defaults; vectors are as long as the filter's state."""
    filters = yaml.safe_load(CONFIG.read_text())
    settings = filters['ekf_filter_node_map']['ros__parameters']
    ours = NavigationConfig()
    assert settings['base_link_frame'] == ours.base_frame
    assert settings['odom_frame'] == ours.odom_frame
    assert settings['world_frame'] == settings['map_frame'] == 'map'
    assert settings['pose0'] == 'relocalizer/pose'

    def used(name: str) -> list[str]:
        flags = settings[f'{name}_config']
        assert all(isinstance(flag, bool) for flag in flags)
        return [state for state, flag in zip(STATE, flags, strict=True) if flag]

    assert used('pose0') == ['x', 'y', 'yaw']
    assert used('odom0') == ['vx', 'vy', 'vyaw']
    initial = dict(zip(STATE, settings['initial_estimate_covariance'], strict=True))
    assert all(isinstance(value, float) for value in initial.values())
    assert min(initial['x'], initial['y']) > 1000
    assert initial['yaw'] > 3
