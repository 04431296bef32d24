# As adamw_12e.py with the later first step of v1 and v1b (docs/method.md 5.1).
_base_ = './adamw_12e.py'
lr_config = dict(step=[10, 11])
