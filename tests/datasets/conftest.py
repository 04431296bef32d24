import json
import shutil

import pytest
import torch

from epropnp_det.datasets import NuScenesEProPnPDataset


@pytest.fixture(scope='session')
def keyframe_json(keyframe_root):
    return keyframe_root / 'nuscenes_infos_mono3d.coco.json'


@pytest.fixture(scope='session')
def prepared_root(synthetic_root, tmp_path_factory):
    """The synthetic data set with the annotation files of our converter beside it."""
    from epropnp_det.datasets.prepare import prepare_nuscenes

    root = tmp_path_factory.mktemp('prepared')
    for name in ('samples', 'maps', 'v1.0-mini'):
        (root / name).symlink_to(synthetic_root / name)
    prepare_nuscenes(root, 'v1.0-mini')
    return root


@pytest.fixture
def content(keyframe_json):
    """The keyframe's annotation file, parsed anew for each test."""
    return json.loads(keyframe_json.read_text())


@pytest.fixture
def build(tmp_path):
    """Builds a data set from the content of an annotation file."""

    def _build(content, cls=NuScenesEProPnPDataset, root=tmp_path, **kwargs):
        path = tmp_path / f'annotations_{len(list(tmp_path.iterdir()))}.json'
        path.write_text(json.dumps(content))
        options = {'pipeline': [], 'img_prefix': str(root), 'test_mode': True, **kwargs}
        return cls(data_root=str(root), ann_file=str(path), **options)

    yield _build
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope='session')
def perfect_results():
    """Makes detections of a data set's ground truth, scores in no order."""

    def _perfect_results(dataset, keep=lambda annotation: True):
        results = []
        for image in dataset.data_infos:
            annotations = [a for a in dataset.annotations_of(image['id']) if keep(a)]
            truth = dataset._parse_ann_info(image, annotations)
            generator = torch.Generator().manual_seed(len(results))
            num = len(truth['labels'])
            detections = {
                'boxes_3d': truth['gt_bboxes_3d'],
                'scores_3d': torch.rand(num, generator=generator) * 0.8 + 0.1,
                'labels_3d': torch.from_numpy(truth['labels']),
                'attrs_3d': torch.from_numpy(truth['attr_labels']),
            }
            results.append({'img_bbox': detections, 'img_bbox2d': {}})
        return results

    return _perfect_results
