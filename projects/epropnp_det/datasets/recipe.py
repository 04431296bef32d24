"""The data block of a config: what differs between two configs is a number.

A config imports :func:`mono3d_data` and hands it to ``data``; mmcv leaves functions out of configs,
so a dumped config holds the whole block and needs nothing of this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import taxonomy
from .kitti.convert import CLASSES as KITTI_CLASSES

__all__ = [
    'KITTI_TRAIN_KEYS',
    'META_KEYS',
    'TRAIN_KEYS',
    'kitti_data',
    'kitti_head',
    'mono3d_data',
    'stock_pipelines',
    'test_pipeline',
    'train_pipeline',
    'whole_steps',
    'window_steps',
]

CLASSES = list(taxonomy.CLASSES)
TRAIN_KEYS = [
    'img',
    'gt_bboxes',
    'gt_labels',
    'attr_labels',
    'gt_bboxes_3d',
    'gt_labels_3d',
    'centers2d',
    'depths',
    'gt_bboxes_ignore',
]
# KITTI has no attributes, and its boxes say the rest.
KITTI_TRAIN_KEYS = [key for key in TRAIN_KEYS if key not in ('attr_labels', 'centers2d', 'depths')]
META_KEYS = [
    'sample_idx',
    'filename',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'flip',
    'cam2img',
    'img2net',
    'ground_plane',
    'img_norm_cfg',
    'box_type_3d',
    'box_mode_3d',
]
_NORMALIZE = dict(
    type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
_ANNOTATIONS = dict(
    type='LoadAnnotations3D',
    with_bbox=True,
    with_label=True,
    with_attr_label=True,
    with_bbox_3d=True,
    with_label_3d=True,
    with_bbox_depth=True,
)
_NUSCENES = dict(
    type='NuScenesEProPnPDataset',
    modality=dict(
        use_lidar=False, use_camera=True, use_radar=False, use_map=False, use_external=False
    ),
)
# Length, height, width of KITTI's classes in the training set.
_KITTI_SIZES = dict(
    means=[(0.84, 1.76, 0.66), (1.76, 1.74, 0.60), (3.88, 1.53, 1.63)],
    stds=[(0.23, 0.11, 0.14), (0.18, 0.09, 0.12), (0.43, 0.14, 0.10)],
)
# docs/method.md 6.2; what fails is ignored, not trained as background
_ANNOTATION_FILTER = dict(min_visibility=2, max_truncation=0.8, min_box_size=4)


def train_pipeline(
    steps: Sequence[dict],
    class_names: Sequence[str],
    pad: int = 32,
    to_float32: bool = False,
    keys: Sequence[str] = TRAIN_KEYS,
) -> list[dict]:
    """Image and ground truth, what a config does to them, and what the network wants.

    Args:
        steps: What stands between loading and normalising: geometry, photometry, LiDAR.
        class_names: Names of the classes.
        pad: Sides become multiples of this; 0 leaves them alone.
        to_float32: Whether the image is loaded as float32, as mmdet's photometric steps want it.
        keys: What a network trains with; LiDAR points besides, where a step loads them.
    """
    lidar = ['lidar_points'] if any(step['type'] == 'LoadLidarMono3D' for step in steps) else []
    load = dict(type='LoadImageMono3D', **({'to_float32': True} if to_float32 else {}))
    return [
        load,
        _ANNOTATIONS,
        *steps,
        _NORMALIZE,
        *_padding(pad),
        dict(type='DefaultFormatBundle3D', class_names=class_names),
        dict(type='Collect3D', keys=[*keys, *lidar], meta_keys=META_KEYS),
    ]


def window_steps(
    size: tuple[int, int],
    class_weights: Sequence[float],
    light: Mapping | None = None,
    **span: tuple[float, float],
) -> list[dict]:
    """Middle of a training pipeline: windows, four of five around an object, in changed light.

    Args:
        size: Width and height of a window in pixels.
        class_weights: How much each class is looked at.
        light: Arguments of ``PhotoMetricDistortion`` that differ.
        **span: Either ``zoom``, least and largest magnification of the image, or ``focal``, least
            and largest focal length in pixels of a window.
    """
    # Hues hardly change: red lamps are behind.
    usual = dict(
        brightness_delta=20,
        contrast_range=(0.75, 1.25),
        saturation_range=(0.75, 1.25),
        hue_delta=4,
    )
    return [
        dict(type='FlipMono3D', flip_ratio=0.5),
        dict(type='ZoomMono3D', size=size, **span, focus=0.8, class_weights=class_weights),
        dict(type='PhotoMetricDistortion', **{**usual, **(light or {})}),
    ]


def whole_steps(**resize) -> list[dict]:
    """Middle of a test pipeline: whole images, which only a flip test mirrors.

    Args:
        **resize: Arguments of ``ResizeMono3D``.
    """
    return [dict(type='ResizeMono3D', **resize), dict(type='FlipMono3D', flip_ratio=0.0)]


def test_pipeline(
    steps: Sequence[dict], class_names: Sequence[str], pad: int = 32, flip: bool = False
) -> list[dict]:
    """An image, what a config does to it, and what the network wants; flips on request.

    Args:
        steps: What stands between loading and normalising, with ``FlipMono3D`` where a flip test
            shall flip.
        class_names: Names of the classes.
        pad: As for :func:`train_pipeline`.
        flip: Whether the mirrored image is a second view, solved together with the first.
    """
    transforms = [
        *steps,
        _NORMALIZE,
        *_padding(pad),
        dict(type='DefaultFormatBundle3D', class_names=class_names, with_label=False),
        dict(type='Collect3D', keys=['img'], meta_keys=META_KEYS),
    ]
    views = dict(type='MultiScaleFlipAug', scale_factor=1.0, flip=flip, transforms=transforms)
    return [dict(type='LoadImageMono3D'), views]


def stock_pipelines(
    steps: Sequence[dict], class_names: Sequence[str], pad: int = 32, to_float32: bool = False
) -> tuple[list[dict], list[dict]]:
    """Pipelines of training and test for mmdet3d's own detectors, which learn beside ours.

    Unknown velocities are NaN here, and their losses cannot leave them out: zero, as mmdet3d's data
    set has them. The stock flip mirrors boxes and intrinsics, and cameras and scales come from the
    stock meta, which ``Collect3D`` has by default.

    Args:
        steps: What training does besides, between flip and normalising.
        class_names: Names of the classes.
        pad: As for :func:`train_pipeline`.
        to_float32: As for :func:`train_pipeline`.
    """
    flip = dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5)
    keys = [key for key in TRAIN_KEYS if key != 'gt_bboxes_ignore']
    train = train_pipeline(
        [dict(type='ZeroUnknownVelocities'), flip, *steps], class_names, pad, to_float32, keys
    )
    test = test_pipeline([dict(flip, flip_ratio_bev_horizontal=0.0)], class_names, pad)
    del train[-1]['meta_keys'], test[-1]['transforms'][-1]['meta_keys']
    return train, test


def mono3d_data(
    data_root: str,
    crop_top: int = 0,
    scale: float = 1.0,
    flip_ratio: float = 0.5,
    lidar: dict | None = None,
    pad: int = 32,
    class_names: Sequence[str] | None = None,
    val_root: str | None = None,
    train_file: str = 'nuscenes_infos_train_mono3d.coco.json',
    val_file: str = 'nuscenes_infos_val_mono3d.coco.json',
    test_file: str | None = None,
    annotation_filter: dict | None = None,
    train_keys: Sequence[str] = TRAIN_KEYS,
    dataset: dict = _NUSCENES,
    **loader,
) -> dict:
    """The ``data`` of a config: loaders, and the data sets of training, validation and test.

    Args:
        data_root: Folder of images and annotation files, with a slash at its end.
        crop_top: Rows cut off at the top after resizing, which show sky (docs/method.md 6.3).
        scale: Factor on both sides of the images.
        flip_ratio: Share of the training images that are mirrored.
        lidar: Arguments of ``LoadLidarMono3D``, for the auxiliary losses; None loads no LiDAR.
        pad: As for :func:`train_pipeline`.
        class_names: Names of the classes; those of nuScenes if None.
        val_root: Folder of validation and test, if not ``data_root``.
        train_file: Annotation file of training, below ``data_root``.
        val_file: That of validation.
        test_file: That of the test; the one of validation if None.
        annotation_filter: What training takes for objects (docs/method.md 6.2); see
            ``NuScenesEProPnPDataset``.
        train_keys: As ``keys`` of :func:`train_pipeline`.
        dataset: Class of the data sets, and what they take beside all this.
        **loader: ``samples_per_gpu``, ``workers_per_gpu`` and what else ``data`` may hold.
    """
    classes = list(CLASSES) if class_names is None else class_names
    resize = [] if scale == 1 else [dict(type='ResizeMono3D', scale=scale)]
    crop = [dict(type='CropMono3D', top=crop_top)] if crop_top else []
    flip = [dict(type='FlipMono3D', flip_ratio=flip_ratio)] if flip_ratio else []
    # For the auxiliary losses only; without LiDAR in the annotation file they are zero.
    points = [] if lidar is None else [dict(type='LoadLidarMono3D', **lidar)]
    tested = [*resize, dict(type='FlipMono3D', flip_ratio=0.0), *crop]

    def part(root: str, file: str, pipeline: list[dict], test_mode: bool, **more) -> dict:
        return dict(
            **dataset,
            data_root=root,
            ann_file=root + file,
            img_prefix=root,
            classes=classes,
            pipeline=pipeline,
            test_mode=test_mode,
            box_type_3d='Camera',
            **more,
        )

    trained = train_pipeline([*flip, *resize, *crop, *points], classes, pad, keys=train_keys)
    shown = test_pipeline(tested, classes, pad)
    kept = dict(annotation_filter=annotation_filter or _ANNOTATION_FILTER)
    return dict(
        train=part(data_root, train_file, trained, False, **kept),
        val=part(val_root or data_root, val_file, shown, True),
        test=part(val_root or data_root, test_file or val_file, shown, True),
        **loader,
    )


def kitti_data(data_root: str, **options) -> dict:
    """The ``data`` of a config for KITTI's own files.

    Args:
        data_root: Folder with ``training`` and ``ImageSets``, with a slash at its end.
        **options: As for :func:`mono3d_data`.
    """
    kitti = dict(
        dataset=dict(type='KittiEProPnPDataset'),
        class_names=list(KITTI_CLASSES),
        train_keys=KITTI_TRAIN_KEYS,
        train_file='ImageSets/train.txt',
        val_file='ImageSets/val.txt',
        # What the benchmark's hardest level leaves out is ignored, not trained as background.
        annotation_filter=dict(max_truncation=0.5, min_box_size=8),
    )
    return mono3d_data(data_root, **{**kitti, **options})


def kitti_head() -> dict:
    """What a ``bbox_head`` has for KITTI's three classes: no velocity, no attribute."""
    count = len(KITTI_CLASSES)
    return dict(
        detector=dict(num_classes=count),
        correspondence=dict(num_classes=count, dim_coder=_KITTI_SIZES),
        losses=dict(loss_velo=None, loss_attr=None),
        class_attributes=None,
    )


def _padding(pad: int) -> list[dict]:
    return [dict(type='Pad', size_divisor=pad)] if pad else []
