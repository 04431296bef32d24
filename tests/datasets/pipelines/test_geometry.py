import copy
import itertools

import numpy as np
import pytest
import torch
from mmcv.parallel import DataContainer, collate
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.datasets.builder import PIPELINES
from mmdet3d.datasets.pipelines import Compose

from epropnp_det.datasets.pipelines import CropMono3D, FlipMono3D, LoadImageMono3D, ResizeMono3D
from epropnp_det.datasets.pipelines.geometry import transform_points

WIDTH, HEIGHT = 320, 200
INTRINSICS = [[250.0, 0.0, 163.7], [0.0, 251.0, 104.2], [0.0, 0.0, 1.0]]
POINTS = np.array([[-3.0, -0.5, 8.0], [1.5, 1.0, 9.0], [5.5, -1.2, 12.0], [0.3, 2.2, 8.0]])
META_KEYS = (
    'filename',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'flip',
    'cam2img',
    'img2net',
    'img_norm_cfg',
)


def project(points):
    homogeneous = points @ np.array(INTRINSICS).T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def dot_image(centers, sigma=4.0):
    """Blobs whose centroid is the given point in edge-based pixels."""
    x, y = np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5
    image = np.zeros((HEIGHT, WIDTH))
    for u, v in centers:
        image += np.exp(-((x[None] - u) ** 2 + (y[:, None] - v) ** 2) / (2 * sigma**2))
    return np.repeat((image * 255)[:, :, None], 3, axis=2).clip(0, 255).astype(np.uint8)


def centroid(image, near, radius):
    """Centroid of the blob near a point, edge-based pixels."""
    x, y = np.meshgrid(np.arange(image.shape[1]) + 0.5, np.arange(image.shape[0]) + 0.5)
    weight = image[..., 0] * (np.hypot(x - near[0], y - near[1]) < radius)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def sample(num_boxes=4):
    centers = project(POINTS)[:num_boxes]
    boxes = np.concatenate([centers - [20, 15], centers + [22, 18]], axis=1).astype(np.float32)
    cam = np.concatenate([POINTS[:num_boxes], np.ones((num_boxes, 6))], axis=1)
    return {
        'img': dot_image(centers),
        'img_info': {'cam_intrinsic': copy.deepcopy(INTRINSICS), 'filename': 'dots.png'},
        'img_fields': [],
        'bbox_fields': ['gt_bboxes', 'gt_bboxes_ignore'],
        'gt_bboxes': boxes,
        'gt_bboxes_ignore': np.array([[100, 20, 140, 60]], dtype=np.float32),
        'gt_labels': np.arange(num_boxes),
        'gt_labels_3d': np.arange(num_boxes),
        'gt_bboxes_3d': CameraInstance3DBoxes(cam, box_dim=9, origin=(0.5, 0.5, 0.5)),
        'attr_labels': np.arange(num_boxes) + 10,
        'centers2d': centers.astype(np.float32),
        'depths': POINTS[:num_boxes, 2].astype(np.float32),
    }


STEPS = {
    'half': ResizeMono3D(scale=0.5),
    'odd': ResizeMono3D(scale=0.633),
    'enlarge': ResizeMono3D(scale=1.37),
    'anisotropic': ResizeMono3D(img_scale=(301, 233)),
    'crop': CropMono3D(top=37, left=11, right=5, bottom=3, min_visible=0.0),
    'flip': FlipMono3D(flip_ratio=1.0),
}


@pytest.mark.parametrize(
    'names',
    [c for n in range(4) for c in itertools.permutations(STEPS, n)][::3],
    ids='-'.join,
)
def test_img2net_follows_the_image_content(names):
    """What a 3D point looks like must be found where K and img2net say, whatever the steps."""
    results = LoadImageMono3D()(sample())
    for name in names:
        results = STEPS[name](results)
    predicted = transform_points(project(POINTS), results['img2net'].astype(np.float64))
    scale = np.sqrt(abs(np.linalg.det(results['img2net'])))
    height, width = results['img'].shape[:2]
    inside = ((predicted > 14 * scale) & (predicted < np.array([width, height]) - 14 * scale)).all(
        1
    )
    assert inside.sum() >= 2
    for point in predicted[inside]:
        found = centroid(results['img'].astype(np.float64), point, radius=14 * scale)
        np.testing.assert_allclose(found, point, atol=0.06)
    kept = results['gt_labels']
    np.testing.assert_allclose(results['centers2d'], predicted[kept], atol=1e-3)
    np.testing.assert_array_equal(results['cam2img'], INTRINSICS)


@pytest.mark.parametrize('flip', [False, True])
def test_boxes_follow_and_stay_ordered(flip):
    results = LoadImageMono3D()(sample())
    mapped = FlipMono3D(float(flip))(ResizeMono3D(0.5)(results))
    expected = results['gt_bboxes'] / 2
    if flip:
        expected[:, [0, 2]] = WIDTH / 2 - expected[:, [2, 0]]
    np.testing.assert_allclose(mapped['gt_bboxes'], expected, atol=1e-4)
    assert mapped['gt_bboxes_ignore'].shape == (1, 4)
    assert (mapped['gt_bboxes_ignore'][:, 2:] > mapped['gt_bboxes_ignore'][:, :2]).all()
    assert mapped['flip'] is flip
    assert (np.linalg.det(mapped['img2net']) < 0) == flip


def test_flip_is_exact_and_its_own_inverse():
    results = LoadImageMono3D()(sample())
    flipped = FlipMono3D(1.0)(results)
    np.testing.assert_array_equal(flipped['img'], results['img'][:, ::-1])
    back = FlipMono3D(1.0)({**flipped, 'flip': True})
    np.testing.assert_array_equal(back['img'], results['img'])
    np.testing.assert_allclose(back['img2net'], np.eye(3), atol=1e-4)


def test_crop_keeps_all_object_fields_in_step():
    results = LoadImageMono3D()(sample())
    boxes = results['gt_bboxes']
    top = int(boxes[0, 3]) - 3  # nearly hides objects whose box ends there
    cropped = CropMono3D(top=top, min_visible=0.2)(results)
    kept = cropped['gt_labels']
    assert 0 < len(kept) < 4 and 0 not in kept
    np.testing.assert_array_equal(cropped['gt_labels_3d'], kept)
    np.testing.assert_array_equal(cropped['attr_labels'], kept + 10)
    np.testing.assert_allclose(cropped['depths'], POINTS[kept, 2])
    torch.testing.assert_close(
        cropped['gt_bboxes_3d'].tensor, results['gt_bboxes_3d'].tensor[torch.from_numpy(kept)]
    )
    shifted = boxes[kept] - [0, top, 0, top]
    np.testing.assert_allclose(cropped['gt_bboxes'], shifted.clip(0), atol=1e-4)
    # the dropped object is ignored, not background; the ignored box above the cut is gone
    assert len(cropped['gt_bboxes_ignore']) >= 1
    assert cropped['gt_bboxes_ignore'][:, 3].max() <= HEIGHT - top


def test_crop_counts_what_was_truncated_before():
    """A third of the box remains: enough for a whole object, not for one already 60 % outside."""
    results = LoadImageMono3D()(sample(1))
    box = results['gt_bboxes'][0]
    top = int(round(box[1] + (box[3] - box[1]) * 0.66))
    step = CropMono3D(top=top, min_visible=0.2, allow_empty=True)
    assert len(step({**results, 'gt_truncation': np.array([0.0])})['gt_bboxes']) == 1
    hidden = step({**results, 'gt_truncation': np.array([0.6])})
    assert len(hidden['gt_bboxes']) == 0 and len(hidden['gt_truncation']) == 0
    assert len(step({**results, 'gt_truncation': np.array([1.0])})['gt_bboxes']) == 0


def test_crop_that_loses_the_last_object_asks_for_another_image():
    results = LoadImageMono3D()(sample(1))
    top = int(results['gt_bboxes'][0, 3]) + 1
    assert CropMono3D(top=top)(results) is None
    assert len(CropMono3D(top=top, allow_empty=True)(results)['gt_bboxes']) == 0
    # an image that had no object in the first place may stay
    empty = LoadImageMono3D()(sample(0))
    assert CropMono3D(top=top)(empty)['gt_bboxes_3d'].tensor.shape == (0, 9)


def test_steps_leave_their_input_alone():
    results = LoadImageMono3D()(sample())
    before = copy.deepcopy(results)
    for step in STEPS.values():
        step(results)
    for key, value in before.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(results[key], value, err_msg=key)
    assert list(results) == list(before)


def test_intrinsics_survive_ten_visits():
    info = sample()['img_info']
    for _ in range(10):
        results = {**sample(), 'img_info': info}
        results = FlipMono3D(1.0)(LoadImageMono3D()(results))
        results['cam2img'][0, 2] = 0.0
    assert info['cam_intrinsic'] == INTRINSICS


def test_draws_come_from_the_given_generator():
    results = LoadImageMono3D()(sample())

    def flips(seed):
        step = FlipMono3D(0.5, rng=np.random.default_rng(seed))
        return [step(results)['flip'] for _ in range(40)]

    assert flips(0) == flips(0) != flips(1)
    assert 8 < sum(flips(0)) < 32
    step = ResizeMono3D(scale=(0.4, 0.8), rng=np.random.default_rng(0))
    widths = {step(results)['img'].shape[1] for _ in range(20)}
    assert len(widths) > 5 and min(widths) >= 0.4 * WIDTH and max(widths) <= 0.8 * WIDTH


def test_keep_ratio_fits_into_the_target():
    results = ResizeMono3D(img_scale=(160, 160), keep_ratio=True)(LoadImageMono3D()(sample()))
    assert results['img'].shape[:2] == (100, 160)


def train_pipeline():
    names = ['img', 'gt_bboxes', 'gt_labels', 'gt_bboxes_3d', 'gt_labels_3d', 'attr_labels']
    return [
        {'type': 'LoadImageMono3D', 'to_float32': True},
        {'type': 'PhotoMetricDistortion'},
        {'type': 'FlipMono3D'},
        {'type': 'CropMono3D', 'top': 40},
        {'type': 'ResizeMono3D', 'scale': 0.5},
        {'type': 'Normalize', 'mean': [103.5, 116.3, 123.7], 'std': [1, 1, 1], 'to_rgb': False},
        {'type': 'Pad', 'size_divisor': 32},
        {'type': 'DefaultFormatBundle3D', 'class_names': ['a']},
        {'type': 'Collect3D', 'keys': [*names, 'centers2d', 'depths'], 'meta_keys': META_KEYS},
    ]


def test_stock_steps_work_after_ours():
    data = Compose(train_pipeline())(sample())
    meta = data['img_metas'].data
    assert meta['ori_shape'] == (HEIGHT, WIDTH, 3)
    assert meta['img_shape'] == (80, 160, 3)
    assert meta['pad_shape'] == (96, 160, 3)
    assert data['img'].data.shape == (3, 96, 160)
    assert meta['img2net'].dtype == np.float32 and meta['cam2img'].shape == (3, 3)
    assert isinstance(data['gt_bboxes_3d'], DataContainer)
    batch = collate([data, Compose(train_pipeline())(sample())], samples_per_gpu=2)
    assert batch['img'].data[0].shape == (2, 3, 96, 160)


def test_flip_obeys_test_time_augmentation():
    inner = [
        {'type': 'FlipMono3D', 'flip_ratio': 0.5},
        {'type': 'CropMono3D', 'top': 40},
        {'type': 'ResizeMono3D', 'scale': 0.5},
        {'type': 'Pad', 'size_divisor': 32},
        {'type': 'DefaultFormatBundle3D', 'class_names': ['a'], 'with_label': False},
        {'type': 'Collect3D', 'keys': ['img'], 'meta_keys': META_KEYS[:-1]},
    ]
    augment = {'type': 'MultiScaleFlipAug', 'scale_factor': 1.0, 'flip': True, 'transforms': inner}
    inputs = {key: value for key, value in sample().items() if not key.startswith('gt_')}
    data = Compose([{'type': 'LoadImageMono3D'}, augment])(inputs)
    metas = [container.data for container in data['img_metas']]
    assert [meta['flip'] for meta in metas] == [False, True]
    np.testing.assert_allclose(metas[0]['img2net'], [[0.5, 0, 0], [0, 0.5, -20], [0, 0, 1]])
    np.testing.assert_allclose(metas[1]['img2net'], [[-0.5, 0, 160], [0, 0.5, -20], [0, 0, 1]])
    plain, mirrored = (image.data for image in data['img'])
    torch.testing.assert_close(plain[:, :80].flip(-1), mirrored[:, :80])


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: ResizeMono3D(), 'one of scale, img_scale'),
        (lambda: ResizeMono3D(scale=0.5, img_scale=(3, 4)), 'one of scale, img_scale'),
        (lambda: ResizeMono3D(scale=-1.0), 'positive'),
        (lambda: CropMono3D(top=-5), 'negative'),
        (lambda: FlipMono3D(1.5), 'probability'),
        (lambda: CropMono3D(top=200)(LoadImageMono3D()(sample())), 'leaves nothing'),
        (
            lambda: FlipMono3D(0.0)(
                {**LoadImageMono3D()(sample()), 'flip': True, 'flip_direction': 'vertical'}
            ),
            'only horizontal',
        ),
    ],
)
def test_misuse_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_steps_are_registered():
    for name in ('LoadImageMono3D', 'ResizeMono3D', 'CropMono3D', 'FlipMono3D'):
        assert PIPELINES.get(name) is not None


@pytest.mark.parametrize('focal', [200.0, 610.0])
def test_resizing_to_a_focal_length(focal):
    """A second resize to the same length finds nothing to do."""
    before = LoadImageMono3D()(sample())
    once = ResizeMono3D(focal=focal)(before)
    twice = ResizeMono3D(focal=focal)(FlipMono3D(1.0)(once))
    wanted = focal / before['cam2img'][0, 0]
    assert once['img2net'][0, 0] == pytest.approx(wanted, rel=0.01)
    assert once['img'].shape[1] == round(before['img'].shape[1] * wanted)
    assert twice['img'].shape == once['img'].shape
    np.testing.assert_array_equal(once['cam2img'], before['cam2img'])
