r"""Memory of a training step with the options for small GPUs, counted on a CPU.

Weights, gradients and the two moments of AdamW take four times the weights. To this comes what
operations keep for the backward pass, counted by torch's hooks for saved tensors: each block of
memory once, at its peak, so with what checkpointing computes again. Working memory of single
operations and what an allocator rounds up are not in it.

Example:
    python benchmarks/training_memory.py                          # small network, 384 x 160
    python benchmarks/training_memory.py --network full --batches 1   # v2 with ResNet-101-DCN
"""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import nullcontext
from typing import NamedTuple

import torch
from compared_detectors import NETWORKS, make_batch, our_model, recompute_backbone
from terminaltables import AsciiTable
from torch import Tensor, nn

MIB = 2**20


class Option(NamedTuple):
    """A row of the table.

    Attributes:
        name: As the config says it.
        recompute: Whether the backbone's activations are computed again.
        half: Whether the forward pass runs under autocast to bfloat16.
    """

    name: str
    recompute: bool
    half: bool


OPTIONS = (
    Option('as it is', recompute=False, half=False),
    Option('backbone.with_cp=True', recompute=True, half=False),
    Option('autocast=bfloat16', recompute=False, half=True),
    Option('both', recompute=True, half=True),
)


class SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the memory that saved tensors hold, each storage once, inside its context.

    Args:
        constant: Tensors that are there anyway.
    """

    def __init__(self, constant: list[Tensor]) -> None:
        super().__init__(self._keep, lambda kept: kept.tensor)
        self.constant = {tensor.untyped_storage().data_ptr() for tensor in constant}
        self.holders: Counter = Counter()
        self.now = self.peak = 0

    def _keep(self, tensor: Tensor) -> _Kept:
        return _Kept(tensor, self)

    def hold(self, tensor: Tensor, change: int) -> None:
        """One holder more (1) or less (-1) of the tensor's storage."""
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        if place in self.constant:
            return
        before = self.holders[place]
        self.holders[place] += change
        if not before or not self.holders[place]:
            self.now += change * storage.nbytes()
            self.peak = max(self.peak, self.now)


class _Kept:
    """A saved tensor, until the backward pass has used it."""

    def __init__(self, tensor: Tensor, counter: SavedBytes) -> None:
        self.tensor, self.counter = tensor, counter
        counter.hold(tensor, 1)

    def __del__(self) -> None:
        self.counter.hold(self.tensor, -1)


def saved_for_backward(model: nn.Module, batch: dict, half: bool) -> int:
    """Peak of the bytes that operations of one step keep for its backward pass."""
    constant = [*model.parameters(), *model.buffers(), batch['img']]
    cast = torch.autocast('cpu', torch.bfloat16) if half else nullcontext()
    counter = SavedBytes(constant)
    with counter:
        with cast:
            loss = model.train_step(batch, None)['loss']
        loss.backward()
    return counter.peak


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--network', choices=list(NETWORKS), default='small')
    parser.add_argument('--batches', type=int, nargs='+', default=[4, 1], help='images per step')
    parser.add_argument('--objects', type=int, default=8, help='per image')
    args = parser.parse_args()
    network = NETWORKS[args.network]
    rows = [['MiB', *(f'{number} images' for number in args.batches)]]
    for option in OPTIONS:
        cells = []
        for number in args.batches:
            torch.manual_seed(0)
            model = our_model(network).train()
            if option.recompute:
                recompute_backbone(model)
            batch = make_batch(network, number, args.objects, 'cpu')
            weights = 4 * sum(p.numel() * p.element_size() for p in model.parameters())
            saved = saved_for_backward(model, batch, option.half)
            cells.append(f'{(weights + saved) / MIB:.0f}')
            print(f'{option.name}, {number} images: saved {saved / MIB:.0f}', flush=True)
        rows.append([option.name, *cells])
    print(AsciiTable(rows, f'{args.network} network, weights {weights / MIB:.0f}').table)


if __name__ == '__main__':
    main()
