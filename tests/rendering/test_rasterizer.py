import numpy as np
import pytest

from epropnp_det.rendering.meshes import block, face_normals, join
from epropnp_det.rendering.rasterizer import View, draw


def _view(origin=(0.0, 0.0, 0.0)):
    """Camera axes equal world axes: looks along +z."""
    return View(np.eye(3), np.array(origin), (100.0, 100.0), (50.0, 40.0))


def _draw(meshes, view, size=(100, 80)):
    mesh = join(meshes)
    owners = np.repeat(np.arange(len(meshes)), [len(m.triangles) for m in meshes])
    normals = face_normals(mesh.triangles).astype(np.float32)
    buffers = draw(mesh.triangles, normals, owners.astype(np.int32), len(meshes), view, size)
    seen = np.where(buffers.triangle >= 0, owners[buffers.triangle], -1)
    return buffers, seen


def test_a_square_covers_the_pixels_whose_centres_it_contains():
    # Front face at z = 10: x in [-1, 2] projects to u in [40, 70], y in [-1, 1] to v in [30, 50].
    box = block((-1, 2), (-1, 1), (10, 12), (1, 1, 1))
    buffers, seen = _draw([box], _view())
    expected = np.full((80, 100), -1)
    expected[30:50, 40:70] = 0
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_allclose(1 / buffers.inv_depth[30:50, 40:70], 10, rtol=1e-6)
    assert buffers.covered.tolist() == [600]


def test_nearer_triangles_win_and_hidden_pixels_are_still_counted_as_covered():
    near = block((-1, 0), (-1, 1), (5, 6), (1, 1, 1))  # u 30..50, v 20..60
    far = block((-1, 1), (-1, 1), (10, 12), (1, 1, 1))  # u 40..60, v 30..50
    for meshes, far_index in (([near, far], 1), ([far, near], 0)):
        buffers, seen = _draw(meshes, _view())
        assert buffers.covered[far_index] == 20 * 20
        assert (seen == far_index).sum() == 10 * 20
        assert (seen == 1 - far_index).sum() == 20 * 40


def test_a_box_that_passes_the_camera_is_clipped_at_the_near_plane():
    wall = block((1, 1.5), (-1, 1), (-5, 20), (1, 1, 1))
    buffers, seen = _draw([wall], _view())
    columns = np.flatnonzero((seen == 0).any(0))
    # It vanishes towards u = 50 + 100 * 1 / 20 and fills the right border.
    assert columns.min() == 55 and columns.max() == 99
    assert np.isfinite(buffers.inv_depth).all()


@pytest.mark.parametrize('z', [-5.0, 0.0])
def test_what_lies_behind_the_camera_is_not_drawn(z):
    _, seen = _draw([block((-1, 1), (-1, 1), (z - 2, z), (1, 1, 1))], _view())
    assert (seen == -1).all()


def test_no_triangles_give_empty_buffers():
    empty = np.zeros((0, 3, 3), np.float32)
    normals, owners = np.zeros((0, 3), np.float32), np.zeros(0, np.int32)
    buffers = draw(empty, normals, owners, 0, _view(), (10, 8))
    assert buffers.triangle.shape == (8, 10) and (buffers.triangle == -1).all()
    assert len(buffers.covered) == 0
