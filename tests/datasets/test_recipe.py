"""The data block of configs: every number reaches each pipeline that it is about."""

from epropnp_det.datasets import NuScenesEProPnPDataset, recipe


def steps_of(dataset):
    pipeline = dataset['pipeline']
    views = [step for step in pipeline if step['type'] == 'MultiScaleFlipAug']
    return {step['type']: step for step in (views[0]['transforms'] if views else pipeline)}


def test_training_and_test_see_the_same_part_of_the_image():
    data = recipe.mono3d_data('here/', crop_top=40, scale=0.5, flip_ratio=0.25)
    train, test = steps_of(data['train']), steps_of(data['test'])
    for steps in (train, test):
        assert (steps['ResizeMono3D']['scale'], steps['CropMono3D']['top']) == (0.5, 40)
    assert train['FlipMono3D']['flip_ratio'] == 0.25
    assert test['FlipMono3D']['flip_ratio'] == 0.0
    plain = steps_of(recipe.mono3d_data('here/')['train'])
    assert not {'ResizeMono3D', 'CropMono3D'} & set(plain)


def test_lidar_is_collected_where_it_is_loaded():
    for lidar in (None, {}, dict(max_points=7)):
        train = steps_of(recipe.mono3d_data('here/', lidar=lidar)['train'])
        assert ('LoadLidarMono3D' in train) == (lidar is not None)
        assert ('lidar_points' in train['Collect3D']['keys']) == (lidar is not None)


def test_whole_images_are_mirrored_by_a_flip_test_only():
    for flip in (False, True):
        pipeline = recipe.test_pipeline(recipe.whole_steps(focal=400.0), ['car'], flip=flip)
        assert pipeline[-1]['flip'] == flip
        steps = steps_of({'pipeline': pipeline})
        assert steps['FlipMono3D']['flip_ratio'] == 0.0 and steps['ResizeMono3D']['focal'] == 400.0


def test_files_and_loaders():
    data = recipe.mono3d_data('here/', train_file='a.json', val_file='b.json', samples_per_gpu=3)
    files = [data[part]['ann_file'] for part in ('train', 'val', 'test')]
    assert files == ['here/a.json', 'here/b.json', 'here/b.json']
    assert data['samples_per_gpu'] == 3
    assert [data[part]['test_mode'] for part in ('train', 'val', 'test')] == [False, True, True]


def test_default_classes_are_those_of_the_data_set():
    assert tuple(recipe.mono3d_data('here/')['val']['classes']) == NuScenesEProPnPDataset.CLASSES


def test_kitti_has_its_own_classes_keys_and_files():
    data = recipe.kitti_data('here/', scale=0.5, samples_per_gpu=2)
    assert {data[part]['type'] for part in ('train', 'val', 'test')} == {'KittiEProPnPDataset'}
    assert data['train']['ann_file'] == 'here/ImageSets/train.txt'
    for part in ('train', 'val', 'test'):
        assert steps_of(data[part])['ResizeMono3D']['scale'] == 0.5
    keys = steps_of(data['train'])['Collect3D']['keys']
    assert 'gt_bboxes_3d' in keys and 'attr_labels' not in keys
    head = recipe.kitti_head()
    assert head['detector']['num_classes'] == len(data['train']['classes'])
    assert len(head['correspondence']['dim_coder']['means']) == len(data['train']['classes'])


def test_stock_detectors_flip_and_read_the_camera_in_their_own_way():
    light = dict(type='PhotoMetricDistortion')
    train, test = recipe.stock_pipelines([light], ['car'], pad=0, to_float32=True)
    names = [step['type'] for step in train]
    start = ['ZeroUnknownVelocities', 'RandomFlip3D', 'PhotoMetricDistortion', 'Normalize']
    assert names[2:6] == start and names[0] == 'LoadImageMono3D' and train[0]['to_float32']
    assert train[3]['flip_ratio_bev_horizontal'] == 0.5
    assert 'gt_bboxes_ignore' not in train[-1]['keys'] and 'meta_keys' not in train[-1]
    whole = test[1]['transforms']
    assert [step['type'] for step in whole[:2]] == ['RandomFlip3D', 'Normalize']
    assert whole[0]['flip_ratio_bev_horizontal'] == 0.0
    assert whole[-1] == dict(type='Collect3D', keys=['img'])
