# epropnp_det_crops.py with what the detector that ships has besides
# (../epropnp_det/epropnp_det_mobilenet_rich_cpu.py): its features are asked for the heading and the
# apparent size directly while it trains, as FCOS3D's are, and points start wide.
from epropnp_det.models import blocks

_base_ = './epropnp_det_crops.py'
model = dict(
    bbox_head=dict(
        correspondence=dict(reference_spread=10.0, embedding_gain=1.0),
        **blocks.direct_branches(),
        **blocks.heavy_pose_losses(),
    )
)
