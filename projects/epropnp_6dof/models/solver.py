"""From correspondences to poses: start, solver, posterior (docs/method_6dof.md 5)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from epropnp_det.pnp import PerspectiveCamera

from .layer import Z_MIN, build_layer, calibration
from .structures import Correspondences


class PoseSolver:
    """Solves the poses of crops in one batch.

    Args:
        start: ``rslm``, random subsets, or ``epnp``, OpenCV's on the fifth of the points with the
            largest weights, for parity with the published numbers.
        iterations: Of the solver after the start; it is safeguarded, and 10 reach the optimum of
            nearly all objects.
        fast_mode: Gauss-Newton instead of Levenberg-Marquardt.
        proposals: Random subsets per object.
        proposal_iter: Iterations on each.
        samples: Posterior samples per object; 0 for none.
        num_train_points: Points per crop in training, for calibrated weights (X2); None leaves them
            as the network gave them.
        seed: Of the draws.

    Raises:
        ValueError: If there is no such start.
    """

    def __init__(
        self,
        start: str = 'rslm',
        iterations: int = 10,
        fast_mode: bool = False,
        proposals: int = 64,
        proposal_iter: int = 3,
        samples: int = 0,
        num_train_points: int | None = None,
        seed: int = 0,
    ) -> None:
        if start not in ('rslm', 'epnp'):
            raise ValueError(f"start must be 'rslm' or 'epnp', got {start!r}")
        self.start = start
        self.fast_mode = fast_mode
        self.samples = samples
        self.num_train_points = num_train_points
        self.seed = seed
        self.layer = build_layer(
            mc_samples=max(samples, 4),
            lm_iter=iterations,
            proposals=proposals,
            proposal_iter=proposal_iter,
        )

    @torch.no_grad()
    def solve(self, points: Correspondences, cam2img: Tensor):
        """Poses of ``B`` objects.

        Args:
            points: All cells of the grids.
            cam2img: (B, 3, 3), to the pixels of ``points.x2d``.

        Returns:
            `epropnp_det.pnp.PnPResult`, or `MonteCarloResult` with ``samples``.
        """
        factor = calibration(self.num_train_points, points.x3d.size(1))
        points = points._replace(w2d=points.w2d * factor)
        camera = PerspectiveCamera(cam2img, Z_MIN)
        generator = torch.Generator(points.x3d.device).manual_seed(self.seed)
        options = {'fast_mode': self.fast_mode, 'generator': generator, 'force_init_solve': False}
        if self.start == 'epnp':
            options['pose_init'] = epnp(points, cam2img)
        if self.samples:
            return self.layer.monte_carlo_forward(*points, camera, **options)
        return self.layer(*points, camera, **options)

    def results(self, points: Correspondences, cam2img: Tensor) -> list[dict[str, np.ndarray]]:
        """Results of `solve` as arrays, one dict per object."""
        solution = self.solve(points, cam2img)
        fields = ['pose', 'pose_cov', 'cost', 'converged', 'valid']
        arrays = {name: getattr(solution, name).cpu().numpy() for name in fields}
        if self.samples:
            arrays['ess'] = solution.ess.cpu().numpy()
            arrays['samples'] = solution.samples.transpose(0, 1).cpu().numpy()
            arrays['log_weights'] = solution.log_weights.t().cpu().numpy()
        return [{name: a[i] for name, a in arrays.items()} for i in range(len(points.x3d))]


def confident_points(w2d: Tensor, share: float = 0.2) -> Tensor:
    """The points whose mean weight reaches the quantile ``1 - share``, (B, n) bool."""
    confidence = w2d.mean(-1)
    if not len(confidence):
        return confidence.bool()  # an empty tensor has no quantile
    return confidence >= confidence.quantile(1 - share, dim=1, keepdim=True)


def epnp(points: Correspondences, cam2img: Tensor) -> Tensor:
    """OpenCV's EPnP per object on its most confident points (docs/method_6dof.md 5, step 2).

    Objects for which it fails get the identity a metre before the camera (X29).

    Returns:
        (B, 7).
    """
    import cv2

    chosen = confident_points(points.w2d).cpu().numpy()
    x3d, x2d, cameras = (
        tensor.detach().cpu().double().numpy() for tensor in (points.x3d, points.x2d, cam2img)
    )
    poses = np.zeros((len(x3d), 7))
    poses[:, 2:4] = 1
    for pose, take, object_points, pixels, camera in zip(poses, chosen, x3d, x2d, cameras):
        seen = pixels[take]
        if camera[0, 1] or camera[1, 0]:
            # OpenCV knows no skew: the points are taken to the plane z = 1 first.
            plane = np.c_[seen, np.ones(len(seen))] @ np.linalg.inv(camera).T
            seen, camera = np.ascontiguousarray(plane[:, :2]), np.eye(3)
        try:
            found, rotation, translation = cv2.solvePnP(
                object_points[take], seen, camera, None, flags=cv2.SOLVEPNP_EPNP
            )
        except cv2.error:
            continue
        angle = np.linalg.norm(rotation)
        if found and np.isfinite(angle) and np.isfinite(translation).all():
            pose[:3] = translation[:, 0]
            pose[3] = np.cos(angle / 2)
            pose[4:] = np.sinc(angle / 2 / np.pi) / 2 * rotation[:, 0]
    return torch.from_numpy(poses).to(points.x3d)
