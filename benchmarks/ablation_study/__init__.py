"""Parts of benchmarks/ablation.py: crops of objects, a surrogate loss, measurements, the report."""
