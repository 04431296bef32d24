# v1 with derivative regularisation.
_base_ = ['./epropnp_6dof_v1_basic_r34_linemod.py']
model = dict(losses=dict(translation=0.1, rotation=0.1))
