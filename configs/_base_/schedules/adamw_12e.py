# AdamW, 12 epochs, step decay, no warm-up (docs/method.md 5.1); effective batch 12 images.
optimizer = dict(
    type='AdamW',
    lr=1e-4,
    weight_decay=1e-4,
    paramwise_cfg=dict(custom_keys={'sampling_offsets': dict(lr_mult=0.1)}),
)
optimizer_config = dict(type='NanSafeOptimizerHook', grad_clip=dict(max_norm=5.0, norm_type=2))
lr_config = dict(policy='step', step=[9, 11])
runner = dict(type='EpochBasedRunner', max_epochs=12)
evaluation = dict(interval=1)
