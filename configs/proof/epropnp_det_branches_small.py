# epropnp_det_small.py with what the detector that ships has besides
# (../epropnp_det/epropnp_det_mobilenet_rich.py): its features are asked for the heading and the
# apparent size directly while it trains, as FCOS3D's are, and the answer for the heading joins the
# solver's. The weights are half of those that ship, which in a schedule of this length leave too
# little to the other losses. The ground has no part.
from epropnp_det.models import blocks

_base_ = './epropnp_det_small.py'
model = dict(
    bbox_head=blocks.direct_branches(weight=4.0),
    test_cfg=dict(heading_weight=2.0),
)
