# Poses of cars in the 64 x 64 crops of benchmarks/ablation.py, in minutes of a CPU: the small
# network with all losses of v2. The script switches them off.
from epropnp_det.datasets.recipe import mono3d_data

_base_ = './epropnp_det_r18_synthetic_aux_cpu.py'
data_root = 'work_dirs/ablation/objects/'
class_names = ['car']
data = mono3d_data(
    data_root,
    lidar=dict(max_points=512),
    pad=0,
    class_names=class_names,
    train_file='train.json',
    annotation_filter=dict(min_visibility=3, max_truncation=0.5, min_box_size=12),
    samples_per_gpu=16,
    workers_per_gpu=1,
)
train_pipeline = data['train']['pipeline']
# Held-out objects with their ground truth, which tells where to look for them.
held_out = {
    '_delete_': True,
    **data['train'],
    'ann_file': data_root + 'val.json',
    'pipeline': [step for step in data['train']['pipeline'] if step['type'] != 'FlipMono3D'],
}
data.update(val=held_out, test=held_out)
model = dict(
    bbox_head=dict(
        samples_per_img=4,
        detector=dict(num_classes=1),
        correspondence=dict(
            num_classes=1,
            initial_scale=4.0,
            dim_coder=dict(means=[(4.62, 1.73, 1.96)], stds=[(0.46, 0.24, 0.16)]),
        ),
        camera=dict(border=50.0),
        class_attributes=None,
    )
)
lr_config = dict(warmup_iters=30)
runner = dict(_delete_=True, type='ResumableIterRunner', max_iters=800)
checkpoint_config = dict(_delete_=True, interval=200, max_keep_ckpts=1, by_epoch=False)
log_config = dict(interval=50)
