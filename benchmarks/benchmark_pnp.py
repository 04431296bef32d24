"""Benchmark of the layer against a plain implementation and OpenCV.

Example:
    python benchmarks/benchmark_pnp.py [--device cuda] [--threads 2] [--repeats 5]
    python benchmarks/benchmark_pnp.py [--iterations] --accuracy path/to/infos_val_mono3d.coco.json

The first table compares times and peak memory with ``benchmarks/reference_pnp.py``, the same work
written the straightforward way: a stand-in for the official layer, which is slower than that one by
6 to 30 %. Hence the columns ``official``: times of the stand-in by the ratio that was measured
once. ``x limit`` is our time by what the floating-point operations alone would take. A second table
counts kernels and waits for the device, which are what a GPU's time hangs on at these sizes. The
last compares accuracy and time with OpenCV's `solvePnP` (and PoseLib's LO-RANSAC, where it is
installed: ``pip install poselib``) on the boxes and cameras of a ``*_mono3d.coco.json``, with pixel
noise and outliers; with --iterations, and no outliers, how many of them converge.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Callable, NamedTuple

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'projects'))

import kernel_counts  # noqa: E402
import reference_pnp as reference  # noqa: E402

from epropnp_det.pnp import (  # noqa: E402
    AdaptiveHuberCost,
    EProPnP4DoF,
    EProPnP6DoF,
    LMSolver,
    MonteCarloPoseLoss,
    PerspectiveCamera,
)
from epropnp_det.pnp.backend import SWITCH, choose  # noqa: E402
from epropnp_det.pnp.correspondences import Correspondences, prepare  # noqa: E402
from epropnp_det.pnp.importance_sampling import adaptive_importance_sampling  # noqa: E402
from epropnp_det.pnp.proposals import draw_noise  # noqa: E402

SIZES = ((288, 128, 128), (144, 256, 512))
"""Objects, points, samples: v2 training, v1 training."""
OFFICIAL = {
    (SIZES[0], 'training step'): 1479 / 1572,
    (SIZES[0], 'inference'): 387 / 492,
    (SIZES[1], 'training step'): 4907 / 5632,
    (SIZES[1], 'inference'): 287 / 373,
}
"""Processor time of the official v2 layer by that of the stand-in, measured once, one thread."""
PEAK = 3e10
"""Operations per second that one core could do at most: 8 lanes, about 4 GHz."""


class Objects(NamedTuple):
    """Correspondences, camera and true 4DoF poses."""

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    camera: PerspectiveCamera
    pose: Tensor


def synthetic_objects(num: int, points: int, device: str, seed: int = 0) -> Objects:
    """Car-sized boxes with noisy, softmax-weighted correspondences, float32."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    x3d = (rand(num, points, 3) - 0.5) * torch.tensor([4.5, 1.7, 1.9])
    pose = torch.stack((4 * randn(num), 1 + rand(num), 8 + 30 * rand(num), 6.28 * rand(num)), -1)
    cam2img = torch.tensor([[1266.0, 0, 816], [0, 1266, 491], [0, 0, 1]]).expand(num, 3, 3)
    size = torch.tensor([1600.0, 900.0]).expand(num, 2).to(device)
    camera = PerspectiveCamera.from_image_size(cam2img.contiguous().to(device), size)
    pose, x3d = pose.to(device), x3d.to(device)
    x2d = camera.project(x3d, pose) + 3 * randn(num, points, 2).to(device)
    w2d = randn(num, points, 2).softmax(1).to(device) * points / 8
    return Objects(x3d, x2d, w2d, camera, pose)


def plain_camera(camera: PerspectiveCamera) -> reference.Camera:
    """The camera of the reference."""
    return reference.Camera(camera.cam2img, camera.lower, camera.upper, camera.z_min)


def leaves(objects: Objects) -> list[Tensor]:
    """Correspondences that ask for gradients."""
    return [tensor.clone().requires_grad_() for tensor in objects[:3]]


def train_ours(objects: Objects, samples: int) -> None:
    """One training step of the layer."""
    pnp, loss = EProPnP4DoF(mc_samples=samples), MonteCarloPoseLoss()
    result = pnp.monte_carlo_forward(*leaves(objects), objects.camera, pose_init=objects.pose)
    loss(result.log_weights, result.cost_target, 1.0).backward()


def train_plain(objects: Objects, samples: int) -> None:
    """The same step of the reference."""
    inputs = leaves(objects)
    log_weights, cost = reference.monte_carlo_forward(
        *inputs, plain_camera(objects.camera), objects.pose, samples
    )
    reference.loss_of(log_weights, cost).backward()


@torch.no_grad()
def infer_ours(objects: Objects) -> None:
    """Random-sample start and five Gauss-Newton steps."""
    EProPnP4DoF(solver=LMSolver(num_iter=5))(*objects[:4], fast_mode=True)


def infer_plain(objects: Objects) -> None:
    """The same of the reference."""
    reference.infer(*objects[:3], plain_camera(objects.camera))


def sampling_ours(objects: Objects, samples: int) -> None:
    """The Monte Carlo term alone, forward and backward, from the true pose."""
    pnp = EProPnP4DoF(mc_samples=samples)
    inputs = prepare(pnp.pose_type, Correspondences(*leaves(objects), objects.camera), None)
    problem, _ = pnp.problem(inputs)
    with torch.no_grad():
        solution = pnp.solver.solve(pnp.pose_type, problem.detach(), objects.pose)
        covariance = pnp.solver.covariance(solution.linearization)
    rounds = (pnp.num_iter, len(objects.pose), samples // pnp.num_iter)
    drawn = adaptive_importance_sampling(
        choose(objects.x3d),
        pnp.pose_type,
        problem,
        solution.pose,
        covariance,
        draw_noise(pnp.pose_type, objects.pose, rounds),
        pnp.mc_tolerance,
    )
    drawn.log_weights.logsumexp(1).sum().backward()


def sampling_plain(objects: Objects, samples: int) -> None:
    """The same of the reference."""
    inputs = leaves(objects)
    delta = reference.adaptive_delta(*inputs[1:])
    problem = (*inputs, plain_camera(objects.camera), delta)
    pose, covariance, _ = reference.levenberg_marquardt(objects.pose, *problem)
    reference.importance_sampling(problem, pose, covariance, samples).logsumexp(0).sum().backward()


class Pair(NamedTuple):
    """Medians of one implementation and the other, and of their ratio."""

    plain: float
    ours: float
    ratio: float


def side_by_side(
    plain: Callable[[], None], ours: Callable[[], None], repeats: int, device: str
) -> tuple[Pair, Pair]:
    """Processor seconds and wall seconds of both.

    The two take turns, so that whatever slows the machine down for a while slows down both. One
    warm-up each; every run draws the same numbers in every process.
    """
    times = []
    for seed in range(repeats + 1):
        torch.manual_seed(seed)
        times.append((seconds(plain, device), seconds(ours, device)))
    first, second = torch.tensor(times[1:], dtype=torch.float64).unbind(1)  # (repeats, 2)
    ratio = first / second
    processor, wall = (
        Pair(*(values[:, kind].median().item() for values in (first, second, ratio)))
        for kind in (0, 1)
    )
    return processor, wall


def seconds(function: Callable[[], None], device: str) -> tuple[float, float]:
    """Processor and wall time of one call."""
    if device == 'cuda':
        torch.cuda.synchronize()
    busy, start = time.process_time(), time.perf_counter()
    function()
    if device == 'cuda':
        torch.cuda.synchronize()
    return time.process_time() - busy, time.perf_counter() - start


def _memory_worker(name: str, size: tuple[int, int, int], device: str, queue: object) -> None:
    """Runs in a fresh process: peak minus what was there before, in bytes."""
    function = {'ours': sampling_ours, 'plain': sampling_plain}[name]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    function(synthetic_objects(2, 16, device), 8)  # load libraries
    objects = synthetic_objects(size[0], size[1], device)
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function(objects, size[2])
        queue.put(torch.cuda.max_memory_allocated() - before)  # type: ignore[attr-defined]
        return
    Path('/proc/self/clear_refs').write_text('5')  # resets the high-water mark
    before = _status('VmRSS')
    function(objects, size[2])
    queue.put(_status('VmHWM') - before)  # type: ignore[attr-defined]


def _status(field: str) -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f'/proc/self/status has no {field}')


def peak_memory(name: str, size: tuple[int, int, int], device: str) -> float:
    """Peak memory of the Monte Carlo term in MB, NaN where it cannot be measured."""
    if device == 'cpu' and not Path('/proc/self/clear_refs').exists():
        return float('nan')
    context = torch.multiprocessing.get_context('spawn')
    queue = context.SimpleQueue()
    process = context.Process(target=_memory_worker, args=(name, size, device, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f'the memory measurement of {name} ended with code {process.exitcode}')
    return queue.get() / 2**20


def speed_table(device: str, repeats: int) -> None:
    """Prints times and memory of both implementations."""
    print(f'\n{"processor time":34}{"plain":>10}{"ours":>10}{"ratio":>8}{"official":>10}', end='')
    print(f'{"official / ours":>17}{"ratio, wall":>13}{"x limit":>9}')
    for size in SIZES:
        num, points, samples = size
        objects = synthetic_objects(num, points, device)
        print(f'{num} objects x {points} points x {samples} samples')
        rows: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
            (
                'training step',
                lambda o=objects, s=samples: train_plain(o, s),
                lambda o=objects, s=samples: train_ours(o, s),
            ),
            (
                'inference',
                lambda o=objects: infer_plain(o),
                lambda o=objects: infer_ours(o),
            ),
        ]
        for label, plain, ours in rows:
            busy, wall = side_by_side(plain, ours, repeats, device)
            factor = OFFICIAL[size, label]
            limit = operations(size, label) / PEAK
            print(f'  {label:32}{busy.plain * 1e3:7.0f} ms{busy.ours * 1e3:7.0f} ms', end='')
            print(f'{busy.ratio:7.1f}x{busy.plain * factor * 1e3:7.0f} ms', end='')
            print(f'{busy.ratio * factor:16.1f}x{wall.ratio:12.1f}x{busy.ours / limit:9.1f}')
        one, other = (peak_memory(name, size, device) for name in ('plain', 'ours'))
        print(
            f'  {"peak memory, Monte Carlo term":32}{one:7.0f} MB{other:7.0f} MB{one / other:7.1f}x'
        )


def operations(size: tuple[int, int, int], label: str) -> float:
    """Floating-point operations that the work needs, counted from its loops.

    About 30 for the cost of a point under a pose, 60 for its gradient and 80 for its share of the
    normal equations.
    """
    num, points, samples = size
    search = 64 * (16 * 3 * 80 + points * 30)
    if label == 'inference':
        return num * (search + 6 * points * 80)
    return num * (search + 11 * points * 80 + samples * points * (30 + 60))


def count_table() -> None:
    """Prints kernels and waits per call of the path that a GPU takes, and of the stand-in."""
    os.environ[SWITCH] = 'reference'
    objects = synthetic_objects(6, 24, 'cpu')
    print(f'\n{"per call":34}{"kernels":>10}{"waits":>8}   (of the path that a GPU takes)')
    rows = {
        'ours, training step': lambda: train_ours(objects, 16),
        'ours, inference': lambda: infer_ours(objects),
        'stand-in, training step': lambda: train_plain(objects, 16),
        'stand-in, inference': lambda: infer_plain(objects),
    }
    for label, function in rows.items():
        found = kernel_counts.count(function)
        print(f'{label:34}{found.kernels:10}{found.waits:8}')


def real_objects(path: Path, points: int, noise: float, outliers: float, limit: int = 0) -> Objects:
    """Points inside the boxes of a mono3d json, seen by its cameras; float64."""
    content = json.loads(path.read_text(encoding='utf-8'))
    cameras = {image['id']: image['cam_intrinsic'] for image in content['images']}
    boxes, intrinsics = [], []
    for annotation in content['annotations']:
        if annotation['bbox_cam3d'][2] > 3:
            boxes.append(annotation['bbox_cam3d'])
            intrinsics.append(cameras[annotation['image_id']])
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


def accuracy_table(path: Path, points: int, noise: float, outliers: float, limit: int) -> None:
    """Prints errors and times on real boxes and cameras."""
    objects = real_objects(path, points, noise, outliers, limit)
    true_rotation = EProPnP4DoF.pose_type.rotation(objects.pose)
    print(
        f'\n{len(objects.pose)} boxes of {path.name}, {points} points, noise {noise:.0%} of the '
        f'extent, {outliers:.0%} outliers'
    )
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
    camera = PerspectiveCamera(objects.camera.cam2img.float())
    single = (*(t.float() for t in objects[:3]), camera)
    for layer in (EProPnP6DoF, EProPnP4DoF):
        for delta, fast in ((0.5, False), (0.05, False), (0.05, True)):
            solver = LMSolver(num_iter=5 if fast else 10)
            pnp = layer(normalize=True, cost=AdaptiveHuberCost(delta), solver=solver)
            start = time.perf_counter()
            with torch.no_grad():
                generator = torch.Generator().manual_seed(0)
                pose = pnp(*single, fast_mode=fast, generator=generator).pose.double()
            elapsed = time.perf_counter() - start
            name = f'ours {layer.pose_type.dof}DoF, delta {delta}, {"5 GN" if fast else "10 LM"}'
            report(name, layer.pose_type.rotation(pose), pose[:, :3], elapsed)


@torch.no_grad()
def iterations_table(path: Path, points: int, noise: float, limit: int) -> None:
    """Prints how many objects converge, by iterations, from the search and from a poor start."""
    objects = real_objects(path, points, noise, 0.0, limit)
    print(f'\nconverged of {len(objects.pose)} boxes, {points} points, noise {noise:.0%}, float64')
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


def main() -> None:
    """Parses the command line and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--threads', type=int, default=1, help='of the CPU; 0: as torch likes')
    parser.add_argument('--repeats', type=int, default=5, help='the median time is printed')
    parser.add_argument('--accuracy', type=Path, help='mono3d json: compare with OpenCV on it')
    parser.add_argument('--accuracy-only', action='store_true')
    parser.add_argument('--iterations', action='store_true', help='with --accuracy: convergence')
    parser.add_argument('--limit', type=int, default=0, help='boxes to use at most; 0 is all')
    parser.add_argument('--points', type=int, default=64, help='points per box with --accuracy')
    parser.add_argument('--noise', type=float, default=0.02, help='of the projected extent')
    parser.add_argument('--outliers', type=float, default=0.2)
    args = parser.parse_args()
    if args.accuracy and not args.accuracy.is_file():
        parser.error(f'{args.accuracy} does not exist; give a *_mono3d.coco.json')
    if (args.accuracy_only or args.iterations) and not args.accuracy:
        parser.error('--accuracy-only and --iterations need --accuracy FILE')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('this torch sees no CUDA device; use --device cpu')
    if args.threads:
        torch.set_num_threads(args.threads)
    name = torch.cuda.get_device_name() if args.device == 'cuda' else 'CPU'
    backend = choose(torch.zeros(1, device=args.device)).name
    threads = torch.get_num_threads()
    print(f'torch {torch.__version__}, {name}, {threads} threads, float32, {backend}')
    if not args.accuracy_only and not args.iterations:
        speed_table(args.device, args.repeats)
        count_table()
    if args.iterations:
        iterations_table(args.accuracy, args.points, args.noise, args.limit)
    elif args.accuracy:
        accuracy_table(args.accuracy, args.points, args.noise, args.outliers, args.limit)


if __name__ == '__main__':
    main()
