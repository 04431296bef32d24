import json
import shutil
from pathlib import Path

import cv2
import mmdet3d
import numpy as np
import pytest
from mmcv import Config
from mmcv.runner import save_checkpoint
from mmdet3d.models import build_model
from PIL import Image

from epropnp_det.apis import mounting_from_height
from epropnp_det.inputs import InputWarning
from epropnp_det.inputs.notices import forget_notices

CAM2IMG = '80,0,48\n0,80,32\n0,0,1\n'


@pytest.fixture
def demo(script):
    return script('demo/image_demo.py')


@pytest.fixture(autouse=True)
def fresh_notices():
    forget_notices()


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
    fixed = ['--config', str(root / 'config.py'), '--checkpoint', str(root / 'model.pth')]
    fixed += ['--out', str(root / 'out'), '--device', 'cpu', *camera]
    return demo.run(demo.parse_args([*fixed, str(root / images), *arguments]))


def make_video(path, frames=5, size=(96, 64), fps=8):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), fps, size)
    rng = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    writer.release()
    return path


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
    # left the camera with its boxes, right the bird's-eye view, each below its title
    picture = cv2.imread(entry['picture'])
    height, width = picture.shape[:2]
    assert 576 < height < 640 and width == 2 * 864  # small images are enlarged
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


def told_mountings(demo, monkeypatch, uses=True):
    """What the demo hands to ``detect``."""
    told, detect = [], demo.detect

    def listening(*args, cam2ego, **wanted):
        told.extend(cam2ego)
        return detect(*args, **wanted)

    monkeypatch.setattr(demo, 'detect', listening)
    monkeypatch.setattr(demo, 'uses_mounting', lambda model: uses)
    return told


def test_the_height_of_the_camera(demo, setup, monkeypatch):
    told = told_mountings(demo, monkeypatch, uses=False)
    run(demo, setup, '--camera-height', '1.4', '--pitch', '3', '--roll', '-1')
    expected = mounting_from_height(1.4, 3, -1)
    assert len(told) == 6
    for cam2ego in told:
        np.testing.assert_array_equal(cam2ego, expected)
    entry = json.loads((setup / 'out' / 'detections.json').read_text())['images'][0]
    np.testing.assert_allclose(entry['cam2ego'], expected)
    make_video(setup / 'drive.avi')
    run(demo, setup, '--camera-height', '1.4', images='drive.avi')
    np.testing.assert_array_equal(told[-1], mounting_from_height(1.4))


def test_a_height_is_of_the_picture_as_it_is_shown(demo, setup, monkeypatch):
    pixels = Image.open(setup / 'images' / '0.png')
    exif = pixels.getexif()
    exif[0x0112] = 6
    pixels.save(setup / 'turned.png', exif=exif)
    told = told_mountings(demo, monkeypatch)
    options = ('--camera-height', '1.4', '--exif', 'apply')
    run(demo, setup, *options, images='turned.png')
    np.testing.assert_array_equal(told, [mounting_from_height(1.4)])


def test_intrinsics_that_tell_the_mounting(demo, setup, small_data, monkeypatch):
    """Used where the model asks for it, unless a height is given."""
    told = told_mountings(demo, monkeypatch)
    options = ('--intrinsics', str(small_data))
    image = str(small_data.parent / 'samples/CAM_FRONT/0.png')
    run(demo, setup, images=image, camera=options)
    run(demo, setup, '--camera-height', '1.1', images=image, camera=options)
    monkeypatch.setattr(demo, 'uses_mounting', lambda model: False)
    run(demo, setup, images=image, camera=options)
    assert [cam2ego is None or cam2ego[2, 3] for cam2ego in told] == [1.5, 1.1, True]


def test_options_of_the_config(demo, setup, capsys):
    with pytest.raises((TypeError, ValueError), match='thickness'):
        run(demo, setup, '--cfg-options', 'model.thickness=3')


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


def test_globs_that_the_shell_left_alone(demo, setup):
    assert run(demo, setup, images='images/[0-2].png') == 3


def mixed_sizes(root, size):
    image = cv2.imread(str(root / 'images' / '0.png'))
    cv2.imwrite(str(root / 'images' / '1.png'), cv2.resize(image, size))


def test_images_of_different_sizes_in_one_run(demo, setup):
    mixed_sizes(setup, (120, 80))
    assert run(demo, setup, '--batch-size', '4', camera=('--focal', '100')) == 6
    entries = json.loads((setup / 'out' / 'detections.json').read_text())['images']
    assert [entry['cam2img'][0][2] for entry in entries] == [48, 60, 48, 48, 48, 48]


def test_one_matrix_for_images_of_different_sizes_is_doubted(demo, setup):
    mixed_sizes(setup, (192, 128))
    with pytest.warns(InputWarning, match=r'1\.png.*of another resolution, such as 96 x 64'):
        assert run(demo, setup, '--batch-size', '4') == 6


def test_a_video_gives_a_video(demo, setup):
    make_video(setup / 'drive.avi')
    assert run(demo, setup, '--video', str(setup / 'seen.avi'), images='drive.avi') == 5
    written = cv2.VideoCapture(str(setup / 'seen.avi'))
    assert written.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert written.get(cv2.CAP_PROP_FPS) == pytest.approx(8)
    assert written.read()[0]
    entries = json.loads((setup / 'out' / 'detections.json').read_text())['images']
    assert [entry['image'].rpartition('#')[2] for entry in entries] == list('01234')
    assert not list(setup.glob('.*part*'))


def test_a_video_that_ends_early_is_said_and_its_frames_are_used(demo, setup):
    content = make_video(setup / 'drive.avi', frames=20).read_bytes()
    (setup / 'drive.avi').write_bytes(content[: len(content) // 2])
    with pytest.warns(InputWarning, match='ends after .* of 20 frames'):
        found = run(demo, setup, images='drive.avi', camera=('--focal', '80'))
    assert 0 < found < 20
    assert len(json.loads((setup / 'out' / 'detections.json').read_text())['images']) == found


def test_an_interruption_keeps_what_was_found(demo, setup, monkeypatch):
    written = []

    def write(path, picture):
        written.append(path)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(demo, 'write_image', write)
    with pytest.raises(KeyboardInterrupt):
        run(demo, setup)
    entries = json.loads((setup / 'out' / 'detections.json').read_text())['images']
    assert len(entries) == 2


def fcos3d_checkpoint(root):
    """A checkpoint of mmdet3d's FCOS3D, small."""
    path = Path(mmdet3d.__file__).parent / '.mim/configs/_base_/models/fcos3d.py'
    model = Config.fromfile(str(path)).model
    model.backbone = dict(type='ResNet', depth=18, base_channels=8)
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=8)
    model.bbox_head.update(in_channels=8, feat_channels=8, stacked_convs=1, norm_cfg=None)
    model.bbox_head.update(dcn_on_last_conv=False, reg_branch=((8,),) * 5, cls_branch=(8,))
    model.bbox_head.update(dir_branch=(8,), attr_branch=(8,))
    save_checkpoint(build_model(model), str(root / 'fcos3d.pth'))
    return '--checkpoint', str(root / 'fcos3d.pth')


def stated_size_and_mixed_sizes(root):
    mixed_sizes(root, (120, 80))
    camera = {'K': [[80, 0, 48], [0, 80, 32], [0, 0, 1]], 'width': 96, 'height': 64}
    (root / 'stated.json').write_text(json.dumps(camera))
    return ()


def config_without_camera(root):
    cfg = Config.fromfile('configs/epropnp_det/epropnp_det_r18_synthetic_cpu.py')
    del cfg.model.bbox_head['camera']
    cfg.dump(str(root / 'nocamera.py'))
    return '--config', str(root / 'nocamera.py')


def file_in_the_way(root):
    (root / 'file').write_text('')
    return '--out', str(root / 'file' / 'below')


BAD_INPUTS = {
    'no image': (dict(images='none.jpg'), None, 'no file or folder'),
    'unreadable image': (dict(images='k.csv'), None, 'not an image'),
    'wrong K': (dict(camera=('--focal', '0.004')), None, 'millimetres'),
    'negative K': (dict(camera=('--focal', '0')), None, 'positive'),
    'camera below the road': ({}, lambda root: ('--camera-height', '-1.5'), r'0\.2 to 100 metres'),
    'no K': (dict(camera=('--intrinsics', 'none.csv')), None, '--focal'),
    'missing checkpoint': ({}, lambda root: ('--checkpoint', 'none.pth'), 'no checkpoint none'),
    'checkpoint of FCOS3D': ({}, fcos3d_checkpoint, 'belongs to another model'),
    'config without camera': ({}, config_without_camera, "lacks 'camera'"),
    'missing config': ({}, lambda root: ('--config', 'none.py'), 'no config none.py'),
    'output not writable': ({}, file_in_the_way, 'cannot write into'),
    'empty folder': (dict(images='empty'), None, r'no image in .*\.jpg'),
    'mixed sizes': (
        dict(camera=('--intrinsics', 'stated.json')),
        stated_size_and_mixed_sizes,
        'for 96 x 64 pixels, the image has 120 x 80',
    ),
    'unreadable video': (dict(images='bad.mp4'), None, 'not a video that OpenCV can read'),
    'video and images': ({}, lambda root: (str(root / 'bad.mp4'),), 'not both'),
    'unknown view': ({}, lambda root: ('--views', 'xray'), 'no view xray; there are 3d'),
    'video of no known kind': ({}, lambda root: ('--video', str(root / 'a.gif')), '.mp4 or .avi'),
}


@pytest.mark.parametrize('name', BAD_INPUTS)
def test_bad_input_is_named_before_the_work(demo, setup, name):
    request, options, message = BAD_INPUTS[name]
    (setup / 'empty').mkdir()
    (setup / 'bad.mp4').write_bytes(b'no video at all')
    more = options(setup) if options else ()
    with pytest.raises((OSError, ValueError, KeyError), match=message) as error:
        run(demo, setup, *more, **request)
    assert '\n' not in str(error.value)
    assert not list(setup.rglob('detections.json')) and not list(setup.glob('out/*.png'))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], '--intrinsics --focal'),
        (['--intrinsics', 'k', '--focal', '3'], 'not allowed with'),
        (['--intrinsics', 'k', '--center', '1', '2'], '--center goes with --focal'),
        (['--focal', '3', '--undistort'], 'go with --intrinsics'),
        (['--focal', '3', '--batch-size', '0'], 'at least 1'),
        (['--focal', '3', '--pitch', '2'], '--pitch and --roll go with --camera-height'),
    ],
)
def test_bad_command_line_is_named(demo, arguments, message, capsys):
    with pytest.raises(SystemExit):
        demo.parse_args(['images', *arguments])
    assert message in capsys.readouterr().err


def test_main_prints_one_line_for_bad_input(demo, setup, monkeypatch):
    arguments = ['image_demo', str(setup / 'images'), '--focal', '80', '--config', 'none.py']
    monkeypatch.setattr('sys.argv', [*arguments, '--out', str(setup / 'out')])
    with pytest.raises(SystemExit, match='error: no config none.py'):
        demo.main()
