import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.annotation_check import (
    by_image,
    check_annotation_file,
    sound_annotations,
)
from epropnp_det.datasets.validation import (
    findings,
    read_annotated_images,
    statistics,
    stock_content,
)

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
    'image twice': (content(images=GOOD['images'] * 2), "image id 'a' is missing or not unique"),
    'annotation twice': (content(annotations=[annotation()] * 2), 'annotation id 0 .* not unique'),
    'no id': (content(annotations=[without(annotation(), 'id')]), 'annotation id None'),
    'no image': (content(annotations=[annotation(image_id='b')]), "image 'b', which is not"),
    'no category': (content(annotations=[annotation(category_id=7)]), 'category 7, which is not'),
    'only 2D': (content(annotations=[without(annotation(), 'bbox_cam3d')]), 'mono3d=True'),
    'NaN box': (
        content(annotations=[annotation(bbox_cam3d=[float('nan'), 2, 10, 4, 1, 1, 0])]),
        'not finite',
    ),
    'infinite 2D box': (
        content(annotations=[annotation(bbox=[0, 0, float('inf'), 1])]),
        'bbox .* which is not x y width height',
    ),
    'six numbers': (content(annotations=[annotation(bbox_cam3d=[1.0] * 6)]), 'seven numbers'),
    'zero size': (
        content(annotations=[annotation(bbox_cam3d=[1, 2, 10, 4, 0, 1, 0])]),
        'without extent',
    ),
    'negative 2D box': (content(annotations=[annotation(bbox=[0, 0, -3, 1])]), 'not negative in'),
    'center2d without depth': (content(annotations=[annotation(center2d=[1, 2])]), 'center2d'),
    'velocity of a point': (content(annotations=[annotation(velo_cam3d=[1, 2, 3])]), 'velo_cam3d'),
    'attribute by name': (
        content(annotations=[annotation(attribute_id='vehicle.parked')]),
        "attribute_id 'vehicle.parked', which is not an index",
    ),
    'text in a box': (
        content(annotations=[annotation(bbox_cam3d=['1', 2, 10, 4, 1, 1, 0])]),
        'not finite or not seven numbers',
    ),
    'a list as id': (content(annotations=[annotation(image_id=['a'])]), r"image \['a'\], which"),
    'an annotation that is none': (
        content(annotations=[annotation(), 3]),
        r'annotations\[1\] must',
    ),
    'images by name': (content(images={'a': {}}), 'images must be a list'),
    'size as text': (content(images=[{**GOOD['images'][0], 'width': '100'}]), "width '100', which"),
    'pose without rotation': (
        content(images=[{**GOOD['images'][0], 'cam2ego_rotation': [0, 0, 0, 0]}]),
        'cam2ego_rotation .* not a quaternion',
    ),
    'category twice': (
        content(categories=[{'id': 0, 'name': 'car'}, {'id': 1, 'name': 'car'}]),
        "category name 'car' is missing or not unique",
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


def test_a_file_is_read_sound_or_not_at_all(tmp_path):
    path = tmp_path / 'some.json'
    with pytest.raises(FileNotFoundError, match='no annotation file .*some.json; .*prepare_nusc'):
        sound_annotations(path)
    path.write_text(json.dumps(GOOD))
    assert sound_annotations(path, CLASSES, annotated=True) == GOOD
    bad, message = BAD['category twice']
    path.write_text(json.dumps(bad))
    with pytest.raises(ValueError, match=f'some.json: {message}'):
        sound_annotations(path)


def test_a_file_without_truth_is_refused_where_truth_is_wanted(tmp_path):
    path = tmp_path / 'test.json'
    path.write_text(json.dumps(content(annotations=[])))
    assert sound_annotations(path)['annotations'] == []
    with pytest.raises(ValueError, match=r'test.json has no annotations \(1 images\); give .*val'):
        sound_annotations(path, annotated=True)


def test_annotations_are_sorted_by_image():
    images = [{**GOOD['images'][0], 'id': name} for name in ('b', 'a', 'c')]
    owners = ('a', 'b', 'a')
    mixed = content(
        images=images,
        annotations=[annotation(id=n, image_id=owner) for n, owner in enumerate(owners)],
    )
    found = {image: [one['id'] for one in group] for image, group in by_image(mixed).items()}
    assert found == {'b': [1], 'a': [0, 2], 'c': []} and list(found) == ['b', 'a', 'c']


# ---- anything else

FULL = content(
    images=[
        {
            **GOOD['images'][0],
            'lidar2cam': np.eye(4).tolist(),
            'lidar_path': 'a.bin',
            **{f'{a}_rotation': [1.0, 0, 0, 0] for a in ('cam2ego', 'ego2global')},
            **{f'{a}_translation': [1.0, 0, 0] for a in ('cam2ego', 'ego2global')},
        }
    ],
    annotations=[
        annotation(velo_cam3d=[1.0, float('nan')], attribute_id=5, visibility=4, truncation=0.1),
        annotation(id=1, category_id=1, iscrowd=0),
    ],
)
FIELDS = [
    (part, row, key)
    for part in ('images', 'annotations', 'categories')
    for row, record in enumerate(FULL[part])
    for key in record
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=16,
)


def use(path):
    """All that is done with an annotation file without images."""
    options = {'annotation_filter': {'min_visibility': 2, 'max_truncation': 0.8}}
    dataset = NuScenesEProPnPDataset('.', path, [], classes=CLASSES, test_mode=True, **options)
    truth = [dataset.get_ann_info(index) for index in range(len(dataset))]
    detections = [
        {
            'boxes_3d': info['gt_bboxes_3d'],
            'scores_3d': np.full(len(info['labels']), 0.5),
            'labels_3d': info['labels'],
        }
        for info in truth
    ]
    dataset.format_results(detections, f'{path}.out')
    images, names = read_annotated_images(path)
    findings(images, None)
    statistics(images, names)
    json.dumps(stock_content(images, names))


@settings(max_examples=100, derandomize=True)
@given(field=st.sampled_from(FIELDS), junk=JUNK)
def test_whatever_a_field_holds_it_works_or_is_named(field, junk, tmp_path_factory):
    """Never a traceback from inside: a damaged field is harmless, or the error says where it is."""
    part, row, key = field
    damaged = copy.deepcopy(FULL)
    damaged[part][row][key] = junk
    path = tmp_path_factory.getbasetemp() / 'damaged.json'
    path.write_text(json.dumps(damaged))
    try:
        use(str(path))
    except ValueError as error:
        assert 'damaged.json' in str(error) or str(damaged['images'][0]['id']) in str(error)


def test_the_undamaged_file_works(tmp_path):
    (tmp_path / 'sound.json').write_text(json.dumps(FULL))
    use(str(tmp_path / 'sound.json'))
