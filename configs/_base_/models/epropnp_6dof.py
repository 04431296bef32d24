# The published object pose network (docs/method_6dof.md 1); the configs state what differs.
model = dict(
    type='ObjectPoseEstimator',
    backbone=dict(
        type='ResNet',
        depth=34,
        out_indices=(3,),
        norm_cfg=dict(type='BN'),
        norm_eval=False,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    head=dict(type='CorrespondenceHead', in_channels=512, channels=256, init='kaiming'),
    weights='softmax_per_cell',
    losses=dict(coordinate=1.0, monte_carlo=0.2, translation=1.0, rotation=1.0),
    pnp=dict(mc_samples=512, num_iter=4),
    train_cfg=dict(num_points=512),
    # For parity with the published numbers; without these options the solver is safer and batched.
    test_cfg=dict(start='epnp', iterations=3, fast_mode=True),
)
