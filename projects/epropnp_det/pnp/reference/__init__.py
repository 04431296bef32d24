"""The heavy computations of the layer in plain torch: they read like the equations.

Each is a pure function of tensors; `epropnp_det.pnp.backend` lists them. They run on every device,
under a compiler, an exporter or a function transform, never wait for the device, and take few
kernels, large ones, so that launching them does not dominate on a GPU.
"""
