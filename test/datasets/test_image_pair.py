"""The relative pose of a pair."""

import numpy as np
from relpose_ros.core.geometry import transform_points
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.datasets.image_pair import ImagePair


def test_a_point_goes_from_the_query_to_the_keyframe(wall) -> None:
    images = [
        PosedImage(str(i), i, *(wall.take(wall.camera, pose)[0], wall.camera, pose))
        for i, pose in enumerate(wall.poses[1:3])
    ]
    pair = ImagePair(*images)
    point_query = np.array([0.2, -0.1, 1.6])
    point_map = transform_points(pair.query.map_from_camera, point_query)
    point_keyframe = transform_points(pair.keyframe_from_query, point_query)
    there = transform_points(pair.keyframe.map_from_camera, point_keyframe)
    np.testing.assert_allclose(there, point_map, atol=1e-12)
