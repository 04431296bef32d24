"""Parts of ablation.py and compare_on_crops.py: crops of objects, a loss, measures, the report."""
