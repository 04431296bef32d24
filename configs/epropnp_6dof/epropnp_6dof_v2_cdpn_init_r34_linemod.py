# v2 from CDPN's first stage, which tools/convert_6dof_checkpoint.py converts.
_base_ = ['./epropnp_6dof_v2_no_model_r34_linemod.py']
model = dict(backbone=dict(init_cfg=None), losses=dict(coordinate=1.0))
load_from = 'checkpoints/cdpn_stage_1_converted.pth'
