# v2 without supervision of coordinates: poses alone, from ImageNet weights.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/epropnp_6dof.py',
    '../_base_/datasets/linemod_6dof.py',
    '../_base_/schedules/epropnp_6dof.py',
]
custom_imports = dict(imports=['epropnp_6dof'], allow_failed_imports=False)
model = dict(losses=dict(coordinate=0.0))
checkpoint_config = dict(interval=10)
evaluation = dict(interval=10)
