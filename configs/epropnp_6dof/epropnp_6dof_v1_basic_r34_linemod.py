# v1: other weights and initialisation; coordinates and Monte Carlo loss, from ImageNet weights.
_base_ = ['./epropnp_6dof_v2_no_model_r34_linemod.py']
model = dict(
    head=dict(init='normal'),
    weights='mean_exp',
    losses=dict(coordinate=1.0, monte_carlo=0.02, translation=0.0, rotation=0.0),
)
