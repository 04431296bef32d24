"""Model, data and checkpoint that mean other classes are refused, both sides named."""

from types import SimpleNamespace

import pytest
from torch import nn

from epropnp_det.apis.agreement import check_agreement, check_config_classes
from epropnp_det.engine.class_names import check_classes

NAMES = ('car', 'pedestrian', 'traffic_cone')


def model(**head):
    result = nn.Module()
    result.bbox_head = nn.Module()
    for name, value in head.items():
        setattr(result.bbox_head, name, value)
    return result


def data(names=NAMES, **fields):
    return SimpleNamespace(CLASSES=names, **fields)


def test_what_agrees_passes():
    check_agreement(model(num_classes=3, num_attrs=9), data(max_attribute=8), NAMES)
    check_agreement(model(num_classes=3), data(), ('Car', 'Pedestrian ', 'TRAFFIC_CONE'))
    check_agreement(nn.Module(), data(), None)  # of a model without a head nothing is known
    check_classes((), NAMES, ('a', 'b'), '')


@pytest.mark.parametrize(
    ('network', 'dataset', 'checkpoint', 'message'),
    [
        (model(num_classes=2), data(), None, r'3 classes \(car, .*num_classes is made for 2'),
        (model(num_classes=4), data(), None, 'made for 4'),
        (
            model(num_classes=3),
            data(),
            ('pedestrian', 'car', 'traffic_cone'),
            'same order: pedestrian, car.* and car, pedestrian.*data.test.classes',
        ),
        (model(num_classes=3), data(), ('car', 'pedestrian', 'barrier'), 'same classes: .*barrier'),
        (model(num_classes=3), data(), ('car',), 'same classes: car and car, ped'),
        (
            model(num_classes=3, num_attrs=2),
            data(max_attribute=8),
            None,
            'up to 8, and the model tells 2 attributes.*9 or more',
        ),
        (
            model(num_classes=3),
            data(datasets=[data(), SimpleNamespace(dataset=data(NAMES[::-1]))]),
            None,
            'one of its parts do not have the same order',
        ),
    ],
)
def test_what_does_not_agree_is_named(network, dataset, checkpoint, message):
    with pytest.raises(ValueError, match=message) as error:
        check_agreement(network, dataset, checkpoint)
    assert '\n' not in str(error.value)


def test_parts_of_a_config():
    train = {'type': 'RepeatDataset', 'dataset': {'classes': NAMES}}
    check_config_classes({'train': train, 'val': {'classes': list(NAMES)}}, ('train', 'val'))
    check_config_classes({'train': train, 'val': {'ann_file': 'x'}}, ('train', 'val', 'test'))
    both = {'type': 'ConcatDataset', 'datasets': [{'classes': NAMES[::-1]}, {}]}
    with pytest.raises(ValueError, match=r'data\.train and data\.val .* same order'):
        check_config_classes({'train': train, 'val': both}, ('train', 'val'))
