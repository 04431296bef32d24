"""Official checkpoints: complete, strict, by version; and their numbers."""

import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.models.builder import build_head

from epropnp_det.checkpoints import convert_state, official_version, version_of_config
from epropnp_det.models.structures import ImageGeometry, ObjectQueries
from epropnp_det.models.targets import find_candidates
from support import golden_head, official_shapes

VERSIONS = ('v1_basic', 'v1_coord_regr', 'v1_no_reproj', 'v1b_220312', 'v1b_220411', 'v2')
HEAD = 'bbox_head.'


def shared_name(version):
    return 'v1' if version.startswith('v1_') else version


@pytest.fixture(scope='module')
def official_state(version_state):
    """States whose tensors hold one number each, a different one everywhere."""

    def state(version):
        head = {HEAD + n: shape for n, shape in official_shapes.head_shapes(version).items()}
        rest = {n: list(t.shape) for n, t in version_state(version).items() if HEAD not in n}
        shapes = {**rest, **head}
        return {n: torch.tensor(float(i)).expand(s) for i, (n, s) in enumerate(shapes.items())}

    return state


@pytest.mark.parametrize('version', VERSIONS)
def test_every_tensor_has_its_place(version, official_state, version_state):
    official, wanted = official_state(version), version_state(version)
    result = convert_state(official, wanted)
    assert result.version == shared_name(version) == official_version(official)
    assert {name: t.shape for name, t in result.state.items()} == {
        name: t.shape for name, t in wanted.items()
    }
    assert set(result.renamed) | set(result.left_out) == set(official)
    assert not set(result.renamed) & set(result.left_out)
    for source, target in result.renamed.items():
        assert result.state[target] is official[source]
    unused = ['bbox_head.corr_regs.0.weight', 'bbox_head.corr_regs.0.bias']
    assert list(result.left_out) == (unused if version == 'v1_no_reproj' else [])


@pytest.mark.parametrize('version', VERSIONS)
def test_config_and_checkpoint_agree_about_the_version(version, version_config):
    bbox_head = Config.fromfile(str(version_config(version))).model.bbox_head
    assert version_of_config(bbox_head) == shared_name(version)


def test_prefix_and_old_names_of_offset_convolutions(official_state, version_state):
    new = official_state('v1b_220312')

    def old_name(name):
        name = name.replace('.conv_offset.weight', '_offset.weight') if 'backbone' in name else name
        name = name.replace('cls_convs.1.conv.conv_offset', 'cls_convs.1.conv_offset')
        name = name.replace('reg_convs.1.conv.conv_offset', 'reg_convs.1.conv.conv_offset_mask')
        return 'module.' + name

    old = {old_name(name): tensor for name, tensor in new.items()}
    assert sum('conv2_offset.weight' in name for name in old) == 23 + 3
    assert 'module.bbox_head.detector.cls_convs.1.conv_offset.bias' in old
    wanted = version_state('v1b_220312')
    ours, expected = convert_state(old, wanted), convert_state(new, wanted)
    assert set(ours.renamed) == set(old)
    assert all(ours.state[name] is expected.state[name] for name in wanted)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda s: s.pop(HEAD + 'k_proj.bias'), '1 missing: .*encoder.key_proj.bias'),
        (lambda s: s.pop('backbone.layer3.0.conv2.weight'), 'missing: backbone.layer3.0.conv2'),
        (lambda s: s.update({'backbone.fc.weight': torch.ones(2)}), '1 unexpected: backbone.fc'),
        (lambda s: s.update({'roi_head.x': torch.ones(2)}), '1 unexpected: roi_head.x'),
        (lambda s: s.update({HEAD + 'new.bias': torch.ones(2)}), 'not parameters .*: new.bias'),
        (
            lambda s: s.update({HEAD + 'k_proj.bias': torch.ones(2)}),
            r'1 of another shape: .*key_proj.bias \(2,\) instead of \(256,\)',
        ),
        (lambda s: s.update({'module.neck.x': torch.ones(1), 'neck.x': torch.ones(1)}), 'old and'),
    ],
    ids=[
        'head missing',
        'backbone missing',
        'backbone more',
        'part',
        'head more',
        'shape',
        'twice',
    ],
)
def test_a_file_of_another_model_is_refused_by_name(change, message, official_state, version_state):
    state = official_state('v2')
    change(state)
    with pytest.raises(ValueError, match=message):
        convert_state(state, version_state('v2'))


@pytest.mark.parametrize('version', ['v1_basic', 'v1b_220312', 'v1b_220411'])
def test_another_version_is_refused(version, official_state, version_state):
    with pytest.raises(ValueError, match=f'official {shared_name(version)}, which does not fit'):
        convert_state(official_state(version), version_state('v2'))


@pytest.mark.parametrize('state', [{}, {'backbone.conv1.weight': torch.ones(1)}])
def test_other_detectors_are_refused(state):
    with pytest.raises(ValueError, match='no official EPro-PnP-Det checkpoint'):
        official_version(state)


class TestGoldenNumbers:
    """The official v2 head with tests/data/golden/README.md's parameters, through the converter."""

    @pytest.fixture(scope='class')
    def golden(self, golden_dir):
        with np.load(golden_dir / 'head_v2.npz') as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}

    @pytest.fixture(scope='class')
    def head(self, golden_dir, official_state, version_state, repository):
        official = official_state('v2')
        values = golden_head.golden_state(golden_head.golden_shapes(golden_dir))
        official.update({HEAD + name: value for name, value in values.items()})
        state = convert_state(official, version_state('v2_official')).state
        path = repository / 'configs/epropnp_det/epropnp_det_v2_official_r101_nuscenes.py'
        model = Config.fromfile(str(path)).model
        head = build_head({**model.bbox_head, 'test_cfg': model.test_cfg}).eval()
        head.load_state_dict(
            {n[len(HEAD) :]: t for n, t in state.items() if n.startswith(HEAD)}, strict=True
        )
        return head

    @torch.no_grad()
    def test_dense_outputs(self, head, golden):
        output = head.detector(golden_head.golden_features())
        for level in range(5):
            step = 4 if level < 2 else 1
            for name, maps, channels in (
                ('cls', output.cls_logits, 1),
                ('centerness', output.centerness, 1),
                ('center', output.centers, 1),
                ('embedding', output.embeddings, 16),
            ):
                ours = maps[level][:, ::channels]
                if name in ('center', 'embedding'):
                    ours = ours[..., ::step, ::step]
                expected = golden[f'{name}_{level}'].view_as(ours)
                tolerance = 1e-2 if name == 'center' else 1e-4
                torch.testing.assert_close(ours, expected, atol=tolerance, rtol=0)

    @torch.no_grad()
    def test_objects(self, head, golden):
        geometry = ImageGeometry(
            cam2img=torch.eye(3).expand(2, 3, 3),
            img2net=golden_head.golden_img2net(),
            img_size=torch.tensor([golden_head.IMG_SIZE] * 2, dtype=torch.float32),
            net_size=torch.tensor([golden_head.NET_SIZE] * 2, dtype=torch.float32),
        )
        labels = golden['labels']
        queries = ObjectQueries(
            embeddings=golden['embedding'],
            centers=golden['centers'].view(24, 10, 2)[torch.arange(24), labels],
            strides=golden['strides'],
            img_inds=golden['img_inds'],
            labels=labels,
        )
        features = head.correspondence.encode(golden_head.golden_features(), geometry)
        found = head.correspondence(features, queries, geometry)
        for name, ours, tolerance in (
            ('noc', found.noc, 1e-4),
            ('x2d', found.x2d, 1e-2),
            ('w2d', found.w2d, 1e-6),
            ('dims', found.dims, 1e-4),
            ('score3d', found.score_logits.sigmoid(), 1e-4),
            ('velocity', found.velocities, 1e-4),
            ('attr', found.attr_logits, 1e-4),
        ):
            torch.testing.assert_close(ours, golden[name], atol=tolerance, rtol=0)

    @torch.no_grad()
    def test_scores_of_candidates(self, head, golden):
        """Each golden candidate is one of ours, with its 2D score."""
        output = head.detector(golden_head.golden_features())
        ours = find_candidates(output, score_thr=0.04, max_per_img=100_000)
        queries = ours.queries(output)
        distance = torch.cdist(golden['embedding'].double(), queries.embeddings.double())
        distance += 1e3 * (golden['labels'][:, None] != ours.labels)
        distance += 1e3 * (golden['img_inds'][:, None] != ours.img_inds)
        nearest, match = distance.min(1)
        assert nearest.max() < 1e-3 and len(match.unique()) == 24
        torch.testing.assert_close(ours.scores[match], golden['scores'], atol=1e-4, rtol=0)
        assert torch.equal(ours.strides[match].float(), golden['strides'])
