# EPro-PnP v2 with few numbers, as tools/compare_detectors.py trains it beside FCOS3D: whole images
# as they are rendered, mirrored at random, and nothing else.
from epropnp_det.datasets.recipe import mono3d_data

_base_ = '../epropnp_det/epropnp_det_r18_synthetic_cpu.py'
data_root = 'work_dirs/proof/train/'
data = mono3d_data(data_root, samples_per_gpu=4, workers_per_gpu=1)
model = dict(
    bbox_head=dict(
        correspondence=dict(initial_scale=4.0, reference_spread=10.0, embedding_gain=1.0),
    )
)
lr_config = dict(warmup_iters=150)
runner = dict(_delete_=True, type='ResumableIterRunner', max_iters=3000)
checkpoint_config = dict(_delete_=True, interval=250, max_keep_ckpts=1, by_epoch=False)
