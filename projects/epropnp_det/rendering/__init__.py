"""Draws triangle meshes: solids to build them from, and a z-buffer with what hides behind what."""

from .meshes import Mesh, convex, face_normals, fit, join
from .rasterizer import Buffers, View, draw, rasterize

__all__ = [
    'Buffers',
    'Mesh',
    'View',
    'convex',
    'draw',
    'face_normals',
    'fit',
    'join',
    'rasterize',
]
