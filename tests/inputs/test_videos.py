import cv2
import numpy as np
import pytest

from epropnp_det.inputs import InputWarning, open_video
from epropnp_det.inputs.notices import forget_notices


@pytest.fixture
def video(tmp_path):
    """Ten noisy frames 64 x 48 whose brightness rises."""
    forget_notices()
    noise = np.random.default_rng(0).integers(0, 40, (48, 64, 3), dtype=np.uint8)
    path = tmp_path / 'ramp.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 12, (64, 48))
    for level in range(10):
        writer.write(noise + np.uint8(20 * level))
    writer.release()
    return path


def test_says_what_it_is_and_gives_its_frames_in_order(video):
    found = open_video(video)
    assert (found.size, found.count) == ((64, 48), 10)
    assert found.fps == pytest.approx(12)
    levels = [frame.mean() for frame in found.frames()]
    np.testing.assert_allclose(levels, 19.5 + 20 * np.arange(10), atol=3)
    assert len(list(found.frames())) == 10  # may be read again


def test_an_early_end_is_said_after_the_frames(video):
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    found = open_video(video)
    assert found.count == 10
    with pytest.warns(InputWarning, match='of 10 frames'):
        assert 0 < len(list(found.frames())) < 10


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'nothing of the kind')
    with pytest.raises(ValueError, match='not a video that OpenCV can read'):
        open_video(tmp_path / 'a.mp4')
    with pytest.raises(FileNotFoundError, match='no video'):
        open_video(tmp_path / 'b.mp4')
