"""Pictures of poses and of what they rest on; plain arrays in, BGR images out."""

from .maps import coordinate_picture, weight_picture
from .overlay import draw_axes, draw_contour
from .panel import pose_panel
from .posterior import orientation_sphere, translation_marginals

__all__ = [
    'coordinate_picture',
    'draw_axes',
    'draw_contour',
    'orientation_sphere',
    'pose_panel',
    'translation_marginals',
    'weight_picture',
]
