"""Where to compute, and in how many processes: CPU and GPU alike (docs/differences.md W33)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Any

import torch
from mmcv.runner import init_dist
from torch import distributed, nn

from .device import CpuDataParallel
from .parallel import DistributedDataParallel, GpuDataParallel

ENVIRONMENT = {
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
}


def start_processes(launcher: str, device: str, backend: str = 'nccl', **options: Any) -> None:
    """Joins this process to the others of a launcher.

    mmcv's ``init_dist`` divides by the number of GPUs; on a CPU the same launchers work with gloo.

    Args:
        launcher: ``pytorch`` (torchrun), ``slurm`` or ``mpi``.
        device: ``cpu`` or ``cuda``.
        backend: For GPUs; on a CPU it is gloo whatever this says.
        **options: As for mmcv's ``init_dist``.

    Raises:
        ValueError: If the launcher has not set its environment.
    """
    if device != 'cpu':
        init_dist(launcher, backend, **options)
        return
    if launcher in ENVIRONMENT:
        names = ENVIRONMENT[launcher]
        for name, source in zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), names):
            os.environ[name] = _value(launcher, source)
        os.environ.setdefault('MASTER_PORT', str(options.get('port') or 29500))
        if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
            nodes = _value(launcher, 'SLURM_NODELIST')
            found = subprocess.run(
                ['scontrol', 'show', 'hostname', nodes],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            os.environ['MASTER_ADDR'] = found.stdout.split()[0]
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
        _value(launcher, name)
    distributed.init_process_group('gloo')


def _value(launcher: str, name: str) -> str:
    if name not in os.environ:
        start = {
            'pytorch': 'start with torchrun --nproc_per_node=N',
            'slurm': 'start with srun',
            'mpi': 'start with mpirun -np N -x MASTER_ADDR=HOST',
        }[launcher]
        raise ValueError(f'--launcher {launcher} needs {name} in the environment: {start}')
    return os.environ[name]


def parallel_model(
    model: nn.Module,
    device: str,
    gpu_ids: Sequence[int] = (0,),
    spread: bool = False,
    find_unused_parameters: bool = False,
) -> nn.Module:
    """Moves a model to its device and wraps it for training.

    Args:
        model: The bare model.
        device: ``cpu`` or ``cuda``.
        gpu_ids: GPUs to use where there is one process.
        spread: Whether there are several processes, which average their gradients.
        find_unused_parameters: As for torch's ``DistributedDataParallel``.
    """
    common = {'broadcast_buffers': False, 'find_unused_parameters': find_unused_parameters}
    if device == 'cpu':
        model = model.cpu()
        return DistributedDataParallel(model, **common) if spread else CpuDataParallel(model)
    if spread:
        gpu = torch.cuda.current_device()
        return DistributedDataParallel(model.cuda(gpu), device_ids=[gpu], **common)
    return GpuDataParallel(model.cuda(gpu_ids[0]), device_ids=list(gpu_ids))
