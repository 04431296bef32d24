# v1 with derivative regularisation, from CDPN's first stage.
_base_ = ['./epropnp_6dof_v1_reg_loss_r34_linemod.py']
model = dict(backbone=dict(init_cfg=None))
load_from = 'checkpoints/cdpn_stage_1_converted.pth'
