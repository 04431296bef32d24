"""Benchmark of the layer against a plain implementation and OpenCV.

Example:
    python benchmarks/benchmark_pnp.py [--device cuda] [--threads 2] [--repeats 5]
    python benchmarks/benchmark_pnp.py [--iterations] --accuracy path/to/infos_val_mono3d.coco.json

The first table compares times and peak memory with ``benchmarks/reference_pnp.py``, the same work
written the straightforward way: a stand-in for the official layer, which is slower than that one by
6 to 30 %. Hence the columns ``official``: times of the stand-in by the ratio that was measured
once. ``x limit`` is our time by what the floating-point operations alone would take. A second table
counts kernels and waits for the device, which are what a GPU's time hangs on at these sizes. With
--device cuda there is one table instead: times, launches, waits and memory of Triton's kernels,
plain torch and the stand-in, and times of the first as CUDA graphs. The last compares accuracy and
time with OpenCV's `solvePnP` (and PoseLib's LO-RANSAC, where it is installed: ``pip install
poselib``) on the boxes and cameras of a ``*_mono3d.coco.json``, with pixel noise and outliers; with
--iterations, and no outliers, how many of them converge.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'projects'))

from pnp_study.accuracy import accuracy_table, iterations_table, real_objects  # noqa: E402
from pnp_study.gpu import gpu_table  # noqa: E402
from pnp_study.speed import count_table, speed_table  # noqa: E402

from epropnp_det.pnp.backend import choose  # noqa: E402


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
    try:
        outliers = 0.0 if args.iterations else args.outliers
        objects = args.accuracy and real_objects(
            args.accuracy, args.points, args.noise, outliers, args.limit
        )
    except ValueError as error:
        parser.error(str(error))
    if args.threads:
        torch.set_num_threads(args.threads)
    name = torch.cuda.get_device_name() if args.device == 'cuda' else 'CPU'
    backend = choose(torch.zeros(1, device=args.device)).name
    threads = torch.get_num_threads()
    print(f'torch {torch.__version__}, {name}, {threads} threads, float32, {backend}')
    if not args.accuracy_only and not args.iterations:
        if args.device == 'cuda':
            gpu_table(args.repeats)
        else:
            speed_table(args.repeats)
            count_table()
    if objects:
        show = iterations_table if args.iterations else accuracy_table
        show(
            objects,
            f'{len(objects.pose)} boxes of {args.accuracy.name}, {args.points} points, noise '
            f'{args.noise:.0%} of the extent, {outliers:.0%} outliers',
        )


if __name__ == '__main__':
    main()
