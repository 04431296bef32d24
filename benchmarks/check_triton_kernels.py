"""Compiles the layer's Triton kernels without a GPU and prints what they take.

Example:
    python benchmarks/check_triton_kernels.py [--capability 70 80 90] [--only solve posterior]

Needs Triton 3.6 or newer, which brings NVIDIA's assembler. One line a kernel: registers per thread,
bytes that threads spill or keep on the stack, shared memory, seconds of compiling. Sizes are those
of a training step of 128 points and 128 samples per object.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

OPTIONS = {
    'MIN_DIAGONAL': 1e-6,
    'MAX_DIAGONAL': 1e32,
    'LEAST': 1e-3,
    'FIRST_RADIUS': 30.0,
    'MAX_RADIUS': 1e16,
    'EPS': 1e-5,
}
KINDS = {'indices': 'i64'}
KINDS.update(dict.fromkeys(('there_is', 'found', 'valid', 'out_converged', 'out_valid'), 'u8'))
"""Types of tensors that hold other numbers than the rest."""
TOOL = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin' / 'cuobjdump'


def kernels(yaw: bool) -> Iterator[tuple[str, Any, dict, int]]:
    """Name, kernel, constants and warps of every launch."""
    from epropnp_det.pnp.fused import (
        costs,
        frames,
        losses,
        posterior,
        problems,
        screening,
        search,
        solver,
        subsets,
    )

    camera = {'Z_MIN': 0.1, 'YAW': yaw, 'ROWS': 1}
    whole = {**OPTIONS, **camera, 'INDEXED': False, 'BLOCK': 128}
    some = {**OPTIONS, **camera, 'INDEXED': True, 'BLOCK': 16}
    yield 'solve', solver.solve_kernel, {**whole, 'METHOD': 0}, 1
    yield 'solve, fast', solver.solve_kernel, {**whole, 'METHOD': 2}, 1
    yield 'subsets', solver.solve_kernel, {**some, 'METHOD': 0}, 1
    yield 'subsets, fast', solver.solve_kernel, {**some, 'METHOD': 1}, 1
    yield 'costs', costs.costs_kernel, {**camera, 'POSES': 8, 'BLOCK': 64}, 4
    yield 'gradients', costs.gradients_kernel, {**camera, 'POSES': 16, 'BLOCK': 32}, 4
    tiles = {'DRAWN': 32, 'SAMPLES': 128, 'CANDIDATES': 64, 'BLOCK': 32}
    yield 'posterior', posterior.posterior_kernel, {**camera, **tiles}, 4
    place = {'YAW': yaw, 'ROWS': 1}
    start = {'TINY': 1e-37, 'WEIGHTED': True, 'MASKED': True, 'BLOCK': 128, 'STARTS': 64}
    yield 'start', search.start_kernel, {**place, **start}, 1
    yield 'leave', frames.move_kernel, {**place, 'SHIFTED': True, 'SIGN': -1, 'POSES': 128}, 1
    yield (
        'covariance',
        frames.covariance_kernel,
        {'EPS': 1e-5, 'DOF': 4 if yaw else 6, 'ROWS': 1},
        1,
    )
    yield 'conclude', frames.conclude_kernel, {**place, 'EPS': 1e-5, 'SHIFTED': True}, 1
    if yaw:
        small = {'ROWS': 1, 'BLOCK': 128}
        yield 'draw', subsets.subsets_kernel, {**small, 'TINY': 1e-37, 'SUBSETS': 1}, 1
        build = {**small, 'RELATIVE': 0.5, 'TINY': 1e-37, 'MASKED': True}
        yield 'build', problems.problem_kernel, {**build, 'CENTERED': True}, 1
        yield 'build, back', problems.problem_gradient_kernel, {**build, 'CONSTANT': False}, 1
        samples = {'ROWS': 1, 'BLOCK': 128}
        yield 'loss', losses.divergence_kernel, samples, 1
        yield 'loss, back', losses.divergence_gradient_kernel, samples, 1
        yield 'sound', screening.sound_kernel, {'ROWS': 1, 'BLOCK': 256}, 2
        yield 'usable', screening.usable_kernel, {**small, 'DOF': 4, 'DIM': 4, 'MASKED': True}, 1
        best = {'REJECTS': True, 'NEAREST': 0.1, 'DIM': 4, 'ROWS': 1, 'BLOCK': 64}
        yield 'best', search.best_kernel, best, 1


def compile_kernel(kernel: Any, constants: dict, number: str, warps: int, capability: int) -> bytes:
    """Machine code of a kernel whose tensors hold ``number``."""
    sizes = {parameter.name for parameter in kernel.params if parameter.do_not_specialize}
    signature = {}
    for name in kernel.arg_names:
        pointer = '*' + KINDS.get(name, number)
        signature[name] = 'constexpr' if name in constants else 'i32' if name in sizes else pointer
    source = ASTSource(kernel, signature, constexprs=constants)
    target = GPUTarget('cuda', capability, 32)
    return triton.compile(source, target=target, options={'num_warps': warps}).asm['cubin']


def resources(code: bytes) -> dict[str, int]:
    """What `cuobjdump` says about machine code: REG, STACK, SHARED, LOCAL."""
    with tempfile.NamedTemporaryFile(suffix='.cubin') as file:
        file.write(code)
        file.flush()
        text = subprocess.run(
            [TOOL, '-res-usage', file.name], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    return {name: int(value) for name, value in re.findall(r'(REG|STACK|SHARED|LOCAL):(\d+)', text)}


def main() -> None:
    """Parses the command line and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--capability', type=int, nargs='+', default=[70, 80, 90])
    parser.add_argument('--only', nargs='+', help='kernels to compile')
    args = parser.parse_args()
    print(f'Triton {triton.__version__}')
    print(f'{"":32}{"registers":>10}{"stack":>7}{"spilled":>9}{"shared":>8}{"seconds":>9}')
    for capability in args.capability:
        for number in ('fp32', 'fp64'):
            for yaw in (True, False):
                for name, kernel, constants, warps in kernels(yaw):
                    if args.only and name not in args.only:
                        continue
                    start = time.perf_counter()
                    code = compile_kernel(kernel, constants, number, warps, capability)
                    found, elapsed = resources(code), time.perf_counter() - start
                    label = f'sm_{capability} {number} {4 if yaw else 6}DoF {name}'
                    print(f'{label:32}{found["REG"]:10}{found["STACK"]:7}', end='')
                    print(f'{found["LOCAL"]:9}{found["SHARED"]:8}{elapsed:9.1f}', flush=True)


if __name__ == '__main__':
    main()
