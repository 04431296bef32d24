# The 13 objects of LineMOD in the official layout (docs/method_6dof.md 2, 3): real images and
# renderings of each. docs/6dof.md says how to use BOP's zips instead.
data_root = 'data/lm/'
obj_ids = [1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15]
common = dict(
    type='ObjectPoseDataset',
    layout='official',
    obj_ids=obj_ids,
    models=data_root + 'models',
    resolution=256,
    grid_size=64,
    official_grid=True,
)
training = dict(
    denoise=True,
    backgrounds='data/bg_images/VOC2012/JPEGImages',
    jitter=dict(shift=0.25, zoom=0.25, max_angle=0.0),
)
test = dict(split=data_root + 'real_test', test_mode=True, **common)
data = dict(
    samples_per_gpu=32,
    workers_per_gpu=4,
    train=[
        dict(
            split=data_root + 'real_train',
            coordinate_maps=data_root + 'coordinate_maps/real_train',
            background_prob=0.5,
            **common,
            **training,
        ),
        dict(
            split=data_root + 'imgn',
            coordinate_maps=data_root + 'coordinate_maps/imgn',
            background_prob=1.0,
            every=10,
            **common,
            **training,
        ),
    ],
    val=test,
    test=test,
    val_dataloader=dict(samples_per_gpu=32, workers_per_gpu=2),
    test_dataloader=dict(samples_per_gpu=32, workers_per_gpu=2),
)
