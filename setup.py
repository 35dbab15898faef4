from glob import glob

from setuptools import find_packages, setup

package_name = 'relpose_ros'
# `ros2 run` looks for executables here. setup.cfg is where this usually stands; pip ignores it
# and puts them into the environment's bin folder.
script_dir = f'$base/lib/{package_name}'

setup(
    name=package_name,
    version='0.1.0',
    description='Tells a robot where it is from one camera image',
    license='Apache-2.0',
    maintainer='relpose_ros maintainers',
    maintainer_email='relpose-ros@users.noreply.github.com',
    packages=find_packages(include=[package_name, f'{package_name}.*']),
    package_data={package_name: ['weights/*', 'resource/*', 'evaluation/map_page.*s']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'{package_name}/resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', glob('launch/*.launch.py')),
        (f'share/{package_name}/config', glob('config/*.*')),
    ],
    options={
        'develop': {'script_dir': script_dir},
        'install': {'install_scripts': script_dir},
    },
    python_requires='>=3.10',
    install_requires=[
        'faiss-cpu',
        'kornia',
        'matplotlib',
        'numpy',
        'opencv-python-headless',
        'PyYAML',
        'rosbags',
        'safetensors',
        'scipy',
        'torch',
        'tqdm',
    ],
    extras_require={'test': ['pytest']},  # colcon takes its test runner from here
    zip_safe=False,
    entry_points={
        'console_scripts': [
            'relocalizer_node = relpose_ros.nodes.relocalizer_node:main',
            'mapper_node = relpose_ros.nodes.mapper_node:main',
            'image_player = relpose_ros.nodes.image_player:main',
            'pose_recorder = relpose_ros.nodes.pose_recorder:main',
            'relpose_ros = relpose_ros.__main__:main',
        ],
    },
)
