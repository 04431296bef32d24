"""What the layer asks of a GPU: time, launches, waits, memory; and time as one CUDA graph."""

from __future__ import annotations

import os
import statistics
import time
import warnings
from typing import Callable, NamedTuple

import torch

from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF, LMSolver, MonteCarloPoseLoss
from epropnp_det.pnp.backend import SWITCH, Backend, load

from .works import SIZES, Objects, infer_plain, synthetic_objects, train_plain


class Cost(NamedTuple):
    """What a call takes.

    Attributes:
        wall: Median milliseconds until the device has finished.
        kernels: Launches.
        copies: Copies and fills of memory.
        busy: Milliseconds during which a kernel ran, as the profiler says.
        waits: How often the host waited for the device.
        memory: Peak of the allocator beyond what was there before, MiB.
    """

    wall: float
    kernels: int
    copies: int
    busy: float
    waits: int
    memory: float


Work = Callable[[], object]


def gpu_table(repeats: int) -> None:
    """Prints what training step and inference take, of all that can compute them on a GPU."""
    print(f'\n{"":46}{"ms":>9}{"kernels":>9}{"copies":>8}{"busy ms":>9}{"waits":>7}{"MiB":>8}')
    before = os.environ.get(SWITCH)
    for size in SIZES:
        _rows_of(size, repeats)
    os.environ.pop(SWITCH)
    os.environ.update({SWITCH: before} if before else {})


def _rows_of(size: tuple[int, int, int], repeats: int) -> None:
    num, points, samples = size
    print(f'{num} objects x {points} points x {samples} samples')
    objects = synthetic_objects(num, points, 'cuda')
    works = {'training step': training(objects, 4, samples), 'inference': inference(objects, 4)}
    if size == SIZES[0]:
        works['training step, 6DoF'] = training(objects, 6, samples)
        works['inference, 6DoF'] = inference(objects, 6)
    backends = [name for name in ('triton', 'reference') if isinstance(load(name), Backend)]
    for name in backends:
        os.environ[SWITCH] = name
        for label, work in works.items():
            _print(f'{label}: {name}', measure(work, repeats))
    _print('training step: stand-in', measure(lambda: train_plain(objects, samples), repeats))
    _print('inference: stand-in', measure(lambda: infer_plain(objects), repeats))
    os.environ[SWITCH] = backends[0]
    for label, work in works.items():
        milliseconds = wall(graph_of(work).replay, repeats)
        print(f'  {f"{label}: {backends[0]}, CUDA graph":44}{milliseconds:9.3f}')


def training(objects: Objects, dof: int, samples: int) -> Work:
    """A training step, whose tensors and modules are made before."""
    pnp = {4: EProPnP4DoF, 6: EProPnP6DoF}[dof](mc_samples=samples).cuda()
    loss, scale = MonteCarloPoseLoss().cuda(), torch.ones((), device='cuda')
    leaves = [tensor.clone().requires_grad_() for tensor in objects[:3]]
    pose = objects.pose
    if dof == 6:
        half = pose[:, 3:] / 2
        pose = torch.cat((pose[:, :3], half.cos(), 0 * half, half.sin(), 0 * half), 1)

    def run() -> None:
        for leaf in leaves:
            leaf.grad = None
        found = pnp.monte_carlo_forward(*leaves, objects.camera, pose_init=pose)
        loss(found.log_weights, found.cost_target, scale).backward()

    return run


def inference(objects: Objects, dof: int) -> Work:
    """Random-sample start and five Gauss-Newton steps."""
    pnp = {4: EProPnP4DoF, 6: EProPnP6DoF}[dof](solver=LMSolver(num_iter=5)).cuda()

    @torch.no_grad()
    def run() -> None:
        pnp(*objects[:4], fast_mode=True)

    return run


def measure(work: Work, repeats: int) -> Cost:
    """All numbers of one row."""
    milliseconds = wall(work, repeats)
    return Cost(milliseconds, *launches(work), waits(work), memory(work))


def wall(work: Work, repeats: int) -> float:
    """Median milliseconds, after two calls that compile and fill caches."""
    times = []
    for _ in range(repeats + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:]) * 1e3


def launches(work: Work) -> tuple[int, int, float]:
    """Kernels, copies, and milliseconds during which a kernel ran."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as found:
        work()
        torch.cuda.synchronize()
    events = [event for event in found.events() if str(event.device_type).endswith('CUDA')]
    kernels = [event for event in events if not event.name.startswith(('Memcpy', 'Memset'))]
    busy = sum(event.time_range.elapsed_us() for event in kernels)
    return len(kernels), len(events) - len(kernels), busy / 1e3


def waits(work: Work) -> int:
    """How often torch waits for the device, by its own count."""
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            work()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    # the mode announces itself by a warning, too
    return sum('called a synchronizing' in str(warning.message) for warning in seen)


def memory(work: Work) -> float:
    """Peak of the allocator, MiB."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def graph_of(work: Work) -> torch.cuda.CUDAGraph:
    """Records the launches of a call, to be replayed at once."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is done at first use cannot be recorded
        work()
        work()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph


def _print(label: str, cost: Cost) -> None:
    print(f'  {label:44}{cost.wall:9.2f}{cost.kernels:9}{cost.copies:8}', end='')
    print(f'{cost.busy:9.2f}{cost.waits:7}{cost.memory:8.0f}')
