import numpy as np
import pytest

from epropnp_det.datasets import AnnotationFilter
from epropnp_det.datasets.annotations import Role, check_annotation_file, parse_annotations

CLASSES = ('car', 'pedestrian')


def annotation(**changes):
    return {
        'id': 0,
        'image_id': 'a',
        'category_id': 0,
        'bbox': [10.0, 20.0, 30.0, 40.0],
        'area': 1200.0,
        'bbox_cam3d': [1.0, 2.0, 10.0, 4.0, 1.5, 1.8, 0.3],
        'center2d': [25.0, 40.0, 10.0],
        **changes,
    }


def content(images=None, annotations=None, categories=None):
    image = {
        'id': 'a',
        'file_name': 'a.jpg',
        'token': 's',
        'width': 100,
        'height': 80,
        'cam_intrinsic': np.eye(3).tolist(),
    }
    return {
        'images': [image] if images is None else images,
        'annotations': [annotation()] if annotations is None else annotations,
        'categories': categories or [{'id': 0, 'name': 'car'}, {'id': 1, 'name': 'pedestrian'}],
    }


def without(record, key):
    return {name: value for name, value in record.items() if name != key}


GOOD = content()
BAD = {
    'no categories': (without(GOOD, 'categories'), r"lacks \['categories'\]"),
    'no images': (without(GOOD, 'images'), r"lacks \['images'\]"),
    'unknown class': (content(categories=[{'id': 0, 'name': 'car'}]), r"no categories \['ped"),
    'no intrinsics': (
        content(images=[without(GOOD['images'][0], 'cam_intrinsic')]),
        r"image a lacks \['cam_intrinsic'\]",
    ),
    'image twice': (content(images=GOOD['images'] * 2), 'image id a is missing or not unique'),
    'annotation twice': (content(annotations=[annotation()] * 2), 'annotation id 0 .* not unique'),
    'no id': (content(annotations=[without(annotation(), 'id')]), 'annotation id None'),
    'no image': (content(annotations=[annotation(image_id='b')]), 'image b, which is not'),
    'no category': (content(annotations=[annotation(category_id=7)]), 'category 7, which is not'),
    'only 2D': (content(annotations=[without(annotation(), 'bbox_cam3d')]), 'mono3d=True'),
    'NaN box': (
        content(annotations=[annotation(bbox_cam3d=[float('nan'), 2, 10, 4, 1, 1, 0])]),
        'not finite',
    ),
    'infinite 2D box': (
        content(annotations=[annotation(bbox=[0, 0, float('inf'), 1])]),
        'not finite',
    ),
    'six numbers': (content(annotations=[annotation(bbox_cam3d=[1.0] * 6)]), 'seven numbers'),
    'zero size': (
        content(annotations=[annotation(bbox_cam3d=[1, 2, 10, 4, 0, 1, 0])]),
        'without extent',
    ),
}


def test_a_sound_file_passes():
    check_annotation_file(GOOD, 'file.json', CLASSES)


@pytest.mark.parametrize('kind', BAD)
def test_unsound_files_are_named(kind):
    bad, message = BAD[kind]
    with pytest.raises(ValueError, match=message) as caught:
        check_annotation_file(bad, 'file.json', CLASSES)
    assert 'file.json' in str(caught.value)


@pytest.mark.parametrize(
    ('options', 'fields', 'role'),
    [
        ({}, {'visibility': 1, 'truncation': 0.99}, Role.OBJECT),
        ({}, {'iscrowd': 1}, Role.IGNORED),
        ({'min_visibility': 2}, {'visibility': 1}, Role.IGNORED),
        ({'min_visibility': 2, 'ignore_hidden': False}, {'visibility': 1}, Role.ABSENT),
        ({'min_visibility': 2}, {'visibility': 2}, Role.OBJECT),
        ({'min_visibility': 2}, {'visibility': 0}, Role.OBJECT),
        ({'min_visibility': 2}, {}, Role.OBJECT),
        ({'max_truncation': 0.8}, {'truncation': 0.81}, Role.IGNORED),
        ({'max_truncation': 0.8}, {'truncation': 0.8}, Role.OBJECT),
        ({'max_truncation': 0.8}, {}, Role.OBJECT),
        ({'min_box_size': 30.5}, {}, Role.IGNORED),
        ({'min_box_size': 30.0}, {}, Role.OBJECT),
    ],
)
def test_filter_assigns_roles(options, fields, role):
    assert AnnotationFilter(**options).role(annotation(**fields)) is role


def test_parsing_fills_what_is_unknown():
    known = annotation(velo_cam3d=[1.0, 2.0], attribute_id=5, truncation=0.25, category_id=1)
    truth = parse_annotations([annotation(), known], [annotation()], {0: 0, 1: 1})
    np.testing.assert_array_equal(truth['labels'], [0, 1])
    np.testing.assert_array_equal(truth['attr_labels'], [8, 5])
    np.testing.assert_array_equal(truth['truncation'], [0, 0.25])
    np.testing.assert_array_equal(truth['bboxes_ignore'], [[10, 20, 40, 60]])
    velocities = truth['gt_bboxes_3d'].tensor[:, 7:].numpy()
    np.testing.assert_array_equal(velocities, [[np.nan, np.nan], [1, 2]])
    empty = parse_annotations([], [], {})
    assert empty['gt_bboxes_3d'].tensor.shape == (0, 9)
    assert [empty[key].shape for key in ('bboxes', 'labels', 'centers2d', 'depths')] == [
        (0, 4),
        (0,),
        (0, 2),
        (0,),
    ]
