# The demo's small network with the dense auxiliary losses of v2, which LiDAR supervises.
from epropnp_det.datasets.recipe import mono3d_data

_base_ = './epropnp_det_r18_synthetic_cpu.py'
data_root = 'work_dirs/demo/data/'
data = mono3d_data(data_root, crop_top=56, lidar={}, samples_per_gpu=4, workers_per_gpu=1)
train_pipeline = data['train']['pipeline']
model = dict(
    bbox_head=dict(
        auxiliary=dict(
            _delete_=True,
            type='AuxiliaryHead',
            # A few cells of the output stride per object, as in v2 at full size.
            roi_size=7,
            depth_modes=4,
            loss_proj=dict(type='MixtureNLLLoss', huber_delta=2.0, loss_weight=0.5),
            loss_regr=dict(type='MixtureNLLLoss', huber_delta=2.0, init_sigma=0.2, loss_weight=2.5),
            loss_depth=dict(
                type='MixtureNLLLoss', huber_delta=0.3, init_sigma=0.3, loss_weight=1.5
            ),
        )
    )
)
