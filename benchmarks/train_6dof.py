"""Train object pose networks on one GPU for a given time.

Views are drawn, and crops cut and changed, on the device: a step waits for no file. ``main`` is the
network that ships, ``ablation`` trains smaller ones with and without each loss on the same
batches, ``can`` and ``brick`` learn made-up symmetric objects.

Example:
    python benchmarks/train_6dof.py pack data/linemod_cat data/linemod_cat_packed
    python benchmarks/train_6dof.py main data/linemod_cat_packed work_dirs/pose --seconds 400
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from pose_study.course import Course
from pose_study.jobs import JOBS, network_config
from pose_study.learner import Learner
from pose_study.material import MADE, Material, objects_entry
from pose_study.packing import pack


def main() -> None:
    """Packs data, or trains."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('job', choices=('pack', *JOBS))
    parser.add_argument('data', type=Path, help='packed data; for pack, the data set in BOP layout')
    parser.add_argument('out', type=Path, help='folder to write')
    parser.add_argument('--object', type=int, default=6, help='for pack: number of the object')
    parser.add_argument('--seconds', type=float, default=400, help='time to train')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--shrink', type=int, default=1, help='divides batches, for a trial')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.job == 'pack':
        pack(args.data, args.out, args.object)
    else:
        train(args)


def train(args: argparse.Namespace) -> None:
    """Trains the networks of a job."""
    begin, job, shrink = time.time(), JOBS[args.job], args.shrink
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1)
    job = job._replace(
        real=job.real // shrink, views=job.views // shrink, renew=-(-job.renew // shrink)
    )
    material = Material(args.job, job, args.data, args.device, shrink)
    objects = objects_entry(material.model) if args.job in MADE else None
    learners = [
        Learner(name, network_config(net, losses, objects), job, args.device)
        for name, (net, losses) in job.nets.items()
    ]
    torch.manual_seed(2)
    print(f'ready after {time.time() - begin:.1f} s')
    Course(args.job, material, learners, args.out).run(args.seconds)
    if args.job == 'main':
        print(material.test.speed(learners[0].average))


if __name__ == '__main__':
    main()
