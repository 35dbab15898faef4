"""relocalize.rviz shows what the node publishes; rviz itself ignores what it does not know."""

from pathlib import Path

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
import yaml

CONFIG = Path(__file__).parents[2] / 'config' / 'relocalize.rviz'
PLUGINS = 'rviz_default_plugins'
# rviz_default_plugins' display classes and the message each one takes; those without show no topic
MESSAGES = {
    'Grid': None,
    'TF': None,
    'MarkerArray': 'visualization_msgs/msg/MarkerArray',
    'Path': 'nav_msgs/msg/Path',
    'PoseWithCovariance': 'geometry_msgs/msg/PoseWithCovarianceStamped',
    'Image': 'sensor_msgs/msg/Image',
}
SEEN = ('markers', 'result_markers', 'path', 'pose', 'debug_image')
POLICIES = {
    'Transient Local': DurabilityPolicy.TRANSIENT_LOCAL,
    'Volatile': DurabilityPolicy.VOLATILE,
    'Reliable': ReliabilityPolicy.RELIABLE,
}


def displays() -> list[dict]:
    """Return the displays, with the names of their classes without the plugin library."""
    manager = yaml.safe_load(CONFIG.read_text())['Visualization Manager']
    assert manager['Global Options']['Fixed Frame'] == 'map'
    return [
        each | {'Class': each['Class'].removeprefix(f'{PLUGINS}/')} for each in manager['Displays']
    ]


def test_everything_is_shown():
    """Each topic that is made for people has a display of its own, which is on."""
    shown = [each['Topic']['Value'] for each in displays() if 'Topic' in each]
    assert sorted(shown) == sorted(f'/relocalizer/{name}' for name in SEEN)
    assert all(each['Enabled'] for each in displays())
    names = [each['Name'] for each in displays()]
    assert len(set(names)) == len(names)
    covariance = next(each['Covariance'] for each in displays() if 'Covariance' in each)
    assert covariance['Value'] and covariance['Position']['Value']


def test_topics_are_the_nodes(rig, relocalizer):
    """The running node publishes each topic with the display's type and a QoS that fits."""
    for display in displays():
        expected_type = MESSAGES[display['Class']]
        assert (expected_type is None) == ('Topic' not in display)
        if expected_type is None:
            continue
        topic = display['Topic']
        ends = rig.until(lambda topic=topic: rig.node.get_publishers_info_by_topic(topic['Value']))
        assert {each.topic_type for each in ends} == {expected_type}
        qos = ends[0].qos_profile
        assert POLICIES[topic['Durability Policy']] == qos.durability, topic
        assert POLICIES[topic['Reliability Policy']] == qos.reliability, topic


def test_namespaces_are_the_nodes(rig, relocalizer, photograph):
    """What is ticked in the displays of markers is what the node draws."""
    rig.report_of(*rig.image(photograph(0.0)))
    ticked = {
        each['Topic']['Value']: set(each['Namespaces'])
        for each in displays()
        if each['Class'] == 'MarkerArray'
    }
    for topic, namespaces in ticked.items():
        rig.until(
            lambda topic=topic, namespaces=namespaces: (
                rig.heard[topic]
                and {each.ns for each in rig.heard[topic][-1].markers} - {''} == namespaces
            )
        )
