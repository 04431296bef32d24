# The network that ships: wider than the one for a processor core, with more points and samples.
# `benchmarks/train_6dof.py main` trained it on a GPU in 314 s; docs/6dof.md says what it reaches.
_base_ = ['./epropnp_6dof_r18_linemod_cat_cpu.py']
num_points = 256

model = dict(
    backbone=dict(base_channels=48, stem_channels=48),
    head=dict(in_channels=384, channels=(160, 128, 96), lateral_channels=(192, 96, 48)),
    pnp=dict(mc_samples=256),
    train_cfg=dict(num_points=num_points),
    test_cfg=dict(num_train_points=num_points),
)
