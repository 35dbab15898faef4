"""A map that grows with the images of a live camera."""

from pathlib import Path

from relpose_ros.core.keyframe_map import KeyframeMap
from relpose_ros.core.keyframe_selection import KeyframeSelector, LeftOut, SelectionConfig
from relpose_ros.core.map_builder import learn_from_keyframes, MapBuilder
from relpose_ros.core.map_depth import triangulate_map
from relpose_ros.core.map_file import MapError
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.core.vocabulary import Vocabulary


class LiveMap:
    """Takes the images that should be keyframes; each is safe once it is taken."""

    def __init__(
        self,
        path: Path,
        vocabulary: Vocabulary,
        map_frame: str,
        config: SelectionConfig,
        device: str = 'cpu',
    ) -> None:
        """
        Create the map, or go on with one that is there.

        :param vocabulary: describes the keyframes of a new map.
        :param map_frame: the frame of the poses.
        :param device: where images are described.
        :raises MapError: if the file cannot be created or used, or its frame is another.
        """
        self._device = device
        if path.exists():
            self._take(KeyframeMap.edit(path))
        else:
            self._take(KeyframeMap.create(path, vocabulary, map_frame))
        if self._map.map_frame != map_frame:
            self.close()
            raise MapError(f"{path}: is in frame '{self._map.map_frame}', not '{map_frame}'")
        ids = self._map.ids
        self._newest_id = ids[-1] if ids else None
        self._count = len(ids)
        last = self._map.pose(ids[-1]) if ids else None
        self._selector = KeyframeSelector(config, last)

    def __len__(self) -> int:
        """Return the number of keyframes."""
        return self._count

    @property
    def path(self) -> Path:
        """Return the map's file."""
        return self._map.path

    def close(self) -> None:
        """Close the file."""
        self._map.close()

    def offer(self, image: PosedImage, any_motion: bool = False) -> int | LeftOut:
        """
        Take an image if it should be a keyframe.

        :param any_motion: also if it is near the keyframe before.
        :return: the keyframe's id, also of an image that is the newest keyframe already; else why
            it was left out.
        :raises MapError: if the file cannot be written; the map is as before.
        """
        if self._is_newest(image):
            return self._newest_id
        objection = self._selector.objection(image.rgb, image.map_from_camera, any_motion)
        if objection is not None:
            return objection
        keyframe_id = self._builder.add(image)
        if keyframe_id is None:
            return LeftOut.NO_TEXTURE
        self._selector.keep(image.map_from_camera)
        self._newest_id = keyframe_id
        self._count += 1
        return keyframe_id

    def learn(self) -> None:
        """
        Learn whitening and missing depth from the keyframes; takes its time.

        :raises MapError: if there is no keyframe, or the file cannot be written; the map is as
            before.
        """
        self._map.close()
        try:
            learn_from_keyframes(self.path, device=self._device)
            triangulate_map(self.path, self._device)
        finally:
            self._take(KeyframeMap.edit(self.path))

    def _is_newest(self, image: PosedImage) -> bool:
        newest_id = self._newest_id
        return newest_id is not None and self._map.stamp_ns(newest_id) == image.stamp_ns

    def _take(self, keyframe_map: KeyframeMap) -> None:
        self._map = keyframe_map
        self._builder = MapBuilder(keyframe_map, self._device)
