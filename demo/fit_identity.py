"""The paper's identity fit: a network learns correspondences from poses alone, through the layer.

Example:
    python demo/fit_identity.py [--steps 800] [--out work_dirs/fit_identity]

A small MLP sees a 6DoF pose and must put out 64 weighted 2D-3D correspondences whose PnP solution
is that pose (docs/method.md 1.10). Nothing tells it what the correspondences are: the Monte
Carlo pose loss makes them agree. Writes ``fit_identity.png``, the pose distribution of one
validation pose narrowing around the truth and the errors over time, and prints the errors. Needs
torch, matplotlib and tqdm; a few minutes on a CPU, because samples, proposals and steps are fewer
than the paper's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

from epropnp_det.pnp import (
    AdaptiveHuberCost,
    EProPnP6DoF,
    LMSolver,
    MonteCarloPoseLoss,
    PerspectiveCamera,
    RSLMSolver,
)

POINTS = 64
NOISE = 0.01
VALIDATION_POSES = 256


class Identity(nn.Module):
    """Pose -> correspondences: an MLP 7-1024-(64 x 7) and a learned log-scale per image axis."""

    def __init__(self, log_scale: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(7, 1024), nn.LeakyReLU(), nn.Linear(1024, POINTS * 7))
        self.log_scale = nn.Parameter(torch.full((2,), log_scale))

    def forward(self, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 7) -> x3d (B, 64, 3), x2d (B, 64, 2), w2d (B, 64, 2)."""
        x3d, x2d, logits = self.mlp(pose).view(-1, POINTS, 7).split((3, 2, 2), dim=-1)
        return x3d, x2d, logits.softmax(dim=1) * self.log_scale.exp()


class Errors(NamedTuple):
    """Median errors of the validation poses' PnP solutions, in units of length and in degrees."""

    position: float
    rotation: float


class Snapshot(NamedTuple):
    """The posterior of the first validation pose after some steps."""

    step: int
    samples: Tensor  # (S, 7)
    weights: Tensor  # (S,)
    solution: Tensor  # (7,)
    errors: Errors


def random_poses(num: int, generator: torch.Generator) -> Tensor:
    """Positions around (0, 0, 5) with unit variance and uniform orientations, (num, 7)."""
    position = torch.randn(num, 3, generator=generator) + torch.tensor([0.0, 0.0, 5.0])
    quaternion = functional.normalize(torch.randn(num, 4, generator=generator), dim=-1)
    return torch.cat((position, quaternion), dim=-1)


def regularisation(pose_plus: Tensor, truth: Tensor) -> Tensor:
    """Derivative regularisation: position and orientation errors of ``y* + dy``."""
    distance = (pose_plus[:, :3] - truth[:, :3]).norm(dim=-1)
    position = functional.smooth_l1_loss(distance, torch.zeros_like(distance))
    cosine = (pose_plus[:, 3:] * truth[:, 3:]).sum(-1)
    return 0.1 * position + 0.1 * (2 * (1 - cosine.square())).mean()


def rotation_degrees(quaternion: Tensor, truth: Tensor) -> Tensor:
    """Angle between orientations, (..., 4) each -> (...)."""
    cosine = (quaternion * truth).sum(-1).abs().clamp(max=1)
    return torch.rad2deg(2 * torch.acos(cosine))


class Trainer:
    """Model, layer, loss and optimiser of the experiment."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.generator = torch.Generator().manual_seed(args.seed)
        self.batch = args.batch
        self.model = Identity(args.log_scale)
        cost = AdaptiveHuberCost(relative_delta=0.5, detach_x2d=True)
        self.layer = EProPnP6DoF(
            mc_samples=args.samples,
            num_iter=4,
            cost=cost,
            solver=LMSolver(num_iter=5),
            init_solver=RSLMSolver(num_points=8, num_proposals=args.proposals, num_iter=3),
        )
        # more samples and proposals to look at the result than to learn from it
        self.judge = EProPnP6DoF(
            mc_samples=4096,
            num_iter=8,
            cost=cost,
            init_solver=RSLMSolver(num_points=8, num_proposals=64, num_iter=3),
        )
        self.loss = MonteCarloPoseLoss(momentum=0.1)
        self.camera = PerspectiveCamera(torch.eye(3))
        self.optimizer = torch.optim.Adam(
            [
                {'params': self.model.mlp.parameters(), 'lr': args.lr},
                {'params': [self.model.log_scale], 'lr': 1e-2},
            ]
        )
        self.validation = random_poses(
            VALIDATION_POSES, torch.Generator().manual_seed(args.seed + 1)
        )

    def step(self) -> None:
        """One optimiser step on new poses."""
        truth = random_poses(self.batch, self.generator)
        noisy = truth + NOISE * torch.randn(truth.shape, generator=self.generator)
        result = self.layer.monte_carlo_forward(
            *self.model(noisy),
            self.camera,
            pose_init=truth,
            with_pose_plus=True,
            generator=self.generator,
        )
        scale = self.model.log_scale.detach().exp().mean()
        monte_carlo = self.loss(result.log_weights, result.cost_target, scale)
        self.optimizer.zero_grad()
        (monte_carlo + regularisation(result.pose_plus, truth)).backward()
        self.optimizer.step()

    @torch.no_grad()
    def snapshot(self, step: int) -> Snapshot:
        """Solves the validation poses, which the solver is not told."""
        points, generator = self.model(self.validation), torch.Generator().manual_seed(0)
        solved = self.judge(*points, self.camera, generator=generator)
        distance = (solved.pose[:, :3] - self.validation[:, :3]).norm(dim=-1)
        degrees = rotation_degrees(solved.pose[:, 3:], self.validation[:, 3:])
        first = self.judge.monte_carlo_forward(
            *(tensor[0] for tensor in points), self.camera, generator=generator
        )
        return Snapshot(
            step,
            first.samples,
            first.log_weights.softmax(0),
            first.pose,
            Errors(distance.median().item(), degrees.median().item()),
        )


def draw(shown: list[Snapshot], curve: list[Snapshot], truth: Tensor, path: Path) -> None:
    """Top: posterior in x-z; middle: its angles to the truth; bottom: errors over the steps."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(3.2 * len(shown), 9), constrained_layout=True)
    grid = figure.add_gridspec(3, len(shown))
    for column, snapshot in enumerate(shown):
        first = column == 0
        _draw_positions(figure.add_subplot(grid[0, column]), snapshot, truth, first)
        _draw_rotations(figure.add_subplot(grid[1, column]), snapshot, truth, first)
    steps = [snapshot.step for snapshot in curve]
    axes = figure.add_subplot(grid[2, :])
    axes.semilogy(steps, [s.errors.position for s in curve], 'o-', label='position')
    axes.set(xlabel='steps', ylabel='median position error')
    other = axes.twinx()
    other.semilogy(steps, [s.errors.rotation for s in curve], 's-', c='tab:red', label='rotation')
    other.set_ylabel('median rotation error, degrees')
    lines = [*axes.get_lines(), *other.get_lines()]
    axes.legend(lines, [line.get_label() for line in lines])
    axes.grid(alpha=0.3)
    figure.suptitle('Posterior of one validation pose; colour and height are sample weight')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _draw_positions(axes: object, snapshot: Snapshot, truth: Tensor, first: bool) -> None:
    order = snapshot.weights.argsort()
    x, z = snapshot.samples[order][:, [0, 2]].unbind(1)
    axes.scatter(x, z, c=snapshot.weights[order], s=6, cmap='viridis')
    axes.plot(truth[0], truth[2], 'r+', markersize=18, markeredgewidth=2, label='truth')
    axes.plot(snapshot.solution[0], snapshot.solution[2], 'kx', markersize=9, label='PnP solution')
    reach = 3.0
    axes.set(
        title=f'after {snapshot.step} steps',
        xlabel='x',
        xlim=(truth[0] - reach, truth[0] + reach),
        ylim=(truth[2] - reach, truth[2] + reach),
    )
    if first:
        axes.set_ylabel('z')
        axes.legend(loc='lower left', fontsize=8)


def _draw_rotations(axes: object, snapshot: Snapshot, truth: Tensor, first: bool) -> None:
    degrees = rotation_degrees(snapshot.samples[:, 3:], truth[3:])
    axes.hist(degrees, bins=36, range=(0, 180), weights=snapshot.weights, color='tab:blue')
    axes.set(xlabel='rotation from the truth, degrees', ylim=(0, 1))
    if first:
        axes.set_ylabel('posterior mass')


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--steps', type=int, default=800, help='the paper runs 2560')
    parser.add_argument('--batch', type=int, default=256)
    parser.add_argument('--samples', type=int, default=128, help='a multiple of 4; the paper: 512')
    parser.add_argument('--proposals', type=int, default=16, help='the paper uses 128')
    parser.add_argument('--lr', type=float, default=3e-4, help='the paper uses 1e-4')
    parser.add_argument('--log-scale', type=float, default=1.0, help='initial; the paper uses 0')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/fit_identity'))
    args = parser.parse_args()
    if args.steps < 1 or args.batch < 1:
        parser.error('--steps and --batch must be positive')
    return args


def main() -> None:
    """Trains, prints errors, draws."""
    args = parse_args()
    trainer = Trainer(args)
    shown = {0, args.steps // 4, args.steps // 2, args.steps}
    every = max(1, args.steps // 20)
    curve = [trainer.snapshot(0)]
    bar = tqdm(range(1, args.steps + 1), unit='step')
    for step in bar:
        trainer.step()
        if step in shown or step % every == 0:
            curve.append(trainer.snapshot(step))
            bar.set_postfix(position=curve[-1].errors.position, degrees=curve[-1].errors.rotation)
    path = args.out / 'fit_identity.png'
    draw([s for s in curve if s.step in shown], curve, trainer.validation[0], path)
    for name, snapshot in (('before', curve[0]), ('after', curve[-1])):
        position, rotation = snapshot.errors
        print(f'{name + ":":8}position {position:.3f}, rotation {rotation:.1f} degrees (medians)')
    print(f'picture: {path}')


if __name__ == '__main__':
    main()
