import json

import cv2
import numpy as np
import pytest
from mmdet3d.datasets import build_dataset

from epropnp_det.datasets.kitti import export_kitti


def small_file(folder):
    """Two images of a camera of nuScenes' kind with a car, a bicycle and a cone."""
    names = ['car', 'bicycle', 'traffic_cone']
    images, annotations = [], []
    for number in range(2):
        cv2.imwrite(str(folder / f'{number}.jpg'), np.zeros((90, 160, 3), dtype=np.uint8))
        matrix = [[120.0, 0, 80], [0, 120, 45], [0, 0, 1]]
        size = dict(width=160, height=90)
        images.append(
            dict(id=f'i{number}', file_name=f'{number}.jpg', cam_intrinsic=matrix, **size)
        )
        for category in range(3):
            box = [2.0 * category - 2, 0.9, 12.0 + number, 4.0, 1.5, 1.8, 0.4 * category]
            annotations.append(
                dict(
                    id=len(annotations),
                    image_id=f'i{number}',
                    category_id=category,
                    bbox_cam3d=box,
                    visibility=4 - category,
                    truncation=0.1,
                )
            )
    categories = [dict(id=i, name=name) for i, name in enumerate(names)]
    path = folder / 'some_mono3d.coco.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return path


def test_boxes_come_back(tmp_path):
    path = small_file(tmp_path)
    out = tmp_path / 'kitti'
    assert export_kitti(path, tmp_path, out) == 2
    assert export_kitti(path, tmp_path, out, 'val') == 2
    assert (out / 'ImageSets' / 'val.txt').read_text().split() == ['000002', '000003']
    dataset = build_dataset(
        dict(
            type='KittiEProPnPDataset',
            data_root=str(out),
            ann_file=str(out / 'ImageSets' / 'train.txt'),
            img_prefix=str(out),
            pipeline=[],
        )
    )
    info = dataset.get_ann_info(1)
    assert [dataset.CLASSES[label] for label in info['labels']] == ['Car', 'Cyclist']
    expected = [[-2, 0.9 + 0.75, 13, 4, 1.5, 1.8, 0.0], [0, 0.9 + 0.75, 13, 4, 1.5, 1.8, 0.4]]
    np.testing.assert_allclose(info['gt_bboxes_3d'].tensor[:, :7], expected, atol=2e-4)
    np.testing.assert_allclose(info['truncation'].ravel(), 0.1)
    assert dataset.data_infos[0]['width'] == 160
    with pytest.raises(FileExistsError, match='another folder or split'):
        export_kitti(path, tmp_path, out)
    with pytest.raises(FileNotFoundError, match='no image'):
        export_kitti(path, tmp_path / 'none', tmp_path / 'other')
