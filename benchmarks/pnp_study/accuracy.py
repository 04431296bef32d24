"""Accuracy and time on real boxes beside OpenCV's and PoseLib's solvers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor

from epropnp_det.pnp import (
    AdaptiveHuberCost,
    EProPnP4DoF,
    EProPnP6DoF,
    LMSolver,
    PerspectiveCamera,
)

from .works import Objects


def real_objects(path: Path, points: int, noise: float, outliers: float, limit: int = 0) -> Objects:
    """Points inside the boxes of a mono3d json, seen by its cameras; float64.

    Raises:
        ValueError: If it has no box in front of a camera.
    """
    content = json.loads(path.read_text(encoding='utf-8'))
    cameras = {image['id']: image['cam_intrinsic'] for image in content.get('images', ())}
    boxes, intrinsics = [], []
    for annotation in content.get('annotations', ()):
        if annotation['bbox_cam3d'][2] > 3:
            boxes.append(annotation['bbox_cam3d'])
            intrinsics.append(cameras[annotation['image_id']])
    if not boxes:
        raise ValueError(
            f'{path} has no annotated box beyond 3 m; give the *_mono3d.coco.json of a split whose '
            'truth is known, such as val'
        )
    step = max(1, len(boxes) // limit) if limit else 1
    box = torch.tensor(boxes[::step], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(len(box), points, 3, generator=generator, dtype=torch.float64) - 0.5
    x3d = unit * box[:, None, 3:6]
    pose = box[:, [0, 1, 2, 6]]
    camera = PerspectiveCamera(torch.tensor(intrinsics[::step], dtype=torch.float64))
    x2d = camera.project(x3d, pose)
    extent = (x2d.amax(1) - x2d.amin(1))[:, None]
    x2d = x2d + noise * extent * torch.randn(x2d.shape, generator=generator, dtype=torch.float64)
    low, high = x2d.amin(1, keepdim=True), x2d.amax(1, keepdim=True)
    anywhere = low + (high - low) * torch.rand(x2d.shape, generator=generator, dtype=torch.float64)
    wrong = torch.rand(len(box), points, 1, generator=generator) < outliers
    x2d = torch.where(wrong, anywhere, x2d)
    # weights as a network would give them that knows its noise but not its outliers
    w2d = (1 / (noise * extent)).expand_as(x2d)
    return Objects(x3d, x2d, w2d.contiguous(), camera, pose)


def opencv_solvers() -> dict[str, Callable]:
    """Name -> function of (x3d, x2d, K) that returns rvec, tvec or None."""
    import cv2

    def solve(flag: int, refine: bool = False) -> Callable:
        def run(x3d, x2d, cam2img):
            good, rvec, tvec = cv2.solvePnP(x3d, x2d, cam2img, None, flags=flag)
            if good and refine:
                rvec, tvec = cv2.solvePnPRefineLM(x3d, x2d, cam2img, None, rvec, tvec)
            return (rvec, tvec) if good else None

        return run

    def ransac(x3d, x2d, cam2img):
        good, rvec, tvec, _ = cv2.solvePnPRansac(
            x3d, x2d, cam2img, None, flags=cv2.SOLVEPNP_EPNP, reprojectionError=4.0
        )
        return (rvec, tvec) if good else None

    return {
        'OpenCV ITERATIVE': solve(cv2.SOLVEPNP_ITERATIVE),
        'OpenCV SQPNP': solve(cv2.SOLVEPNP_SQPNP),
        'OpenCV EPNP + refine': solve(cv2.SOLVEPNP_EPNP, refine=True),
        'OpenCV EPNP + RANSAC': ransac,
    }


def poselib_solvers() -> dict[str, Callable]:
    """PoseLib's LO-RANSAC with refinement, where it is installed."""
    try:
        import poselib
    except ImportError:
        return {}
    import cv2

    def run(x3d, x2d, cam2img):
        camera = {
            'model': 'PINHOLE',
            'width': 1600,
            'height': 900,
            'params': [cam2img[0, 0], cam2img[1, 1], cam2img[0, 2], cam2img[1, 2]],
        }
        found, _ = poselib.estimate_absolute_pose(x2d, x3d, camera, {'max_reproj_error': 4.0}, {})
        return cv2.Rodrigues(found.R)[0], found.t[:, None]

    return {'PoseLib LO-RANSAC + refine': run}


def run_opencv(solver: Callable, objects: Objects) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3) and positions (B, 3), NaN where OpenCV gives up."""
    import cv2

    num = len(objects.pose)
    rotation = torch.full((num, 3, 3), float('nan'), dtype=torch.float64)
    position = torch.full((num, 3), float('nan'), dtype=torch.float64)
    arrays = [t.numpy() for t in (objects.x3d, objects.x2d, objects.camera.cam2img)]
    for index, (x3d, x2d, cam2img) in enumerate(zip(*arrays)):
        try:
            found = solver(x3d, x2d, cam2img)
        except cv2.error:
            found = None
        if found is not None:
            rotation[index] = torch.from_numpy(cv2.Rodrigues(found[0])[0])
            position[index] = torch.from_numpy(found[1][:, 0])
    return rotation, position


def accuracy_table(objects: Objects, title: str) -> None:
    """Prints errors and times on real boxes and cameras."""
    true_rotation = EProPnP4DoF.pose_type.rotation(objects.pose)
    print(f'\n{title}')
    print(f'{"":28}{"position error":>16}{"within 5 %":>12}{"rotation":>11}{"per object":>13}')

    def report(name: str, rotation: Tensor, position: Tensor, elapsed: float) -> None:
        error = (position - objects.pose[:, :3]).norm(dim=1) / objects.pose[:, :3].norm(dim=1)
        error = error.nan_to_num(float('inf'), posinf=float('inf'))
        trace = (rotation * true_rotation).sum((1, 2))
        angle = torch.rad2deg(torch.acos(((trace - 1) / 2).clamp(-1, 1))).nan_to_num(180.0)
        print(
            f'{name:28}{error.median():14.2%}  {(error < 0.05).double().mean():10.1%}  '
            f'{angle.median():8.2f}°  {elapsed / len(error) * 1e6:8.1f} us'
        )

    for name, solver in {**opencv_solvers(), **poselib_solvers()}.items():
        start = time.perf_counter()
        rotation, position = run_opencv(solver, objects)
        report(name, rotation, position, time.perf_counter() - start)

    def inputs(num: int) -> tuple[Tensor, Tensor, Tensor, PerspectiveCamera]:
        camera = PerspectiveCamera(objects.camera.cam2img[:num].float())
        x3d, x2d, w2d = (tensor[:num].float() for tensor in objects[:3])
        return x3d, x2d, w2d, camera

    for layer in (EProPnP6DoF, EProPnP4DoF):
        for delta, fast in ((0.5, False), (0.05, False), (0.05, True)):
            solver = LMSolver(num_iter=5 if fast else 10)
            pnp = layer(normalize=True, cost=AdaptiveHuberCost(delta), solver=solver)
            with torch.no_grad():
                pnp(*inputs(2), fast_mode=fast)  # compiles
            start = time.perf_counter()
            with torch.no_grad():
                generator = torch.Generator().manual_seed(0)
                pose = pnp(
                    *inputs(len(objects.pose)), fast_mode=fast, generator=generator
                ).pose.double()
            elapsed = time.perf_counter() - start
            name = f'ours {layer.pose_type.dof}DoF, delta {delta}, {"5 GN" if fast else "10 LM"}'
            report(name, layer.pose_type.rotation(pose), pose[:, :3], elapsed)


@torch.no_grad()
def iterations_table(objects: Objects, title: str) -> None:
    """Prints how many objects converge, by iterations, from the search and from a poor start."""
    print(f'\nconverged of {title}, float64')
    print(f'{"iterations":12}{"from the search":>27}{"30 % too far, 0.6 rad off":>30}')
    far = objects.pose * torch.tensor([1.3, 1.3, 1.3, 1.0]) + torch.tensor([0.0, 0.0, 0.0, 0.6])
    half = far[:, 3:] / 2
    turned = torch.cat((far[:, :3], half.cos(), 0 * half, half.sin(), 0 * half), 1)
    layers = ((EProPnP4DoF, None), (EProPnP6DoF, None), (EProPnP4DoF, far), (EProPnP6DoF, turned))
    for count in (3, 5, 10, 20):
        cells = [f'{count:<10}']
        for layer, start in layers:
            pnp = layer(normalize=True, solver=LMSolver(num_iter=count))
            found = pnp(*objects[:4], start, generator=torch.Generator().manual_seed(0))
            cells.append(f'{found.converged.double().mean():8.2%} ({layer.pose_type.dof}DoF)')
        print(''.join(cells))
