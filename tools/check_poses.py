"""Look at pose annotations before training on them: what is wrong, and pictures of them.

Each mesh is projected as it is annotated. Wrong units, extents, frames and intrinsics are named;
the pictures show the outline of the mesh, the axes of the object and the annotated box.

Example:
    python tools/check_poses.py data/lm/train data/lm/models --out work_dirs/lm_check
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from epropnp_6dof.data.bop import read_bop
from epropnp_6dof.data.checking import check_model, check_poses, explain
from epropnp_6dof.data.images import read_image
from epropnp_6dof.objects.instances import Instance
from epropnp_6dof.objects.models import Mesh, read_models
from epropnp_6dof.visualization import draw_axes, draw_contour
from epropnp_det.atomic import check_writable
from epropnp_det.inputs import write_image
from epropnp_det.progress import progress
from epropnp_det.visualization import titled

BOX_COLOR = (240, 240, 240)


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('split', help='folder of scenes in BOP layout')
    parser.add_argument('models', help='folder of the models, with models_info.json')
    parser.add_argument('--out', default='work_dirs/pose_check', help='folder for the pictures')
    parser.add_argument('--limit', type=int, default=40, help='annotations of each object')
    parser.add_argument('--pictures', type=int, default=4, help='of each object')
    return parser.parse_args()


def spread(instances: list[Instance], limit: int) -> list[Instance]:
    """At most so many annotations of each object, spread evenly."""
    by_object: dict[int, list[Instance]] = {}
    for instance in instances:
        by_object.setdefault(instance.obj_id, []).append(instance)
    chosen = []
    for group in by_object.values():
        steps = np.linspace(0, len(group) - 1, min(limit, len(group))).round().astype(int)
        chosen += [group[k] for k in np.unique(steps)]
    return chosen


def draw(instance: Instance, mesh: Mesh, diameter: float) -> np.ndarray:
    """The annotation on its image, below a verdict."""
    image = read_image(str(instance.image))
    pose = (instance.rotation, instance.translation, instance.cam2img)
    seen = draw_axes(draw_contour(image, mesh, *pose), *pose, diameter / 2)
    x, y, width, height = instance.box.round().astype(int).tolist()
    cv2.rectangle(seen, (x, y), (x + width - 1, y + height - 1), BOX_COLOR, 1)
    verdict = explain(instance, mesh, image.shape[1::-1])
    return titled(seen, verdict or f'object {instance.obj_id}: meets its annotation')


def run(args: argparse.Namespace) -> int:
    """Prints what was found and draws; returns how many faults there are."""
    models = read_models(args.models)
    instances = spread(read_bop(args.split), args.limit)
    used = sorted({instance.obj_id for instance in instances})
    unknown = [obj_id for obj_id in used if obj_id not in models]
    if unknown:
        raise ValueError(f'{args.models} has no objects {unknown}, which {args.split} annotates')
    meshes = {obj_id: models[obj_id].mesh() for obj_id in used}
    faults = [line for obj_id in used for line in check_model(models[obj_id], meshes[obj_id])]
    check_writable(Path(args.out))
    drawn: Counter = Counter()
    sizes = []
    with progress(total=len(instances), title='checking') as bar:
        for instance in instances:
            sizes.append(read_image(str(instance.image)).shape[1::-1])
            if drawn[instance.obj_id] < args.pictures:
                drawn[instance.obj_id] += 1
                name = f'{instance.key.replace("/", "_")}_object_{instance.obj_id:02d}.png'
                diameter = models[instance.obj_id].diameter
                write_image(
                    Path(args.out) / name, draw(instance, meshes[instance.obj_id], diameter)
                )
            bar.update()
    for finding in check_poses(instances, meshes, sizes):
        right = finding.checked - finding.wrong
        print(f'object {finding.obj_id}: {right} of {finding.checked} meet their annotations')
        faults += [
            f'object {finding.obj_id}, {count} annotations: {reason}'
            for reason, count in finding.reasons
        ]
    print('\n'.join(faults) if faults else 'nothing suspicious')
    print(f'{sum(drawn.values())} pictures in {args.out}')
    return len(faults)


def main() -> None:
    """Check; exit code 1 where something is wrong."""
    try:
        faults = run(parse_args())
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main()
