"""What several tests ask nuscenes-devkit."""

from __future__ import annotations

from collections.abc import Iterator

from nuscenes import NuScenes
from nuscenes.utils.data_classes import Box, LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box


def boxes_with_counted_points(nusc: NuScenes, sample: dict) -> Iterator[tuple[Box, dict]]:
    """Boxes of a sample with their annotation, whose LiDAR points are as many as it says."""
    path, boxes, _ = nusc.get_sample_data(sample['data']['LIDAR_TOP'])
    points = LidarPointCloud.from_file(path).points[:3]
    for box in boxes:
        record = nusc.get('sample_annotation', box.token)
        assert points_in_box(box, points).sum() == record['num_lidar_pts']
        yield box, record
