"""Every real box of mini_val through parsing, targets, correspondences, PnP and decoding."""

import json

import numpy as np
import pytest
import torch
from mmcv import Config

from epropnp_det.boxes.instances import (
    boxes3d_from_instance,
    instance_from_boxes3d,
    velocities_from_instance,
)
from epropnp_det.boxes.tensors import project_boxes
from epropnp_det.datasets import NuScenesEProPnPDataset
from epropnp_det.datasets.submission import ATTRIBUTES as ATTRIBUTE_NAMES
from epropnp_det.datasets.submission import CLASS_ATTRIBUTES
from epropnp_det.models.coders import MultiClassLogDimCoder
from epropnp_det.models.correspondence.image_transform import network_to_image
from epropnp_det.models.decoding import Detections, decode_detections
from epropnp_det.models.structures import Correspondences, ImageGeometry
from epropnp_det.models.targets import Candidates, volume_centers
from epropnp_det.pnp import EProPnP4DoF, LMSolver, PerspectiveCamera, RSLMSolver

SIZE = (1600.0, 900.0)
CROP = 228
ATTRIBUTES = [  # legal ones of each class
    [i for i, name in enumerate(ATTRIBUTE_NAMES) if group and name.startswith(group)] or [8]
    for group, _ in CLASS_ATTRIBUTES.values()
]


def rotations(yaw):
    cos, sin, zero, one = yaw.cos(), yaw.sin(), torch.zeros_like(yaw), torch.ones_like(yaw)
    return torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], dim=-1).view(-1, 3, 3)


def wrapped(angle):
    return torch.atan2(angle.sin(), angle.cos())


class Parsed:
    """What the data set makes of the file, and what the file says, in the same order."""

    def __init__(self, path):
        dataset = NuScenesEProPnPDataset(
            '.', str(path), [], test_mode=True, annotation_filter={'min_box_size': None}
        )
        given = {}
        for annotation in json.loads(path.read_text())['annotations']:
            given.setdefault(annotation['image_id'], []).append(annotation)
        infos = [dataset.get_ann_info(index) for index in range(len(dataset))]
        images = list(dataset.data_infos)
        self.annotations = [a for image in images for a in given.get(image['id'], ())]
        self.boxes3d = torch.cat([boxes3d_from_instance(i['gt_bboxes_3d']) for i in infos])
        self.bboxes = torch.from_numpy(np.concatenate([i['bboxes'] for i in infos]))
        self.centers2d = torch.from_numpy(np.concatenate([i['centers2d'] for i in infos]))
        self.depths = torch.from_numpy(np.concatenate([i['depths'] for i in infos]))
        self.labels = torch.from_numpy(np.concatenate([i['labels'] for i in infos]))
        self.velocities = torch.cat([velocities_from_instance(i['gt_bboxes_3d']) for i in infos])
        self.classes = dataset.CLASSES
        intrinsics = [image['cam_intrinsic'] for image in images]
        self.matrices = torch.tensor(intrinsics, dtype=torch.float64)
        counts = torch.tensor([len(i['labels']) for i in infos])
        self.img_inds = torch.arange(len(images)).repeat_interleave(counts)
        self.cam2img = self.matrices[self.img_inds]

    def file(self, key):
        return torch.tensor([a[key] for a in self.annotations], dtype=torch.float64)


@pytest.fixture(scope='module')
def parsed(mini_val_json):
    return Parsed(mini_val_json)


@pytest.fixture(scope='module')
def dim_coder(repository):
    """The coder of the published configuration, from its own class order to the data set's."""
    cfg = Config.fromfile(str(repository / 'configs/_base_/models/epropnp_det_v2.py'))
    found = []

    def search(node):
        if isinstance(node, dict):
            if node.get('type') == 'MultiClassLogDimCoder':
                found.append(node)
            for value in node.values():
                search(value)

    search(cfg._cfg_dict)
    assert found
    return MultiClassLogDimCoder(found[0]['means'], found[0]['stds'])


def test_all_are_parsed(parsed):
    assert parsed.boxes3d.shape == (5441, 7)
    given = parsed.file('bbox_cam3d')[:, [3, 4, 5, 0, 1, 2, 6]]
    torch.testing.assert_close(parsed.boxes3d.double(), given, atol=1e-5, rtol=0)
    names = [annotation['category_name'] for annotation in parsed.annotations]
    assert [parsed.classes[label] for label in parsed.labels] == names


def test_projected_centres_are_center2d(parsed):
    points = (parsed.cam2img @ parsed.boxes3d[:, 3:6, None].double())[..., 0]
    pixels = points[:, :2] / points[:, 2:]
    torch.testing.assert_close(pixels, parsed.file('center2d')[:, :2], atol=1e-3, rtol=1e-6)
    torch.testing.assert_close(parsed.centers2d.double(), pixels, atol=1e-3, rtol=1e-6)
    torch.testing.assert_close(parsed.depths, parsed.boxes3d[:, 5], atol=1e-4, rtol=0)


@pytest.mark.parametrize('flip', [False, True])
def test_targets(parsed, flip):
    """Volume centres lie in the 2D boxes, in the pixels of a cropped and mirrored image, too."""
    img2net = torch.tensor([[1.0, 0, 0], [0, 1, -CROP], [0, 0, 1]])
    if flip:
        img2net = torch.tensor([[-1.0, 0, SIZE[0]], [0, 1, 0], [0, 0, 1]]) @ img2net
    num = len(parsed.boxes3d)
    found = volume_centers(
        parsed.boxes3d,
        parsed.cam2img.float(),
        img2net.expand(num, 3, 3),
        torch.tensor([SIZE[0], SIZE[1] - CROP]).expand(num, 2),
    )
    seen = found.volume > 1e-6
    assert seen.float().mean() > 0.95
    corners = parsed.bboxes.view(-1, 2, 2) @ img2net[:2, :2].T + img2net[:2, 2]
    low, high = corners.amin(1), corners.amax(1)
    margin = 0.05 * (high - low) + 1.5  # mmdet3d's 2D boxes know the tilt that yaw leaves out
    inside = ((found.centers > low - margin) & (found.centers < high + margin)).all(1)
    # all but objects beside the camera, of which mmdet3d's 2D box is too small
    assert inside[seen].float().mean() > 0.998
    assert inside[seen & (parsed.boxes3d[:, 5] > 5)].float().mean() > 0.999


def test_dimensions_come_back(parsed, dim_coder):
    dims = parsed.boxes3d[:, :3]
    decoded = dim_coder.decode(dim_coder.encode(dims, parsed.labels), parsed.labels)
    assert (decoded - dims).abs().max() < 1e-4


def img2net_of(num, flip):
    """Crop of the top, and every other image mirrored."""
    crop = torch.tensor([[1.0, 0, 0], [0, 1, -CROP], [0, 0, 1]], dtype=torch.float64)
    mirrored = torch.tensor([[-1.0, 0, SIZE[0]], [0, 1, 0], [0, 0, 1]]).double() @ crop
    odd = torch.arange(num)[:, None, None] % 2 == 1
    return torch.where(odd & flip, mirrored, crop)


def perfect_correspondences(parsed, dims, img2net, dtype):
    """A grid of box points as the heads would see them: in network pixels, carried back.

    Points outside the image count, too, since the visible corner of a truncated car is not enough;
    points behind the camera have no pixel, and no weight.
    """
    axis = torch.linspace(-0.5, 0.5, 4, dtype=torch.float64)
    noc = torch.stack(torch.meshgrid(axis, axis, axis, indexing='ij'), dim=-1).view(-1, 3)
    truth, num = parsed.boxes3d.double(), len(parsed.boxes3d)
    local = noc * dims.double()[:, None]  # (n, 64, 3)
    points = local @ rotations(truth[:, 6]).transpose(1, 2) + truth[:, None, 3:6]
    pixels = points @ parsed.cam2img.transpose(1, 2)
    in_front = points[..., 2:] > 0.5
    pixels = pixels[..., :2] / pixels[..., 2:].clamp(min=0.5)
    network = pixels @ img2net[:, :2, :2].transpose(1, 2) + img2net[:, None, :2, 2]
    attributes = torch.tensor([a['attribute_id'] for a in parsed.annotations])
    return Correspondences(
        noc=noc.expand(num, -1, 3).to(dtype),
        x2d=network_to_image(network.to(dtype), img2net.to(dtype)),
        weights=in_front.expand(-1, -1, 2).to(dtype),
        scale=torch.ones(num, 2, dtype=dtype),
        dims=dims.to(dtype),
        encoded_dims=torch.zeros(num, 3, dtype=dtype),
        score_logits=torch.full((num,), 50.0, dtype=dtype),
        velocities=parsed.velocities.to(dtype),
        attr_logits=torch.nn.functional.one_hot(attributes, 9).to(dtype),
    )


def decoded(parsed, correspondences, img2net, **thresholds):
    """PnP and ``decode_detections``, a few images at a time; scores fall with the row."""
    dtype = correspondences.x2d.dtype
    pnp = EProPnP4DoF(
        solver=LMSolver(num_iter=20),
        init_solver=RSLMSolver(num_points=16, num_proposals=16, num_iter=3),
    )
    scores = torch.linspace(0.9, 0.1, len(parsed.labels), dtype=dtype)
    sizes = torch.tensor(SIZE, dtype=dtype).expand(len(parsed.matrices), 2)
    parts = []
    for images in torch.arange(len(parsed.matrices)).split(54):
        first, rows = images[0], torch.isin(parsed.img_inds, images).nonzero()[:, 0]
        part = Correspondences(*(field[rows] for field in correspondences))
        camera = PerspectiveCamera(parsed.cam2img[rows].to(dtype))
        generator = torch.Generator().manual_seed(0)
        solution = pnp(part.x3d, part.x2d, part.w2d, camera, generator=generator)
        geometry = ImageGeometry(
            cam2img=parsed.matrices[images].to(dtype),
            img2net=img2net[rows].to(dtype),
            img_size=sizes[images],
            net_size=sizes[images],
        )
        zeros = torch.zeros_like(rows)
        candidates = Candidates(
            parsed.img_inds[rows] - first, zeros, parsed.labels[rows], zeros, scores[rows]
        )
        found = decode_detections(candidates, part, solution, geometry, ATTRIBUTES, **thresholds)
        parts.append(found._replace(img_inds=found.img_inds + first))
    fields = zip(*(part[:9] for part in parts))
    return Detections(*(torch.cat(field) for field in fields))


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_decoded_boxes_are_those_of_the_file(parsed, dim_coder, dtype):
    """Position within 1 mm, yaw within 1e-4, dimensions within 1 mm, for every box."""
    dims = dim_coder.decode(dim_coder.encode(parsed.boxes3d[:, :3], parsed.labels), parsed.labels)
    img2net = img2net_of(len(dims), flip=True)
    found = decoded(
        parsed,
        perfect_correspondences(parsed, dims, img2net, dtype),
        img2net,
        nms_iou2d=1.0,  # real objects may hide each other: nothing is suppressed here
        nms_iou_bev=1.0,
        min_bbox_side=0.0,
    )
    assert len(found.boxes3d) == 5441
    assert torch.equal(found.labels, parsed.labels)
    assert torch.equal(found.img_inds, parsed.img_inds)
    torch.testing.assert_close(
        found.velocities, parsed.velocities.to(dtype), rtol=0, atol=0, equal_nan=True
    )
    names = [annotation['attribute_name'] for annotation in parsed.annotations]
    for name, index in zip(names, found.attributes.tolist()):
        assert name == 'None' or ATTRIBUTE_NAMES[index] == name
    boxes = boxes3d_from_instance(instance_from_boxes3d(found.boxes3d, found.velocities)).double()
    given = parsed.file('bbox_cam3d')[:, [3, 4, 5, 0, 1, 2, 6]]
    position = (boxes[:, 3:6] - given[:, 3:6]).norm(dim=1)
    yaw = wrapped(boxes[:, 6] - given[:, 6]).abs()
    assert (boxes[:, :3] - given[:, :3]).abs().max() < 1e-3
    # in float32 the precision of a pixel leaves a little more at a hundred metres
    assert position.max() < (1e-3 if dtype == torch.float64 else 3e-3)
    assert position.quantile(0.99) < 1e-3 and yaw.max() < 1e-4
    # and the centre of the decoded box is where the file says
    pixels = (parsed.cam2img @ boxes[:, 3:6, None])[..., 0]
    pixels = pixels[:, :2] / pixels[:, 2:]
    error = (pixels - parsed.file('center2d')[:, :2]).abs().amax(1)
    assert error[given[:, 5] > 1].max() < 0.05 and error.quantile(0.99) < 5e-3


def test_the_published_thresholds_lose_few_real_objects(parsed, dim_coder):
    """What suppression and the size limit cost a detector that is right about everything."""
    dims = parsed.boxes3d[:, :3]
    img2net = img2net_of(len(dims), flip=False)
    correspondences = perfect_correspondences(parsed, dims, img2net, torch.float64)
    found = decoded(parsed, correspondences, img2net)
    assert 0.99 < len(found.boxes3d) / 5441 < 1


def test_projected_boxes_are_around_the_annotated_ones(parsed):
    """Decoding projects a box to 2D; the file's 2D boxes were made from the tilted box."""
    size = torch.tensor(SIZE).expand(len(parsed.boxes3d), 2)
    projected = project_boxes(parsed.boxes3d, parsed.cam2img.float(), size)
    low = torch.maximum(projected[:, :2], parsed.bboxes[:, :2])
    high = torch.minimum(projected[:, 2:], parsed.bboxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = [(b[:, 2:] - b[:, :2]).prod(1) for b in (projected, parsed.bboxes)]
    overlap = shared / (areas[0] + areas[1] - shared)
    assert overlap.median() > 0.95
    assert (overlap > 0.7).float().mean() > 0.97
