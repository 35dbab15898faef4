"""relocalize.rviz shows what the node publishes; rviz itself ignores what it does not know."""

from pathlib import Path

import yaml

CONFIG = Path(__file__).parents[2] / 'config' / 'relocalize.rviz'
LATCHED = ('/relocalizer/markers', '/relocalizer/matched_keyframe')
# rviz_default_plugins' display classes and the topic each one has here
DISPLAYS = {
    'rviz_default_plugins/Grid': None,
    'rviz_default_plugins/MarkerArray': '/relocalizer/markers',
    'rviz_default_plugins/Marker': '/relocalizer/matched_keyframe',
    'rviz_default_plugins/PoseWithCovariance': '/relocalizer/pose',
    'rviz_default_plugins/TF': None,
    'rviz_default_plugins/Image': '/relocalizer/debug_image',
}


def test_displays():
    """Classes, topics and QoS fit the node's."""
    manager = yaml.safe_load(CONFIG.read_text())['Visualization Manager']
    assert manager['Global Options']['Fixed Frame'] == 'map'
    displays = manager['Displays']
    topics = {each['Class']: each.get('Topic', {}).get('Value') for each in displays}
    assert topics == DISPLAYS
    for topic in (each['Topic'] for each in displays if 'Topic' in each):
        durability = 'Transient Local' if topic['Value'] in LATCHED else 'Volatile'
        assert topic['Durability Policy'] == durability
        assert topic['Reliability Policy'] == 'Reliable'


def test_topics_are_the_nodes():
    """The node publishes each of the topics, latched where the display expects it."""
    source = (CONFIG.parents[1] / 'relpose_ros' / 'nodes' / 'publishers.py').read_text()
    for topic in filter(None, DISPLAYS.values()):
        name = topic.replace('/relocalizer/', '~/')
        line = next(line for line in source.splitlines() if f"'{name}'" in line)
        assert ('LATCHED' in line) == (topic in LATCHED)
