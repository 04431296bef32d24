# Overfits the small network to one real nuScenes keyframe, six images at half size, on two cores:
# the whole road on real input. tools/extract_keyframe.py makes the data from a nuScenes,
# demo/overfit_keyframe.py runs it.
from epropnp_det.datasets.recipe import mono3d_data

_base_ = ['./epropnp_det_r18_synthetic_cpu.py']
data_root = 'data/nuscenes_keyframe/'
# 1600 x 900 at half size, the upper quarter cut off; no flips, since this is about six images only.
data = mono3d_data(
    data_root,
    scale=0.5,
    crop_top=98,
    flip_ratio=0,
    train_file='nuscenes_infos_mono3d.coco.json',
    val_file='nuscenes_infos_mono3d.coco.json',
    samples_per_gpu=3,
)
train_pipeline = data['train']['pipeline']
model = dict(
    bbox_head=dict(
        samples_per_img=24,
        correspondence=dict(initial_scale=1.0),
        camera=dict(border=200.0),
    ),
    test_cfg=dict(max_per_img=128),
)
runner = dict(_delete_=True, type='ResumableIterRunner', max_iters=600)
checkpoint_config = dict(interval=200, max_keep_ckpts=1, by_epoch=False)
