# A small EPro-PnP-Det that trains from scratch on two CPU cores: narrow ResNet-18, no deformable
# convolutions, strides 8-32, 8 heads x 8 points. Same method as v2, fewer numbers.
_base_ = './epropnp_det_v2.py'
gn_cfg = dict(type='GN', num_groups=8, requires_grad=True)
model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=18,
        base_channels=32,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        zero_init_residual=False,
        style='pytorch',
    ),
    neck=dict(in_channels=[64, 128, 256], out_channels=64, num_outs=3, add_extra_convs=False),
    bbox_head=dict(
        samples_per_img=16,
        auxiliary=None,
        detector=dict(
            in_channels=64,
            feat_channels=64,
            emb_channels=128,
            centerness_channels=32,
            stacked_convs=1,
            strides=(8, 16, 32),
            regress_ranges=((-1, 48), (48, 96), (96, 1e8)),
            dcn_on_last_conv=False,
            # As its published numbers were measured; the default cures docs/differences.md W22.
            bbox_activation='relu',
            bbox_inside_only=False,
            norm_cfg=gn_cfg,
        ),
        correspondence=dict(
            in_channels=64,
            level_channels=(64, 64),
            embed_dims=128,
            num_points=8,
            ffn_channels=256,
            point_ffn_channels=64,
            dropout=0.0,
            norm_cfg=gn_cfg,
        ),
        pnp=dict(
            mc_samples=64,
            solver=dict(num_iter=5),
            init_solver=dict(num_points=8, num_proposals=16),
        ),
        pnp_test=dict(mc_samples=128),
        # Fewer steps than the published 28 k: the pose must count for more.
        losses=dict(
            loss_pose=dict(loss_weight=1.0),
            loss_reg_pos=dict(loss_weight=0.1),
            loss_reg_orient=dict(loss_weight=0.2),
        ),
    ),
    test_cfg=dict(score_thr=0.05, max_per_img=64),
)
