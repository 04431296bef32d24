# `custom_imports` is how stock mmdet3d tools load this plugin (docs/install.md).
custom_imports = dict(imports=['epropnp_det'], allow_failed_imports=False)

checkpoint_config = dict(interval=1)
# An interruption costs ten minutes at most, see docs/training.md.
custom_hooks = [dict(type='SaveLatestHook', minutes=10)]
log_config = dict(
    interval=50, hooks=[dict(type='TextLoggerHook'), dict(type='TensorboardLoggerHook')]
)
dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
opencv_num_threads = 0
mp_start_method = 'fork'
