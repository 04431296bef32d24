import json
import shutil

import cv2
import pytest
from mmcv.runner import save_checkpoint
from mmdet3d.models import build_model

CAM2IMG = '80,0,48\n0,80,32\n0,0,1\n'


@pytest.fixture
def demo(script):
    return script('demo/image_demo.py')


@pytest.fixture
def setup(config, small_data, tmp_path):
    """Config and checkpoint files, a folder of images, a csv of intrinsics."""
    config.dump(str(tmp_path / 'config.py'))
    save_checkpoint(build_model(config.model), str(tmp_path / 'model.pth'))
    images = tmp_path / 'images'
    images.mkdir()
    for path in sorted((small_data.parent / 'samples').rglob('*.png')):
        shutil.copy(path, images)
    (tmp_path / 'k.csv').write_text(CAM2IMG)
    return tmp_path


def run(demo, root, *arguments, images='images', camera=('--intrinsics', 'k.csv')):
    if camera and camera[0] == '--intrinsics':
        camera = ('--intrinsics', str(root / camera[1]))
    fixed = [str(root / 'config.py'), str(root / 'model.pth'), str(root / images), '--out']
    fixed += [str(root / 'out'), '--device', 'cpu']
    return demo.run(demo.parse_args([*fixed, *camera, *arguments]))


@pytest.mark.parametrize('batch_size', ['1', '4'])
def test_folder_of_images(demo, setup, batch_size, capsys):
    before = {path: path.read_bytes() for path in (setup / 'images').iterdir()}
    assert run(demo, setup, '--batch-size', batch_size) == 6
    content = json.loads((setup / 'out' / 'detections.json').read_text())
    assert 'yaw' in content['conventions']
    assert len(content['images']) == 6
    entry = content['images'][0]
    assert entry['image'].endswith('images/0.png')
    assert entry['cam2img'] == [[80, 0, 48], [0, 80, 32], [0, 0, 1]]
    (found,) = entry['detections']
    assert found['class'] == 'car' and found['score'] == 0.9
    assert found['center'] == [0.0, 0.5, 5.0]
    # left the camera with its boxes, right the bird's-eye view
    picture = cv2.imread(entry['picture'])
    assert picture.shape == (576, 864 + 576, 3)  # small images are enlarged
    assert before == {path: path.read_bytes() for path in (setup / 'images').iterdir()}
    assert '6/6' in capsys.readouterr().err


def test_second_run_does_not_take_its_pictures_for_input(demo, setup):
    out = ('--out', str(setup / 'images' / 'viz'))
    assert run(demo, setup, *out) == run(demo, setup, *out) == 6


def test_what_is_done_stays_when_a_later_image_fails(demo, setup):
    path = setup / 'images' / '9.png'
    path.write_bytes((setup / 'images' / '0.png').read_bytes()[:-400] + b'IEND')
    with pytest.raises(ValueError, match=r'9\.png is a damaged PNG file, or a truncated'):
        run(demo, setup)
    content = json.loads((setup / 'out' / 'detections.json').read_text())
    assert len(content['images']) == 6


def test_intrinsics_of_another_resolution(demo, setup):
    (setup / 'twice.json').write_text(
        json.dumps({'K': [[160, 0, 96], [0, 160, 64], [0, 0, 1]], 'width': 192, 'height': 128})
    )
    camera = ('--intrinsics', 'twice.json')
    with pytest.raises(ValueError, match='--intrinsics-size 192 128 rescales'):
        run(demo, setup, images='images/0.png', camera=camera)
    run(demo, setup, '--intrinsics-size', '192', '128', images='images/0.png', camera=camera)
    entry = json.loads((setup / 'out' / 'detections.json').read_text())['images'][0]
    assert entry['cam2img'] == [[80, 0, 48], [0, 80, 32], [0, 0, 1]]


def test_focal_instead_of_a_matrix(demo, setup):
    run(demo, setup, images='images/0.png', camera=('--focal', '100'))
    entry = json.loads((setup / 'out' / 'detections.json').read_text())['images'][0]
    assert entry['cam2img'] == [[100, 0, 48], [0, 100, 32], [0, 0, 1]]
    run(demo, setup, images='images/0.png', camera=('--focal', '100', '--center', '50', '30'))
    entry = json.loads((setup / 'out' / 'detections.json').read_text())['images'][0]
    assert entry['cam2img'][0] == [100, 0, 50]


def test_score_threshold(demo, setup):
    assert run(demo, setup, '--score-thr', '0.95') == 0
    assert len(list((setup / 'out').glob('*.png'))) == 6


def test_never_overwrites_an_input(demo, setup):
    before = (setup / 'images' / '0.png').read_bytes()
    with pytest.raises(ValueError, match='choose another folder'):
        run(demo, setup, '--out', str(setup / 'images'), images='images/0.png')
    assert (setup / 'images' / '0.png').read_bytes() == before


def test_images_of_the_same_name_get_pictures_of_their_own(demo, setup):
    for name in ('a', 'b'):
        (setup / 'images' / name).mkdir()
        shutil.copy(setup / 'images' / '0.png', setup / 'images' / name)
    shutil.copy(setup / 'images' / '0.png', setup / 'images' / '0.jpg')
    run(demo, setup)
    entries = json.loads((setup / 'out' / 'detections.json').read_text())['images']
    assert len({entry['picture'] for entry in entries}) == len(entries) == 9


def test_intrinsics_by_image(demo, setup):
    matrices = {f'{i}.png': [[80 + i, 0, 48], [0, 80 + i, 32], [0, 0, 1]] for i in range(6)}
    (setup / 'k.json').write_text(json.dumps(matrices))
    run(demo, setup, camera=('--intrinsics', 'k.json'))
    entries = json.loads((setup / 'out' / 'detections.json').read_text())['images']
    assert [entry['cam2img'][0][0] for entry in entries] == [80, 81, 82, 83, 84, 85]


@pytest.mark.parametrize(
    ('arguments', 'kind', 'message'),
    [
        (dict(images='none'), FileNotFoundError, 'no file or folder'),
        (dict(images='empty'), FileNotFoundError, r'no image in .*\.jpg'),
        (dict(images='k.csv'), ValueError, 'not an image'),
        (dict(camera=('--intrinsics', 'none.csv')), FileNotFoundError, '--focal'),
        (dict(camera=('--focal', '0')), ValueError, 'positive'),
        (dict(camera=('--focal', '0.004')), ValueError, 'millimetres'),
    ],
)
def test_bad_input_is_named(demo, setup, arguments, kind, message):
    (setup / 'empty').mkdir()
    with pytest.raises(kind, match=message):
        run(demo, setup, **arguments)
    assert not (setup / 'out').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], '--intrinsics --focal'),
        (['--intrinsics', 'k', '--focal', '3'], 'not allowed with'),
        (['--intrinsics', 'k', '--center', '1', '2'], '--center goes with --focal'),
        (['--focal', '3', '--undistort'], 'go with --intrinsics'),
        (['--focal', '3', '--batch-size', '0'], 'at least 1'),
    ],
)
def test_bad_command_line_is_named(demo, arguments, message, capsys):
    with pytest.raises(SystemExit):
        demo.parse_args(['config', 'checkpoint', 'images', *arguments])
    assert message in capsys.readouterr().err


def test_main_prints_one_line_for_bad_input(demo, setup, monkeypatch):
    arguments = ['image_demo', 'none.py', 'none.pth', str(setup / 'images'), '--focal', '80']
    monkeypatch.setattr('sys.argv', arguments)
    with pytest.raises(SystemExit, match='error: no config none.py'):
        demo.main()
