"""
Map live: a camera whose pose is on TF, from SLAM or any localization.

ros2 launch relpose_ros map.launch.py map:=home.relmap \
    image:=/camera/image_raw camera_info:=/camera/camera_info
ros2 service call /mapper/save std_srvs/srv/Trigger
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

CONFIG = PathJoinSubstitution([FindPackageShare('relpose_ros'), 'config'])
ARGUMENTS = {
    'map': ('', 'map file to write or to go on with (NAME.relmap)'),
    'image': ('image', 'image topic; its compressed companion is taken along'),
    'camera_info': ('camera_info', 'topic of the camera info that belongs to the image'),
    'depth': ('', 'topic of depth registered to the image; every keyframe then has depth'),
    'map_frame': ('', "frame on TF that the map is in; by default the params_file's"),
    'namespace': ('', 'namespace of the node, and of topics that do not begin with /'),
    'device': ('', 'auto, cpu or cuda'),
    'params_file': (PathJoinSubstitution([CONFIG, 'mapper.yaml']), 'all parameters'),
    'log_level': ('info', 'debug, info, warn, error or fatal'),
}
# Arguments that are parameters too: given here they count more than in params_file.
PARAMETERS = {'map': 'map_path', 'map_frame': 'map_frame', 'device': 'device'}


def mapper(context: LaunchContext) -> list[Node]:
    """Return the node, with those of its parameters that were given."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    # Typed: launch would make a number out of a map called 12.
    parameters = {
        name: ParameterValue(given[key], value_type=str)
        for key, name in PARAMETERS.items()
        if given[key]
    }
    remappings = [('image', given['image']), ('camera_info', given['camera_info'])]
    if given['depth']:
        parameters['depth'] = True
        remappings.append(('depth', given['depth']))
    node = Node(
        package='relpose_ros',
        executable='mapper_node',
        name='mapper',
        namespace=given['namespace'],
        output='screen',
        emulate_tty=True,
        arguments=['--ros-args', '--log-level', given['log_level']],
        remappings=remappings,
        parameters=[given['params_file'], parameters] if parameters else [given['params_file']],
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    """Return the mapper."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=mapper)])
