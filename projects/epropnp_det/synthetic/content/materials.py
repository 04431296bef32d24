"""Materials of meshes, looked up by the shading of the cameras."""

PAINT, GLASS, FACADE, FOLIAGE, LAMP, STREETLAMP, GROUND = range(7)
