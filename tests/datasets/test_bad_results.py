"""Results, splits and submissions that are wrong, and the error that each kind gives."""

import re

import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import LiDARInstance3DBoxes

from epropnp_det.datasets.submission_check import check_submission


def first_detection(**fields):
    return lambda r: [{'img_bbox': {**r[0]['img_bbox'], **fields}}, *r[1:]]


CASES = {}


def case(name, error, message):
    def register(function):
        CASES[name] = (function, error, message)
        return function

    return register


@case('results of a 2D detector', ValueError, 'are they of a 2D detector')
def _(w):
    w.evaluate(lambda r: [[np.zeros((0, 5))] * 10 for _ in r])


@case('results of another model', ValueError, r'result 0 \(samples/.*another kind of model')
def _(w):
    w.evaluate(lambda r: [{'img_bbox': {'boxes': []}}, *r[1:]])


@case('results of other names', ValueError, r'result 5 .*another kind of model')
def _(w):
    w.evaluate(lambda r: [*r[:5], {'pts_bbox': r[5]['img_bbox']}, *r[6:]])


@case('results in the LiDAR frame', ValueError, 'LiDARInstance3DBoxes, not Camera')
def _(w):
    w.evaluate(first_detection(boxes_3d=LiDARInstance3DBoxes(torch.zeros(1, 7))))


@case('results of other images', ValueError, '17 results for 18 images; were they made')
def _(w):
    w.evaluate(lambda r: r[:-1])


@case('results of more classes', ValueError, 'labels beyond the 10 classes')
def _(w):
    w.evaluate(lambda r: first_detection(labels_3d=r[0]['img_bbox']['labels_3d'] + 10)(r))


@case(
    'results of unequal lengths',
    ValueError,
    'different numbers of boxes, scores_3d, labels_3d, attrs_3d',
)
def _(w):
    w.evaluate(first_detection(scores_3d=torch.zeros(1)))


@case('labels that are no numbers', ValueError, r'result 0 .* labels_3d that are not numbers')
def _(w):
    w.evaluate(lambda r: first_detection(labels_3d=['car'] * len(r[0]['img_bbox']['scores_3d']))(r))


@case('attributes of another model', ValueError, 'attr_scores_3d of fewer than the 8 attributes')
def _(w):
    w.evaluate(
        lambda r: first_detection(
            attr_scores_3d=torch.zeros(len(r[0]['img_bbox']['scores_3d']), 3)
        )(r)
    )


@case('no list of results', ValueError, 'results must be a list, one per image, got dict')
def _(w):
    w.evaluate(lambda r: r[0])


@case('split mismatch', ValueError, 'cannot be scored on mini_train: it lacks 3 of its 3 samples')
def _(w):
    w.evaluate(eval_split='mini_train')


@case('unknown split', ValueError, "'vall' is neither an official split")
def _(w):
    w.evaluate(eval_split='vall')


@case('split without objects', ValueError, 'mini_val has no object of any class')
def _(w):
    w.edit_table('sample_annotation', lambda rows: [])
    w.edit_table('instance', lambda rows: [])
    w.evaluate()


@case('unknown camera', ValueError, r"know no cameras \['CAM_FORNT'\]; they know .*CAM_FRONT")
def _(w):
    w.evaluate(eval_cameras=['CAM_FORNT'])


@case(
    'range of distance the wrong way round', ValueError, 'goes from 0 or more upwards, not 30 - 20'
)
def _(w):
    w.evaluate(eval_ranges=[(30, 20)])


@case('test split', ValueError, 'no public ground truth: format only')
def _(w):
    w.evaluate(eval_split='test')


@case('classes that nuScenes lacks', ValueError, r"knows no \['tram'\]")
def _(w):
    w.content['categories'][0]['name'] = 'tram'
    w.evaluate(classes=['tram', *(c['name'] for c in w.content['categories'][1:])])


@case('half a pose', ValueError, r"lacks \['cam_ego2global_translation'\]")
def _(w):
    del w.images[4]['cam_ego2global_translation']
    w.evaluate()


@case('no poses', ValueError, r"lacks \['ego2global_rotation'\]: a nuScenes submission is in")
def _(w):
    del w.images[4]['ego2global_rotation']
    w.evaluate()


@case('submission cut short', ValueError, 'is not json, or was cut short')
def _(w):
    path = w.root / 'short.json'
    path.write_bytes((w.root / 'v1.0-mini' / 'sample.json').read_bytes()[:500])
    check_submission(path)


@case('picture as submission', ValueError, 'is not json, or was cut short: .* decode byte')
def _(w):
    check_submission(w.image_file)


@case('submission of part of the split', ValueError, '1 of 4 samples of the split are absent')
def _(w):
    check_submission(w.submission(), [*dict.fromkeys(i['token'] for i in w.images), 'another'])


@pytest.mark.parametrize('kind', CASES)
def test_error_names_what_is_wrong(kind, workspace):
    function, error, message = CASES[kind]
    with pytest.raises(error) as caught:
        function(workspace)
    assert re.search(message, str(caught.value), re.DOTALL), caught.value
    assert not (workspace.root / 'out').exists()


def test_the_undamaged_results_pass(workspace):
    assert workspace.evaluate()['img_bbox_NuScenes/mAP'] > 0.3
    assert check_submission(workspace.submission(), {i['token'] for i in workspace.images})
