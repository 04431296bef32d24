import numpy as np
import pytest

from epropnp_det.datasets import AnnotationFilter
from epropnp_det.datasets.annotations import Role, parse_annotations


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
    np.testing.assert_array_equal(truth['attr_labels'], [-100, 5])
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
