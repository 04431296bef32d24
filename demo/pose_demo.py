"""Estimate the poses of known objects in an image, and draw them and their posterior.

Example:
    python demo/pose_demo.py IMAGE --intrinsics FX FY CX CY --box X Y W H --mesh obj_000006.ply
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from epropnp_6dof.apis import infer, init_estimator, objects_of
from epropnp_6dof.data.images import read_image
from epropnp_6dof.objects.models import read_mesh
from epropnp_6dof.visualization import draw_axes, draw_contour, pose_panel


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('image', help='image, or a folder of images of one camera and one box')
    parser.add_argument('--intrinsics', type=float, nargs=4, required=True, metavar='NUMBER')
    parser.add_argument('--box', type=float, nargs=4, action='append', required=True)
    parser.add_argument('--object', type=int, action='append', help='number of each box, or of all')
    parser.add_argument('--checkpoint', help='weights; those of the package by default')
    parser.add_argument('--config', help='config; that in the checkpoint by default')
    parser.add_argument('--models', help='folder of models in BOP layout')
    parser.add_argument('--mesh', help='mesh in millimetres, for the outline')
    parser.add_argument('--samples', type=int, default=512, help='posterior samples')
    parser.add_argument('--out', default='work_dirs/pose_demo', help='folder for the results')
    parser.add_argument('--device')
    return parser.parse_args()


def main() -> None:
    """Estimates, prints and draws."""
    args = parse_args()
    try:
        run(args)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'error: {error}')


def run(args: argparse.Namespace) -> None:
    """Goes through the images.

    Raises:
        FileNotFoundError: If there is no image.
    """
    path = Path(args.image)
    suffixes = ('.png', '.jpg', '.jpeg')
    files = (
        sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
        if path.is_dir()
        else [path]
    )
    if not files or not files[0].is_file():
        raise FileNotFoundError(f'no image {path}')
    fx, fy, cx, cy = args.intrinsics
    cam2img = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    model = init_estimator(args.checkpoint, args.config, args.device)
    objects = objects_of(args.models or model)
    mesh = read_mesh(args.mesh) if args.mesh else None
    obj_ids = args.object[0] if args.object and len(args.object) == 1 else args.object
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for file in files:
        image = read_image(str(file))
        poses = infer(model, image, cam2img, np.array(args.box), obj_ids, objects, args.samples)
        drawn, rows = image, []
        for pose in poses:
            diameter = objects[pose.obj_id].diameter
            drawn = draw_axes(drawn, pose.rotation, pose.translation, cam2img, diameter / 2)
            if mesh is not None:
                drawn = draw_contour(drawn, mesh, pose.rotation, pose.translation, cam2img)
            rows.append(pose_panel(image, cam2img, pose, mesh, diameter))
            deviation = np.sqrt(np.diag(pose.covariance))
            print(
                f'{file.name} object {pose.obj_id}: x, y, z = {pose.translation.round(4)} m '
                f'+- {deviation[:3].round(4)}, converged {pose.converged}, '
                f'{pose.ess:.0f} effective samples'
            )
        cv2.imwrite(str(out / f'{file.stem}_poses.png'), drawn)
        cv2.imwrite(str(out / f'{file.stem}_panels.png'), np.vstack(rows))
        table = [
            {
                'obj_id': pose.obj_id,
                'rotation': pose.rotation.tolist(),
                'translation': pose.translation.tolist(),
                'covariance': pose.covariance.tolist(),
                'valid': pose.valid,
            }
            for pose in poses
        ]
        (out / f'{file.stem}_poses.json').write_text(json.dumps(table, indent=1) + '\n')
    print(f'pictures and poses in {out}')


if __name__ == '__main__':
    main()
