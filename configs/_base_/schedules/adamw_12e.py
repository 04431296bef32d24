# AdamW, 12 epochs, step decay, no warm-up (docs/method.md 5.1); effective batch 12 images.
optimizer = dict(
    type='AdamW',
    lr=1e-4,
    weight_decay=1e-4,
    paramwise_cfg=dict(custom_keys={'sampling_offsets': dict(lr_mult=0.1)}),
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0, norm_type=2))
lr_config = dict(policy='step', step=[9, 11])
# The runner puts NanSafeOptimizerHook in place of mmcv's, with and without `fp16`.
runner = dict(type='ResumableEpochRunner', max_epochs=12)
evaluation = dict(interval=1)
# For `tools/train.py --auto-scale-lr`: the batch, over all processes, that the rate is meant for.
auto_scale_lr = dict(enable=False, base_batch_size=12)
