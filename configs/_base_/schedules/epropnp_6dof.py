# 161 epochs: the official "160" counts both ends (docs/method_6dof.md 4).
optimizer = dict(type='RMSprop', lr=1e-4, alpha=0.99, eps=1e-8)
optimizer_config = dict(type='NanSafeOptimizerHook', grad_clip=None)
lr_config = dict(policy='step', step=[51, 101, 151], gamma=0.1)
runner = dict(type='EpochBasedRunner', max_epochs=161)
