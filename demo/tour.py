"""One synthetic image through the whole method, with the pictures of docs/tour.md.

`make tour` runs it: a small synthetic nuScenes is written, the detector that ships with the package
looks at one of its images, and every step from the pixels to the score leaves a picture.

Example:
    python demo/tour.py --out work_dirs/tour/pictures
"""

from __future__ import annotations

import argparse
import copy
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from mmdet3d.datasets import build_dataloader, build_dataset
from torch import Tensor, nn
from tour_figures import box_outline, cost_figure, points_figure, posterior_figure, rounds_figure

from epropnp_det.apis import (
    Frame,
    ImageDetections,
    detect,
    init_detector,
    match,
    mounting_for,
    predict_dataset,
    read_frames,
)
from epropnp_det.datasets.prepare import prepare_nuscenes
from epropnp_det.inputs import read_image
from epropnp_det.pnp import MonteCarloResult, PerspectiveCamera
from epropnp_det.pnp.cost import huber
from epropnp_det.synthetic import Spec, make_dataset
from epropnp_det.visualization import (
    draw_bev,
    draw_bev_density,
    draw_boxes_3d,
    draw_points,
    draw_score_map,
)

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 1024
"""Samples of the posterior that the figures show."""
YAWS = 48
"""Headings among which the cost landscape looks for the cheapest."""


class Hero(NamedTuple):
    """The object that the tour follows, with everything the method knows of it.

    Attributes:
        found: Detections of its image; points and samples included.
        index: Its row among them.
        truth: Its annotated box ``[l, h, w, x, y, z, yaw]``, (7,).
        frame: Its image's annotations.
        image: BGR uint8, (H, W, 3).
    """

    found: ImageDetections
    index: int
    truth: np.ndarray
    frame: Frame
    image: np.ndarray

    @property
    def box(self) -> np.ndarray:
        """The detected box, (7,)."""
        return self.found.boxes[self.index]

    @property
    def name(self) -> str:
        """Its class."""
        return self.found.class_names[self.found.labels[self.index]]


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', help='config; by default the one in the checkpoint')
    parser.add_argument('--checkpoint', help='weights; by default those of the package')
    parser.add_argument('--work-dir', default='work_dirs/tour', help='where the data goes')
    parser.add_argument('--out', default=str(ROOT / 'docs' / 'images' / 'tour'), help='pictures')
    parser.add_argument('--scale', type=float, default=0.4, help='of 1600 x 900 images')
    parser.add_argument('--frames', type=int, default=2, help='keyframes of the evaluation')
    parser.add_argument('--seed', type=int, default=11, help='of the world; not the training one')
    parser.add_argument('--score-thr', type=float, default=0.2, help='of boxes in pictures')
    return parser.parse_args(arguments)


def write_data(args: argparse.Namespace) -> tuple[Path, Path]:
    """A synthetic scene of mini_val and its annotation file, unless they lie there already."""
    root = Path(args.work_dir) / f'data_{args.seed}_{args.frames}_{args.scale:g}'
    if not root.exists():
        spec = Spec(scenes=1, frames=args.frames, scale=args.scale, seed=args.seed)
        make_dataset(root, spec._replace(split='mini_val'))
    path = root / 'nuscenes_infos_val_mono3d.coco.json'
    if not path.exists():
        prepare_nuscenes(root, 'v1.0-mini', splits={'val': 'mini_val'})
    return root, path


def find_hero(model: nn.Module, frames: Sequence[Frame], score_thr: float) -> Hero:
    """Looks at all images; the hero is large, surely found, and a vehicle where there is one.

    Above the score that boxes in pictures have, where there is such an object.

    Raises:
        RuntimeError: If the detector finds nothing.
    """
    best: tuple[float, Hero] | None = None
    for frame in frames:
        image = read_image(frame.path)
        found = detect(
            model, image, frame.cam2img, cam2ego=mounting_for(model, frame),
            with_samples=True, with_points=True, with_maps=True,
        )  # fmt: skip
        pairs = match(found.objects, frame.ground_truth)
        for row, column, distance in zip(pairs.detections, pairs.ground_truth, pairs.distances):
            x1, y1, x2, y2 = frame.bboxes[column]
            size = min((x2 - x1) * (y2 - y1) / (0.02 * image.shape[0] * image.shape[1]), 1.0)
            long = frame.ground_truth.boxes[column, 0] > 3  # a vehicle shows its heading
            near = distance < 0.1 * np.linalg.norm(frame.ground_truth.boxes[column, [3, 5]])
            score = float(found.scores[row])
            shown = 1.0 if score >= score_thr else 0.01
            merit = score * size * near * shown * (10 if long else 1)
            if best is None or merit > best[0]:
                best = merit, Hero(found, row, frame.ground_truth.boxes[column], frame, image)
    if best is None:
        raise RuntimeError('nothing was found in any image; are these weights trained?')
    return best[1]


class Layer(NamedTuple):
    """One object's correspondences and the layer that the detector uses in test.

    Attributes:
        pnp: The layer.
        points: ``x3d`` (1, N, 3), ``x2d`` (1, N, 2), ``w2d`` (1, N, 2).
        camera: The image's.
    """

    pnp: nn.Module
    points: tuple[Tensor, Tensor, Tensor]
    camera: PerspectiveCamera

    @classmethod
    def of(cls, model: nn.Module, hero: Hero) -> Layer:
        """Takes them from the detector and its result."""
        head, found, i = model.bbox_head, hero.found, hero.index
        points = tuple(torch.as_tensor(v[i : i + 1]) for v in (found.x3d, found.x2d, found.w2d))
        size = torch.tensor([found.image_size], dtype=torch.float32)
        camera = head.make_camera(torch.as_tensor(found.cam2img[None], dtype=torch.float32), size)
        pnp = copy.copy(head.pnp_test)
        pnp.mc_samples = SAMPLES  # more than a detector needs: these are looked at
        return cls(pnp, points, camera)

    def solve(self) -> MonteCarloResult:
        """The pose and its posterior."""
        generator = torch.Generator().manual_seed(0)
        return self.pnp.monte_carlo_forward(
            *self.points, self.camera, fast_mode=True, generator=generator
        )

    def cost(self, poses: Tensor) -> Tensor:
        """Robust cost of any poses (docs/method.md 1.3), (M, 4) -> (M,)."""
        x3d, x2d, w2d = self.points
        delta = self.pnp.cost(x2d, w2d)
        costs = []
        for chunk in poses.split(4096):
            error = w2d * (self.camera.project(x3d, chunk[:, None]) - x2d)
            costs.append(huber(error.norm(dim=-1), delta).sum(-1).flatten())
        return torch.cat(costs)

    def landscape(self, pose: Tensor, reach: Tensor, cells: int = 81) -> Tensor:
        """Cost from above around a pose, of the cheapest heading at each place, (cells, cells).

        Args:
            pose: ``[x, y, z, yaw]``, the middle; its height is kept, (4,).
            reach: Metres to either side along x and z, (2,).
            cells: Places along each axis.
        """
        steps = torch.linspace(-1, 1, cells).to(pose)
        x, z = pose[0] + reach[0] * steps, pose[2] + reach[1] * steps
        yaw = torch.cat((pose[3:], torch.arange(YAWS).to(pose) * (2 * torch.pi / YAWS)))
        grid_z, grid_x, grid_yaw = torch.meshgrid(z, x, yaw, indexing='ij')
        poses = torch.stack((grid_x, pose[1].expand_as(grid_x), grid_z, grid_yaw), -1)
        return self.cost(poses.view(-1, 4)).view(cells, cells, -1).amin(-1)


def window(hero: Hero, margin: float = 0.35) -> tuple[slice, slice]:
    """Rows and columns of the image around the hero."""
    x1, y1, x2, y2 = hero.found.bboxes[hero.index]
    middle, half = np.array([x1 + x2, y1 + y2]) / 2, max(x2 - x1, y2 - y1) * (0.5 + margin)
    half = max(half, 24.0)
    height, width = hero.image.shape[:2]
    left, right = np.clip([middle[0] - half, middle[0] + half], 0, width).astype(int)
    top, bottom = np.clip([middle[1] - half, middle[1] + half], 0, height).astype(int)
    return slice(top, bottom), slice(left, right)


def enlarged(picture: np.ndarray, height: int = 480) -> np.ndarray:
    """A picture at this height; pixels stay visible."""
    factor = height / picture.shape[0]
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)


def image_pictures(hero: Hero, score_thr: float) -> dict[str, np.ndarray]:
    """The steps that are seen in the image: pixels, dense head, candidate, points, boxes."""
    found, image, index = hero.found, hero.image, hero.index
    rows, columns = window(hero)
    one = found.select(np.array([index]))
    dense = draw_score_map(image, found.maps['scores'], found.maps['score2img'])
    large = enlarged(image)
    zoom = large.shape[0] / image.shape[0]
    crop = enlarged(image[rows, columns])
    in_crop = (one.x2d - [columns.start, rows.start]) * crop.shape[0] / (rows.stop - rows.start)
    shown = found.above(score_thr)
    camera = np.diag([zoom, zoom, 1.0]) @ found.cam2img
    boxes = draw_boxes_3d(
        large, shown.boxes, shown.labels, shown.scores, camera, class_names=found.class_names
    )
    reach = max(20.0, 1.6 * float(hero.truth[5]))
    seen = dict(cam2img=found.cam2img, image_width=found.image_size[0], max_range=reach)
    density = draw_bev_density(
        shown.samples, shown.log_weights, shown.labels, shown.scores, size=(480, 480), **seen
    )
    truth = hero.frame.ground_truth
    above = draw_bev(
        shown.boxes, shown.labels, shown.scores, truth.boxes, truth.labels,
        class_names=found.class_names, out=density, **seen,
    )  # fmt: skip
    return {
        '1_image': large,
        '2_dense': enlarged(dense),
        '3_candidate': mark(large, hero, zoom),
        '4_points': draw_points(crop, in_crop, one.w2d, color_by='head', radius=5.0),
        '8_boxes': np.concatenate((boxes, above), axis=1),
    }


def mark(picture: np.ndarray, hero: Hero, zoom: float) -> np.ndarray:
    """The window around the hero, and where its points are sampled."""
    rows, columns = window(hero)
    marked = picture.copy()
    corner, opposite = (columns.start, rows.start), (columns.stop, rows.stop)
    scaled = [tuple(int(zoom * value) for value in point) for point in (corner, opposite)]
    cv2.rectangle(marked, *scaled, (255, 255, 255), 2)
    for point in hero.found.x2d[hero.index]:
        cv2.circle(marked, tuple(int(zoom * value) for value in point), 2, (0, 230, 255), -1)
    return marked


def layer_figures(hero: Hero, layer: Layer) -> dict[str, object]:
    """The steps inside the layer: points, cost, sampling, posterior."""
    result = layer.solve()
    pose, samples = result.pose[0], result.samples[:, 0].numpy()
    shares = result.log_weights[:, 0].softmax(0).numpy()
    deviation = result.pose_cov[0].diagonal().sqrt()
    reach = (6 * deviation[[0, 2]]).clamp(min=1.0, max=20.0)
    extent = (pose[[0, 2]] - reach, pose[[0, 2]] + reach)
    extent = tuple(float(extent[k][axis]) for axis in (0, 1) for k in (0, 1))
    outlines = box_outline(np.append(hero.box[:3], pose.numpy())), box_outline(hero.truth)
    x3d, _, w2d = (value[0].numpy() for value in layer.points)
    return {
        '4_object': points_figure(x3d, w2d, hero.box[:3], hero.name),
        '5_cost': cost_figure(layer.landscape(pose, reach).numpy(), extent, outlines),
        '6_rounds': rounds_figure(samples, shares, layer.pnp.num_iter, extent, outlines),
        '7_posterior': posterior_figure(
            samples, shares, pose.numpy(), result.pose_cov[0].numpy(),
            hero.truth[3:], float(result.ess[0]),
        ),
    }  # fmt: skip


def evaluate(model: nn.Module, root: Path, work: Path) -> dict[str, float]:
    """Scores the detector on the scene with nuscenes-devkit, with its curves."""
    test = {**model.cfg.data.test, 'test_mode': True, 'render_curves': True}
    test.update(data_root=f'{root}/', img_prefix=f'{root}/', eval_split='mini_val')
    test.update(ann_file=str(root / 'nuscenes_infos_val_mono3d.coco.json'))
    dataset = build_dataset(test)
    loader = build_dataloader(dataset, 1, 0, num_gpus=1, dist=False, shuffle=False)
    results = predict_dataset(model, loader, progress=False)
    return dataset.evaluate(results, jsonfile_prefix=str(work), logger='silent')


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk through and say what was seen."""
    args = parse_args(arguments)
    logging.disable(logging.WARNING)
    try:
        model = init_detector(args.config, args.checkpoint, device='cpu')
        root, ann_file = write_data(args)
        frames = read_frames(ann_file, root, model.CLASSES)
        hero = find_hero(model, frames, args.score_thr)
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        sys.exit(f'error: {error}')
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in image_pictures(hero, args.score_thr).items():
        cv2.imwrite(str(out / f'{name}.jpg'), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    for name, figure in layer_figures(hero, Layer.of(model, hero)).items():
        figure.savefig(out / f'{name}.png', dpi=90)
    scores = evaluate(model, root, Path(args.work_dir) / 'evaluation')
    x, _, z = hero.truth[3:6]
    print(f'followed: a {hero.name} {np.hypot(x, z):.1f} m away, {hero.frame.camera}')
    print(f'error: {np.hypot(*(hero.box[[3, 5]] - hero.truth[[3, 5]])):.2f} m')
    prefix = 'img_bbox_NuScenes/'
    print(', '.join(f'{name} {scores[prefix + name]:.3f}' for name in ('NDS', 'mAP', 'mATE')))
    print(f'pictures in {out}')


if __name__ == '__main__':
    main()
