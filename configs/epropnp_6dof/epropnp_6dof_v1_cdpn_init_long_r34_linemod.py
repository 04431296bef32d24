# v1 from CDPN's first stage, twice as long.
_base_ = ['./epropnp_6dof_v1_cdpn_init_r34_linemod.py']
lr_config = dict(step=[101, 201, 301])
runner = dict(max_epochs=321)
