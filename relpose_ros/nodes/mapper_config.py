"""Settings of the mapper beside the choice of keyframes."""

from dataclasses import dataclass, field

from relpose_ros.core.estimators import DEVICES
from relpose_ros.nodes.parameters import check_choices


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """
    What the mapper needs beside the choice of keyframes.

    :param map_path: map file (NAME.relmap) to write; one that is there is gone on with.
    :param map_frame: frame on TF that the map is in.
    :param depth: each keyframe must have depth, from the topic depth, registered to its image.
    :param device: where torch computes; auto is CUDA where there is one.
    :param max_rate_hz: look at so many images a second [Hz]; 0 for all that can be managed.
    :param reliability: QoS of the image, camera_info and depth subscriptions.
    :param rectified: images are rectified already (image_rect): P is used instead of K, and no
        distortion.
    :param wait_s: how long an image waits for its transform and its depth [s].
    :param max_gap_s: an image between poses on TF farther apart than this has none [s].
    :param max_extrapolation_s: so long behind the last pose on TF its motion is continued [s].
    :raises ValueError: if a value is not one of its choices.
    """

    map_path: str = ''
    map_frame: str = 'map'
    depth: bool = False
    device: str = field(default='auto', metadata={'choices': DEVICES})
    max_rate_hz: float = field(default=10.0, metadata={'range': (0.0, 1000.0)})
    reliability: str = field(
        default='best_effort', metadata={'choices': ('best_effort', 'reliable')}
    )
    rectified: bool = False
    wait_s: float = field(default=0.2, metadata={'range': (0.0, 10.0)})
    max_gap_s: float = field(default=1.0, metadata={'range': (0.0, 60.0)})
    max_extrapolation_s: float = field(default=0.0, metadata={'range': (0.0, 1.0)})

    def __post_init__(self) -> None:
        check_choices(self)
