"""
Start the relocalizer on a map, and rviz beside it if wanted.

ros2 launch relpose_ros relocalize.launch.py map:=home.relmap \
    image:=/camera/image_raw camera_info:=/camera/camera_info
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

CONFIG = PathJoinSubstitution([FindPackageShare('relpose_ros'), 'config'])
ARGUMENTS = {
    'map': ('', 'map file (NAME.relmap)'),
    'image': ('image', 'image topic; its compressed companion is taken along'),
    'camera_info': ('camera_info', 'topic of the camera info that belongs to the image'),
    'namespace': ('', 'namespace of the node, and of topics that do not begin with /'),
    'estimator': ('', 'network or geometric'),
    'weights': ('', "file with the network's weights"),
    'device': ('', 'auto, cpu or cuda'),
    'mode': ('', 'continuous, until_fix or on_demand: which images are localized'),
    'tf_mode': ('', 'keyframe, odom (map -> odom, for navigation) or none: what is on TF'),
    'base_frame': ('', "the robot's frame on TF"),
    'odom_frame': ('', 'the frame of its odometry on TF'),
    'pose_frame': ('', 'camera or base: whose pose is published'),
    'confirm': ('', 'true: publish only poses that odometry confirms'),
    'params_file': (PathJoinSubstitution([CONFIG, 'relocalize.yaml']), 'all parameters'),
    'rviz': ('false', 'start rviz as well'),
    'log_level': ('info', 'debug, info, warn, error or fatal'),
}
# Arguments that are parameters too: given here they count more than in params_file.
PARAMETERS = {
    'map': 'map_path',
    'estimator': 'estimator',
    'weights': 'weights',
    'device': 'device',
    'mode': 'mode',
    'tf_mode': 'tf_mode',
    'base_frame': 'base_frame',
    'odom_frame': 'odom_frame',
    'pose_frame': 'pose_frame',
    'confirm': 'confirm',
}
TYPES = {'confirm': bool}  # of what is no text


def relocalizer(context: LaunchContext) -> list[Node]:
    """Return the node, with those of its parameters that were given."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    # Typed: launch would make a number out of a map called 12.
    parameters = {
        name: ParameterValue(LaunchConfiguration(key), value_type=TYPES.get(key, str))
        for key, name in PARAMETERS.items()
        if given[key]
    }
    node = Node(
        package='relpose_ros',
        executable='relocalizer_node',
        name='relocalizer',
        namespace=given['namespace'],
        output='screen',
        emulate_tty=True,
        arguments=['--ros-args', '--log-level', given['log_level']],
        remappings=[('image', given['image']), ('camera_info', given['camera_info'])],
        parameters=[given['params_file'], parameters] if parameters else [given['params_file']],
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    """Return the relocalizer and rviz."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', PathJoinSubstitution([CONFIG, 'relocalize.rviz'])],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    # rviz first: where it is not installed launch ends here, and would leave the node behind.
    return LaunchDescription([*arguments, rviz, OpaqueFunction(function=relocalizer)])
