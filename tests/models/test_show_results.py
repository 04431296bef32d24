from types import SimpleNamespace

import cv2
import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmdet3d.core import bbox3d2result

from epropnp_det.boxes.instances import instance_from_boxes3d
from epropnp_det.models.detectors import EProPnPDet


def test_mmdet3ds_test_loop_gets_pictures_on_any_numpy(tmp_path):
    image = np.full((90, 160, 3), 80, np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    boxes = torch.tensor([[4.0, 1.5, 1.8, 0.0, 1.0, 12.0, 0.3], [4.0, 1.5, 1.8, 3, 1, 14, 0.3]])
    found = instance_from_boxes3d(boxes, torch.zeros(2, 2))
    result = bbox3d2result(found, torch.tensor([0.9, 0.2]), torch.tensor([0, 0]))
    meta = {'filename': str(tmp_path / 'a.png'), 'cam2img': [[99, 0, 80], [0, 99, 45], [0, 0, 1]]}
    data = {'img_metas': [DataContainer([[meta]], cpu_only=True)]}
    detector = SimpleNamespace(CLASSES=('car',))

    def draw(name, threshold):
        folder = tmp_path / name
        EProPnPDet.show_results(detector, data, [{'img_bbox': result}], folder, False, threshold)
        return cv2.imread(str(folder / 'a.jpg')).astype(int)

    both, one, none = draw('both', None), draw('one', 0.5), draw('none', 0.95)
    assert none.shape == (90 + 16, 160 + 90, 3)  # a strip below names the classes
    assert (abs(one - none).max(-1) > 40).sum() > 50
    assert (abs(both - one).max(-1) > 40).sum() > 50
