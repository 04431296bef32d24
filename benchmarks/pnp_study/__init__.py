"""What `benchmark_pnp.py` measures: work, its time on CPUs and GPUs, accuracy."""
