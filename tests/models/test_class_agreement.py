"""Parts of a head that are made for different classes are named when it is built."""

import copy

import pytest
from mmcv import Config
from mmdet3d.models import build_model

from epropnp_det.models.builder import build_pnp, merged
from epropnp_det.models.class_agreement import class_counts, num_attributes
from epropnp_det.pnp import EProPnP4DoF


@pytest.fixture(scope='module')
def model_config(repository):
    config = repository / 'configs/epropnp_det/epropnp_det_r18_synthetic_cpu.py'
    return Config.fromfile(str(config)).model


def changed(config, change):
    config = copy.deepcopy(config)
    config.backbone.init_cfg = None
    change(config.bbox_head)
    return config


def shorten(name):
    def change(head):
        coder = head.correspondence.dim_coder
        for key in ('means', 'stds'):
            coder[key] = coder[key][:-1] if name == 'few' else [*coder[key], coder[key][0]]

    return change


CHANGES = {
    'detector.num_classes': lambda head: head.detector.update(num_classes=2),
    'correspondence.num_classes': lambda head: head.correspondence.update(num_classes=2),
    'too few rows in the coder': shorten('few'),
    'too many rows in the coder': shorten('many'),
    'too few attributes': lambda head: head.update(class_attributes=[(5, 6, 7)]),
}


@pytest.mark.parametrize('kind', CHANGES)
def test_different_numbers_of_classes_are_named(kind, model_config):
    with pytest.raises(ValueError, match=r'detector\.num_classes \d+, .*dim_coder \d+'):
        build_model(changed(model_config, CHANGES[kind]))


def test_attributes_beyond_those_of_the_head_are_named(model_config):
    def change(head):
        head.class_attributes[0] = (0, 12)

    with pytest.raises(ValueError, match=r'class 0 are \(0, 12\).*from 0 to 8'):
        build_model(changed(model_config, change))


def test_names_for_other_classes_are_refused_by_the_detector_itself(model_config):
    """So that the stock tools, which set them, end there, too."""
    model = build_model(changed(model_config, lambda head: None))
    assert set(class_counts(model).values()) == {model.bbox_head.num_classes}
    assert num_attributes(model) == 9
    names = [f'class {index}' for index in range(model.bbox_head.num_classes)]
    model.CLASSES = names
    assert tuple(names) == model.CLASSES
    with pytest.raises(ValueError, match='have 2 classes .* is made for'):
        model.CLASSES = names[:2]


PNP = dict(
    type='EProPnP4DoF',
    mc_samples=8,
    num_iter=2,
    solver=dict(type='LMSolver', num_iter=10),
    init_solver=dict(type='RSLMSolver', num_points=16, num_proposals=64, num_iter=3),
)


@pytest.mark.parametrize(
    ('changes', 'proposals', 'points'),
    [
        (dict(), 64, 16),
        (dict(init_solver=dict(num_proposals=128)), 128, 16),
        (dict(init_solver=dict(type='RSLMSolver', num_proposals=128)), 128, 16),
        (dict(init_solver=dict(_delete_=True, type='RSLMSolver', num_points=8)), None, 8),
    ],
)
def test_partial_overrides_keep_the_rest(changes, proposals, points):
    config = merged(PNP, changes)
    assert config['init_solver'].get('num_proposals') == proposals
    layer = build_pnp(config)
    assert isinstance(layer, EProPnP4DoF)
    assert layer.init_solver.num_points == points
    assert PNP['init_solver']['num_proposals'] == 64


def test_another_type_replaces_the_part():
    config = merged(PNP, dict(init_solver=dict(type='LMSolver')))
    assert config['init_solver'] == dict(type='LMSolver')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(cost=dict(relative_delta=0.5)), r'pnp_test\.cost has no type, only relative_delta'),
        (dict(solver=dict(_delete_=True)), r'pnp_test\.solver has no type, only nothing'),
        (dict(init_solver=dict(proposals=3)), r'pnp_test\.init_solver: .*proposals'),
    ],
)
def test_what_is_no_module_is_named_by_its_option(changes, message):
    with pytest.raises(ValueError, match=message):
        build_pnp(merged(PNP, changes), 'pnp_test')


def test_option_of_the_command_line(model_config):
    def change(head):
        head.setdefault('pnp_test', {})['init_solver'] = dict(num_proposals=7)

    model = build_model(changed(model_config, change))
    assert model.bbox_head.pnp_test.init_solver.num_proposals == 7
    assert model.bbox_head.pnp.init_solver.num_proposals != 7
