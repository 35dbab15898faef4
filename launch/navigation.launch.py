"""
Start the relocalizer in AMCL's place, and Nav2 with it.

ros2 launch relpose_ros navigation.launch.py map:=home.relmap grid:=home.yaml \
    image:=/camera/image_raw camera_info:=/camera/camera_info

home.yaml is the occupancy grid that Nav2 plans in; it lies in the frame of the keyframe map. The
robot brings odometry (odom -> base_link) and its camera's place (base_link -> camera) on TF.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {
    'map': ('', 'keyframe map (NAME.relmap)'),
    'grid': ('', 'occupancy grid (NAME.yaml) in the frame of the keyframe map'),
    'image': ('image', 'image topic; its compressed companion is taken along'),
    'camera_info': ('camera_info', 'topic of the camera info that belongs to the image'),
    'base_frame': ('base_link', "the robot's frame on TF"),
    'odom_frame': ('odom', 'the frame of its odometry on TF'),
    'use_sim_time': ('false', 'take the time from /clock, as with bags and simulators'),
    'nav2': ('true', 'start Nav2 and its map server; false where they run already'),
}
HANDED_ON = ('map', 'image', 'camera_info', 'base_frame', 'odom_frame')


def launch_file(package: str, name: str) -> PythonLaunchDescriptionSource:
    """Return another launch file."""
    path = PathJoinSubstitution([FindPackageShare(package), 'launch', name])
    return PythonLaunchDescriptionSource(path)


def nav2() -> GroupAction:
    """Return the map server and Nav2 without AMCL; nothing of it is looked up if not wanted."""
    params = PathJoinSubstitution([FindPackageShare('nav2_bringup'), 'params', 'nav2_params.yaml'])
    grid = ParameterValue(LaunchConfiguration('grid'), value_type=str)
    return GroupAction(
        [
            DeclareLaunchArgument(
                'nav2_params_file', default_value=params, description='parameters of Nav2'
            ),
            Node(
                package='nav2_map_server',
                executable='map_server',
                parameters=[{'yaml_filename': grid}],
            ),
            Node(
                package='nav2_lifecycle_manager',
                executable='lifecycle_manager',
                name='lifecycle_manager_map',
                parameters=[{'autostart': True, 'node_names': ['map_server']}],
            ),
            IncludeLaunchDescription(
                launch_file('nav2_bringup', 'navigation_launch.py'),
                launch_arguments=[
                    ('params_file', LaunchConfiguration('nav2_params_file')),
                    ('use_sim_time', LaunchConfiguration('use_sim_time')),
                ],
            ),
        ],
        condition=IfCondition(LaunchConfiguration('nav2')),
    )


def generate_launch_description() -> LaunchDescription:
    """Return the relocalizer and Nav2."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    relocalizer = IncludeLaunchDescription(
        launch_file('relpose_ros', 'relocalize.launch.py'),
        launch_arguments=[
            *((name, LaunchConfiguration(name)) for name in HANDED_ON),
            ('tf_mode', 'odom'),
            ('pose_frame', 'base'),
        ],
    )
    clock = SetParameter('use_sim_time', LaunchConfiguration('use_sim_time'))
    # Nav2 first: where it is not installed launch ends here, and would leave the node behind.
    return LaunchDescription([*arguments, clock, nav2(), relocalizer])
