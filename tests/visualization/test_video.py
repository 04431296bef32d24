import cv2
import numpy as np
import pytest

from epropnp_det.visualization import VideoWriter, fitted, layout_of


def picture(level, height=48, width=64):
    return np.full((height, width, 3), level, dtype=np.uint8)


@pytest.mark.parametrize('suffix', ['.mp4', '.avi'])
def test_pictures_come_back_in_order(tmp_path, suffix):
    with VideoWriter(tmp_path / 'new' / f'a{suffix}', fps=7) as video:
        for level in (20, 120, 220):
            video.write(picture(level))
        assert not video.path.exists()  # complete or absent
    read = cv2.VideoCapture(str(video.path))
    assert read.get(cv2.CAP_PROP_FPS) == pytest.approx(7)
    levels = []
    while (frame := read.read())[0]:
        levels.append(frame[1].mean())
    np.testing.assert_allclose(levels, (20, 120, 220), atol=6)
    assert [path.name for path in video.path.parent.iterdir()] == [video.path.name]


def test_an_interrupted_video_leaves_nothing_and_keeps_the_old_one(tmp_path):
    (tmp_path / 'a.avi').write_bytes(b'old')
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / 'a.avi') as video:
        video.write(picture(9))
        raise KeyboardInterrupt
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b'old']


def test_odd_and_changing_sizes(tmp_path):
    with VideoWriter(tmp_path / 'a.avi') as video:
        video.write(picture(50, 49, 65))
        video.write(picture(50, 96, 64))
    assert video.size == (64, 48)
    assert cv2.VideoCapture(str(video.path)).get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'\.mp4 or \.avi'):
        VideoWriter(tmp_path / 'a.gif')


def test_fitted_keeps_the_shape_and_fills_with_grey():
    canvas = fitted(picture(10, 20, 40), (60, 60))
    assert canvas.shape == (60, 60, 3)
    assert (canvas[15:45] == 10).all() and (canvas[:15] == 128).all() and (canvas[45:] == 128).all()


def test_layouts_leave_out_what_is_not_there():
    assert layout_of(['CAM_FRONT']) == (('CAM_FRONT',),)
    assert layout_of(['CAM_BACK', 'CAM_FRONT_LEFT']) == (('CAM_FRONT_LEFT', 'CAM_FRONT'),
                                                         ('CAM_BACK_LEFT', 'CAM_BACK'))  # fmt: skip
    assert layout_of(['left', 'right', 'rear', 'roof']) == (
        ('left', 'right', 'rear'),
        ('roof', '', ''),
    )
    assert layout_of([]) == ()
