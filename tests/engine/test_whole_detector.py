"""The whole detector, every loss of it, in two gloo processes and in one."""

import json
from functools import partial
from itertools import count

import torch
from mmcv import Config
from mmcv.runner import get_dist_info
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

from epropnp_det.engine import train_model
from epropnp_det.models.heads import epropnp_head
from epropnp_det.models.structures import ImageGeometry
from epropnp_det.models.targets import ground_truth, object_sampling
from support.engine_runs import start, wait
from support.engine_scenes import NoiseScenes

STEPS, SAMPLES = 20, 12


def detector_config(repository, work_dir, batch):
    """The small network with v2's auxiliary losses and the branches of the shipped one."""
    cfg = Config.fromfile(
        str(repository / 'configs/epropnp_det/epropnp_det_r18_synthetic_aux_cpu.py')
    )
    branch = dict(loss=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0))
    # Of the backbone's batch norm only running statistics: others are those of a process's images.
    cfg.merge_from_dict(
        {
            'model.backbone.base_channels': 8,
            'model.backbone.norm_eval': True,
            'model.neck.in_channels': [16, 32, 64],
            'model.bbox_head.samples_per_img': SAMPLES,
            'model.bbox_head.detector.num_classes': 2,
            'model.bbox_head.correspondence.num_classes': 2,
            'model.bbox_head.correspondence.dim_coder': dict(
                means=[(4.6, 1.7, 1.9), (0.7, 1.8, 0.7)], stds=[(0.5, 0.2, 0.2)] * 2
            ),
            'model.bbox_head.class_attributes': None,
            'model.bbox_head.heading': dict(type='HeadingBranch', **branch),
            'model.bbox_head.apparent_size': dict(type='ApparentSizeBranch', **branch),
            'optimizer.lr': 1e-4,
            'checkpoint_config': dict(interval=STEPS, by_epoch=False),
            'log_config.interval': 1,
            'custom_hooks': [],
            'log_level': 'WARNING',
            'work_dir': str(work_dir),
            'device': 'cpu',
            'seed': 0,
        }
    )
    cfg.data = dict(
        samples_per_gpu=batch,
        workers_per_gpu=0,
        **{part: dict(type=NoiseScenes.__name__) for part in ('train', 'val', 'test')},
    )
    cfg.runner = dict(type='ResumableIterRunner', max_iters=STEPS)
    return cfg


def train(repository, work_dir, batch, distributed):
    """Trains in double precision: an untrained posterior blows the rounding of single up."""
    torch.set_num_threads(1)
    cfg = detector_config(repository, work_dir, batch)
    torch.manual_seed(0)
    model = build_model(cfg.model)
    model.init_weights()
    for name in ('boxes3d_from_instance', 'velocities_from_instance'):
        setattr(ground_truth, name, double(getattr(ground_truth, name)))
    ImageGeometry.from_metas = staticmethod(double(ImageGeometry.from_metas))
    seed_alike(batch)
    data = build_dataset(cfg.data.train)
    train_model(model.double(), [data], cfg, distributed, timestamp='now')


def double(function):
    """Gives back double precision, of a tensor or of a tuple of them."""

    def call(*args):
        found = function(*args)
        if isinstance(found, torch.Tensor):
            return found.double()
        return type(found)(*(part.double() for part in found))

    return call


def seed_alike(batch):
    """Objects are drawn image by image, and all of them get the same noise."""
    rand, randn, draw_points = torch.rand, torch.randn, object_sampling.draw_points
    sample_objects, first = epropnp_head.sample_objects, get_dist_info()[0] * batch
    calls = count()

    def sample(output, targets, gt, num_samples):
        def draw(centerness, number, uniform_ratio, generator):
            parts = []
            for image in range(batch):
                rows = (targets.img_inds == image).nonzero()[:, 0]
                seeded = torch.Generator().manual_seed(first + image)
                found = draw_points(centerness[rows], number // batch, uniform_ratio, seeded)
                parts.append(found._replace(inds=rows[found.inds]))
            return object_sampling.Draw(*map(torch.cat, zip(*parts)))

        object_sampling.draw_points = draw
        return sample_objects(output, targets, gt, num_samples)

    def alike(make, shape, **options):
        one = [1 if size == SAMPLES * batch else size for size in shape]
        assert one != list(shape), shape
        seeded = torch.Generator().manual_seed(next(calls))
        return make(one, generator=seeded, **options).expand(shape)

    epropnp_head.sample_objects = sample
    torch.rand, torch.randn = partial(alike, rand), partial(alike, randn)


def log_of(folder):
    (path,) = folder.glob('*.log.json')
    rows = map(json.loads, path.read_text().splitlines()[1:])
    return [{name: value for name, value in row.items() if 'loss' in name} for row in rows]


def test_two_processes_equal_one_with_twice_the_batch(repository, tmp_path):
    """Losses and parameters after twenty steps, every normaliser and running mean among them."""
    assert wait(start(train, repository, tmp_path / 'one', 4, False)) == [0]
    assert wait(start(train, repository, tmp_path / 'two', 2, True, processes=2)) == [0, 0]
    one, two = (torch.load(tmp_path / name / 'latest.pth') for name in ('one', 'two'))
    assert one['meta']['iter'] == two['meta']['iter'] == STEPS
    for name, value in one['state_dict'].items():
        torch.testing.assert_close(two['state_dict'][name], value, atol=1e-6, rtol=1e-6, msg=name)
    losses = [log_of(tmp_path / name) for name in ('one', 'two')]
    assert len(losses[0]) == len(losses[1]) == STEPS
    assert {'loss_pose', 'loss_proj', 'loss_depth', 'loss_heading'} <= set(losses[0][0])
    for alone, shared in zip(*losses):
        torch.testing.assert_close(shared, alone, atol=1e-4, rtol=1e-4)
