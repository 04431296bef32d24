"""Learn a symmetric object from renderings, and draw the modes of the posterior of its pose.

A made-up brick that a half turn leaves as it is: renders it, trains a small network for some
minutes of a processor core, evaluates it on renderings that it has not seen, and draws some of
them with their posterior. Interrupted, it
goes on where it was; done steps are skipped. docs/6dof.md, "A symmetric object", explains.

Example:
    python demo/symmetric_object.py
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
import cv2
import numpy as np
from mmcv import Config

from epropnp_6dof.apis import infer, init_estimator
from epropnp_6dof.data.bop import detected, read_bop
from epropnp_6dof.data.images import read_image
from epropnp_6dof.objects.models import read_models
from epropnp_6dof.visualization import pose_panel
from epropnp_det.apis.chains import training_step, write_config
from epropnp_det.engine import Step, StepChain, StepFailed, config_fingerprint, with_data_root
from epropnp_det.engine.steps import python

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs' / 'epropnp_6dof' / 'epropnp_6dof_r18_brick_cpu.py'
SIDE = 200
"""Of each picture."""
QUALITY = 88


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/symmetric_object'))
    parser.add_argument('--train', type=int, default=1200, help='renderings to learn from')
    parser.add_argument('--test', type=int, default=200, help='renderings to evaluate on')
    parser.add_argument('--iters', type=int, help='training iterations; those of the config')
    parser.add_argument('--seed', type=int, default=0, help='of renderings and training')
    parser.add_argument('--samples', type=int, default=1024, help='of the posteriors drawn')
    parser.add_argument('--show', type=int, default=4, help='objects to draw')
    return parser.parse_args()


def plan(args: argparse.Namespace, path: Path, cfg: Config) -> list[Step]:
    """The steps; estimates are for an idle core."""
    work, tools, data = args.work_dir, ROOT / 'tools', Path(cfg.data_root)
    maps, latest = data / 'prepared', work / 'train' / 'latest.pth'
    (obj_id,) = cfg.obj_ids
    sizes = ['--train', args.train, '--test', args.test, '--seed', args.seed]
    render = python(
        tools / 'make_synthetic_linemod.py', data, '--objects', obj_id, '--upright', *sizes
    )
    prepare = python(tools / 'prepare_lm.py', data / 'train', data / 'models', maps)
    device = ['--device', 'cpu']
    test = python(
        tools / 'test.py', path, latest, '--eval', 'pose', '--work-dir', work / 'eval', *device
    )
    images, mark = args.train + args.test, config_fingerprint(cfg)
    return [
        Step('render', 'Render the brick', render, 0.04 * images, (data,)),
        Step('maps', 'Render coordinate maps', prepare, 5 + 0.05 * args.train, (maps,)),
        training_step(
            tools, path, cfg, work / 'train', 0.3 * cfg.total_iters, [*device, '--seed', args.seed]
        ),
        Step('test', 'Evaluate', test, 10 + 0.02 * args.test, (work / 'eval',), mark),
    ]


def draw(args: argparse.Namespace, cfg: Config) -> np.ndarray:
    """Panels of the first test images, one above the other."""
    model = init_estimator(args.work_dir / 'train' / 'latest.pth', cfg, 'cpu')
    test = cfg.data.test
    objects = read_models(test.models)
    rows = []
    for instance in detected(read_bop(test.split), jitter=test.box_jitter)[: args.show]:
        image, thing = read_image(str(instance.image)), objects[instance.obj_id]
        camera, boxes = instance.cam2img, instance.box[None]
        (pose,) = infer(model, image, camera, boxes, instance.obj_id, objects, args.samples)
        panel = pose_panel(image, camera, pose, thing.mesh(), thing.diameter, SIDE)
        rows.append(panel)
        print(f'{instance.image.name}: {pose.ess:.0f} effective samples of {args.samples}')
    return np.vstack(rows)


def main() -> None:
    """Runs what is not done yet, prints the accuracy and draws."""
    args = parse_args()
    work = args.work_dir
    cfg = with_data_root(Config.fromfile(CONFIG), work / 'data')
    if args.iters:
        cfg.total_iters = cfg.runner.max_iters = args.iters
    path = write_config(cfg, work / 'config.py')
    try:
        StepChain(work / 'steps.json').run(plan(args, path, cfg))
    except (StepFailed, FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    metrics = json.loads((work / 'eval' / 'metrics.json').read_text('utf-8'))
    for name in ('ADD 0.02d', 'ADD 0.05d', 'ADD 0.1d', 'MSSD AR', 'MSPD AR'):
        print(f'{name.replace("ADD", "ADD-S")}: {metrics[f"mean/{name}"]:.1f} %')
    picture = work / 'symmetric_object.jpg'
    cv2.imwrite(str(picture), draw(args, cfg), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    print(f'{picture} shows the posterior')


if __name__ == '__main__':
    main()
