"""Parts of tools/ablation.py: crops of objects, a surrogate loss, measurements, the report."""
