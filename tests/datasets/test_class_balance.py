"""Wrappers that repeat images of rare classes, around our data set."""

import collections
import json

import numpy as np
import pytest
from mmdet3d.datasets import build_dataset

from epropnp_det.datasets import CBGSMono3DDataset


@pytest.fixture
def config(mini_val_json):
    return {
        'type': 'NuScenesEProPnPDataset',
        'data_root': '.',
        'ann_file': str(mini_val_json),
        'pipeline': [],
        'annotation_filter': {'min_box_size': 4},
    }


def shares(wrapper):
    """Share of the drawn images that show each class, of all pairs of image and class."""
    indices = getattr(wrapper, 'sample_indices', None) or wrapper.repeat_indices
    counts = collections.Counter(c for i in indices for c in wrapper.dataset.get_cat_ids(i))
    return np.array([counts[label] for label in sorted(counts)]) / sum(counts.values())


def plain_shares(dataset):
    counts = collections.Counter(c for i in range(len(dataset)) for c in dataset.get_cat_ids(i))
    return np.array([counts[label] for label in sorted(counts)]) / sum(counts.values())


def test_labels_of_an_image_are_those_of_its_objects(config):
    dataset = build_dataset(config)
    for index in range(0, len(dataset), 7):
        assert dataset.get_cat_ids(index) == sorted(set(dataset.get_ann_info(index)['labels']))


def test_cbgs_balances_mini_val(config):
    """Two classes are absent from mini_val: the stock wrapper would divide by zero."""
    wrapper = build_dataset({'type': 'CBGSMono3DDataset', 'dataset': config})
    before, after = plain_shares(wrapper.dataset), shares(wrapper)
    assert len(before) == len(after) < 10
    assert before.max() / before.min() > 9
    # classes share images, so that common ones come along with rare ones
    assert after.max() / after.min() < before.max() / before.min() / 2
    assert len(wrapper) == pytest.approx(
        sum(map(len, map(wrapper.dataset.get_cat_ids, range(len(wrapper.dataset))))), rel=0.02
    )
    assert len(wrapper.flag) == len(wrapper)


def test_each_class_is_drawn_equally_often(config):
    dataset = build_dataset(config)
    wrapper = CBGSMono3DDataset(dataset)
    classes = sorted({label for i in range(len(dataset)) for label in dataset.get_cat_ids(i)})
    draws = np.array(wrapper.sample_indices).reshape(len(classes), -1)
    for label, indices in zip(classes, draws):
        assert all(label in dataset.get_cat_ids(index) for index in indices)
    assert wrapper.sample_indices == CBGSMono3DDataset(dataset).sample_indices
    assert wrapper.sample_indices != CBGSMono3DDataset(dataset, seed=1).sample_indices


def test_stock_wrappers_work(config, mini_val_json, tmp_path):
    repeated = build_dataset(
        {'type': 'ClassBalancedDataset', 'dataset': config, 'oversample_thr': 0.3}
    )
    before, after = plain_shares(repeated.dataset), shares(repeated)
    assert len(repeated) > len(repeated.dataset)
    assert after.min() > before.min()
    present = sorted(
        {c for i in range(len(repeated.dataset)) for c in repeated.dataset.get_cat_ids(i)}
    )
    names = [repeated.CLASSES[label] for label in present]
    stock = build_dataset({'type': 'CBGSDataset', 'dataset': {**config, 'classes': names}})
    before, after = plain_shares(stock.dataset), shares(stock)
    assert after.max() / after.min() < before.max() / before.min() / 2


def test_items_are_those_of_the_data_set(keyframe_root, keyframe_json, build):
    steps = [{'type': 'LoadImageMono3D'}]
    dataset = build(
        json.loads(keyframe_json.read_text()), root=keyframe_root, test_mode=False, pipeline=steps
    )
    wrapper = CBGSMono3DDataset(dataset)
    item, expected = wrapper[3], dataset[wrapper.sample_indices[3]]
    assert item['filename'] == expected['filename']


def test_nothing_to_balance_is_named(content, build):
    content['annotations'] = []
    with pytest.raises(ValueError, match='nothing to balance'):
        CBGSMono3DDataset(build(content))
