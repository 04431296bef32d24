# KITTI objects, from the raw layout (image_2, calib, label_2, and ImageSets beside `training`), or
# from mmdet3d's `kitti_infos_*_mono3d.coco.json` as ann_file.
from epropnp_det.datasets import recipe

data_root = 'data/kitti/'
data = recipe.kitti_data(data_root, samples_per_gpu=6, workers_per_gpu=4)
class_names = data['train']['classes']
dataset_type = data['train']['type']
train_pipeline = data['train']['pipeline']
