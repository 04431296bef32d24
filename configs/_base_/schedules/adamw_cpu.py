# Small networks from scratch on two CPU cores; a config says for how long.
optimizer = dict(
    type='AdamW',
    lr=1e-3,
    weight_decay=1e-4,
    # Weights that shrink before the object coordinates have learned would stop their gradient.
    paramwise_cfg=dict(custom_keys={'scale_branch': dict(lr_mult=0.1)}),
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0, norm_type=2))
lr_config = dict(
    policy='CosineAnnealing', min_lr=0, by_epoch=False, warmup='linear', warmup_iters=50
)
