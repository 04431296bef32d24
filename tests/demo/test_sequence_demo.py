"""Videos of scenes and the gallery, with a detector that is found everywhere in a second."""

import cv2
import pytest
from mmcv.runner import save_checkpoint
from mmdet3d.models import build_model


@pytest.fixture
def setup(config, small_data, tmp_path):
    config.dump(str(tmp_path / 'config.py'))
    save_checkpoint(build_model(config.model), str(tmp_path / 'model.pth'))
    return tmp_path


@pytest.fixture
def run(script, setup, small_data):
    """Runs a demo on the small data with these further arguments."""

    def run(name, *arguments):
        demo = script(f'demo/{name}.py')
        fixed = ['--data-root', str(small_data.parent), '--ann-file', str(small_data)]
        fixed += ['--config', str(setup / 'config.py'), '--checkpoint', str(setup / 'model.pth')]
        fixed += ['--out', str(setup / 'out'), '--device', 'cpu']
        return demo.run(demo.parse_args([*fixed, *map(str, arguments)]))

    return run


def test_a_scene_becomes_a_video_of_mosaics(run, setup):
    video = run('nuscenes_sequence_demo', '--frames', '--fps', '4')
    read = cv2.VideoCapture(str(video))
    assert read.get(cv2.CAP_PROP_FRAME_COUNT) == 1 and read.get(cv2.CAP_PROP_FPS) == 4
    (frame,) = (setup / 'out').glob('*.jpg')
    height, width = cv2.imread(str(frame)).shape[:2]
    tiles = 2 * round(640 * 64 / 96)
    assert width > 3 * 640 and tiles < height < 1.06 * tiles


def test_scenes_follow_one_another(run):
    video = run('nuscenes_sequence_demo', '--scene', '0', '0')
    assert video.name == '2_scenes.mp4'
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_scenes_are_listed(run, capsys, setup):
    assert run('nuscenes_sequence_demo', '--list') is None
    assert 'sequence-' in capsys.readouterr().out
    assert not (setup / 'out').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--scene', 'scene-9'], 'no scene scene-9; there are 1'),
        (['--ann-file', 'none.json'], 'no annotation file'),
        (['--checkpoint', 'none.pth'], 'no checkpoint none.pth'),
        (['--data-root', 'elsewhere'], 'no image'),
    ],
)
def test_bad_input_is_named_before_the_work(run, setup, arguments, message):
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        run('nuscenes_sequence_demo', *arguments)
    assert not list(setup.glob('out/*'))


def test_gallery_shows_the_fullest_sample(run, setup):
    (picture,) = run('gallery', '--samples', '3', '--sheets', '0')
    assert picture.parent == setup / 'out' and cv2.imread(str(picture)).shape[1] == 1600
