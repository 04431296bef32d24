import importlib.util
import json
import shutil
from pathlib import Path

import mmcv
import mmdet3d
import pytest
import torch

from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.prepare import prepare_nuscenes


@pytest.fixture(scope='session')
def keyframe_json(keyframe_root):
    return keyframe_root / 'nuscenes_infos_mono3d.coco.json'


@pytest.fixture(scope='session')
def prepared_root(synthetic_root, tmp_path_factory):
    """The synthetic data set with the annotation files of our converter beside it."""
    root = tmp_path_factory.mktemp('prepared')
    for name in ('samples', 'maps', 'v1.0-mini'):
        (root / name).symlink_to(synthetic_root / name)
    prepare_nuscenes(root, 'v1.0-mini')
    return root


@pytest.fixture(scope='session')
def stock_root(synthetic_root, tmp_path_factory):
    """The same tables through mmdet3d's converter, told the real size of the images."""
    path = Path(mmdet3d.__file__).parent / '.mim/tools/data_converter/nuscenes_converter.py'
    if not path.is_file():
        pytest.skip(f'this mmdet3d ships no {path}')
    spec = importlib.util.spec_from_file_location('stock_nuscenes_converter', path)
    converter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(converter)
    root = tmp_path_factory.mktemp('stock') / 'data' / 'nuscenes'
    root.mkdir(parents=True)
    for name in ('samples', 'maps', 'v1.0-mini'):
        (root / name).symlink_to(synthetic_root / name)
    image = mmcv.imread(str(next((root / 'samples' / 'CAM_FRONT').iterdir())))
    clip = converter.post_process_coords
    converter.post_process_coords = lambda corners: clip(corners, image.shape[1::-1])
    converter.create_nuscenes_infos(str(root), 'nuscenes', 'v1.0-mini', max_sweeps=0)
    for split in ('train', 'val'):
        infos = root / f'nuscenes_infos_{split}.pkl'
        converter.export_2d_annotation(str(root), str(infos), 'v1.0-mini')
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


class Workspace:
    """A data set of which every file may be damaged."""

    def __init__(self, source, root, perfect_results):
        shutil.copytree(source / 'v1.0-mini', root / 'v1.0-mini')
        shutil.copytree(source / 'samples', root / 'samples', symlinks=False, copy_function=_link)
        (root / 'maps').symlink_to(source / 'maps')
        self.root, self.ann_file = root, root / 'nuscenes_infos_val_mono3d.coco.json'
        self.content = json.loads((source / self.ann_file.name).read_text())
        self.images, self.annotations = self.content['images'], self.content['annotations']
        self.image_file = root / self.images[0]['file_name']
        self.lidar_file = root / self.images[0]['lidar_path']
        self._perfect_results = perfect_results

    def open(self, pipeline=(), text=None, **kwargs):
        content = json.dumps(self.content) if text is None else text
        self.ann_file.write_text(content, encoding='utf-8')
        options = {'test_mode': True, 'img_prefix': str(self.root), **kwargs}
        return NuScenesEProPnPDataset(str(self.root), str(self.ann_file), list(pipeline), **options)

    def load(self, pipeline=({'type': 'LoadImageMono3D'},)):
        return self.open(pipeline)[0]

    def evaluate(self, change=lambda results: results, **kwargs):
        dataset = self.open(**kwargs)
        return dataset.evaluate(change(self._perfect_results(dataset)))

    def submission(self):
        dataset = self.open()
        files, _ = dataset.format_results(
            self._perfect_results(dataset), str(self.root / 'submission')
        )
        return files['img_bbox']

    def replace(self, path, content):
        """Other bytes instead of a file that may be a link to the sound one."""
        path.unlink()
        path.write_bytes(content)

    def edit_table(self, name, change):
        path = self.root / 'v1.0-mini' / f'{name}.json'
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    def prepare(self):
        return prepare_nuscenes(self.root, 'v1.0-mini', self.root / 'out')


def _link(source, target):
    Path(target).symlink_to(source)


@pytest.fixture
def workspace(prepared_root, perfect_results, tmp_path):
    root = tmp_path / 'root'
    root.mkdir()
    return Workspace(prepared_root, root, perfect_results)
