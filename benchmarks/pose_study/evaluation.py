"""Accuracy on the test images, whose crops' surroundings travel with the data."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from epropnp_6dof.crops.framing import Framing
from epropnp_6dof.data.targets import stacked_crops
from epropnp_6dof.evaluation.report import evaluate_results
from epropnp_6dof.models import Crops
from epropnp_6dof.models.solver import PoseSolver
from epropnp_6dof.models.structures import Correspondences
from epropnp_6dof.objects.instances import Instance
from epropnp_6dof.objects.models import ObjectModel


class TestImages:
    """Crops of the test images, on the device; ``limit`` of them."""

    def __init__(self, folder: Path, model: ObjectModel, device: str, limit: int) -> None:
        data = np.load(folder / 'test.npz')
        fields = [data[n] for n in ('cam2img', 'rotation', 'translation', 'box')]
        self.instances, items = [], []
        framing = Framing(128, 32)
        for k in range(min(limit, len(data['box']))):
            camera, rotation, translation, box = (field[k] for field in fields)
            number = int(data['image_ids'][k])
            instance = Instance(
                Path(),
                model.obj_id,
                number,
                0,
                model.obj_id,
                camera,
                rotation,
                translation,
                box,
                None,
                1.0,
            )
            patch = cv2.imread(str(folder / 'test' / f'{k:03d}.png'))
            image = np.zeros((480, 640, 3), np.uint8)
            left, top = data['corners'][k]
            image[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
            items.append(stacked_crops(image, framing.around(box, image, 1), instance, model))
            self.instances.append(instance)
        batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
        self.batch = {name: value.to(device) for name, value in batch.items()}
        self.models = {model.obj_id: model}

    @torch.no_grad()
    def accuracy(self, network: torch.nn.Module) -> dict[str, float]:
        """Accuracies in percent, medians; the network is left in training mode."""
        network.eval()
        batch = dict(self.batch)
        points = network.predict(batch.pop('img'), Crops(**batch))[1]
        solver = PoseSolver(**network.test_cfg)
        results = solver.results(points, batch['cam2img'][:, 0])
        network.train()
        found = evaluate_results(results, self.instances, self.models)
        return {k[5:]: v for k, v in found.items() if k.startswith('mean/')}

    @torch.no_grad()
    def speed(self, network: torch.nn.Module) -> dict[str, float]:
        """Milliseconds on the device, medians of 5: network and solver, beside a loop of EPnP."""
        network.eval()
        batch = {name: value[:100] for name, value in self.batch.items()}
        image, cameras = batch.pop('img'), batch['cam2img'][:, 0]
        crops = Crops(**batch)
        points = network.predict(image, crops)[1]
        solver = PoseSolver(**network.test_cfg)
        loop = PoseSolver(start='epnp', iterations=3, fast_mode=True)

        def part(first: int, last: int) -> tuple[Correspondences, torch.Tensor]:
            return Correspondences(*(p[first:last] for p in points)), cameras[first:last]

        def one_by_one() -> None:
            for k in range(min(10, len(cameras))):
                loop.solve(*part(k, k + 1))

        contestants = {
            'network, 1 crop': lambda: network.predict(image[:1], Crops(*(c[:1] for c in crops))),
            'network, 100 crops': lambda: network.predict(image, crops),
            'solver, 1 pose': lambda: solver.solve(*part(0, 1)),
            'solver, 100 poses': lambda: solver.solve(*part(0, 100)),
            'EPnP and 3 GN in a loop, 10 poses': one_by_one,
        }
        found = {name: median_time(run, image.device) for name, run in contestants.items()}
        network.train()
        return found


def median_time(run: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """Median wall time in milliseconds, after one run that does not count."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        run()
        if device.type == 'cuda':
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - begin))
    return float(np.median(times[1:]))
