"""3D boxes, one module per kind of value that holds them.

* :mod:`.arrays`: numpy, for data and pictures;
* :mod:`.image_extent`: what of them an image shows, numpy and shapely, for annotations;
* :mod:`.tensors`: torch, for targets and decoding;
* :mod:`.instances`: mmdet3d's own boxes, in and out.

Nothing is imported here, so that pictures need no torch and the networks no shapely.
"""
