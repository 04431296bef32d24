# mmdet3d's own FCOS3D on the same images, backbone, neck, optimiser and steps as
# epropnp_det_small.py. Its class is untouched; what differs is what FCOS3D is: its head, its losses
# (the weights that mmdet3d publishes), and a flip that mirrors boxes and intrinsics.
#
# The stock flip writes the mirrored principal point into the list of intrinsics that it is given,
# and the stock loader gives it the data set's own record: every second flip of an image would train
# with a wrong camera. LoadImageMono3D, the first step of the recipe, gives it a copy.
from epropnp_det.datasets import recipe
from epropnp_det.models import blocks

_base_ = './epropnp_det_small.py'
data_root = 'work_dirs/proof/train/'
data = recipe.mono3d_data(data_root, samples_per_gpu=8, workers_per_gpu=1)
windows = recipe.window_steps(
    size=(192, 128), zoom=(1.0, 1.0), class_weights=(1, 2, 2, 2, 2, 2, 2, 1, 1, 1)
)
# The stock flip instead of ours, which comes first.
train_pipeline, test_pipeline = recipe.stock_pipelines(windows[1:], recipe.CLASSES, to_float32=True)
data['train']['pipeline'] = train_pipeline
data['test']['pipeline'] = data['val']['pipeline'] = test_pipeline
model = blocks.fcos3d(
    base_depths=(
        (31.99, 21.12),
        (37.15, 24.63),
        (39.69, 23.97),
        (40.91, 26.34),
        (34.16, 20.11),
        (22.35, 13.70),
        (24.28, 16.05),
        (27.26, 15.50),
        (20.61, 13.68),
        (22.74, 15.01),
    ),
    base_dims=(
        (4.62, 1.73, 1.96),
        (6.93, 2.83, 2.51),
        (12.56, 3.89, 2.94),
        (11.22, 3.50, 2.95),
        (6.68, 3.21, 2.85),
        (1.70, 1.29, 0.61),
        (2.11, 1.46, 0.78),
        (0.73, 1.77, 0.67),
        (0.41, 1.08, 0.41),
        (0.50, 0.99, 2.52),
    ),
    # A third of the stock number: NMS of rotated boxes takes seconds an image otherwise.
    nms_pre=300,
    score_thr=0.02,
    max_per_img=100,
)
