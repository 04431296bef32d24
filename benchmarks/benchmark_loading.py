"""Time that reading an image costs: ours beside what mmcv does, processor time, medians.

Ours also finds the end of the file and its EXIF orientation, and tells the depth of the pixels.

Example:
    python benchmarks/benchmark_loading.py my_images/ --repeats 30
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
import mmcv
import numpy as np

from epropnp_det.inputs import decode_image, find_images, write_image


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', nargs='*', help='files or folders; by default made-up ones')
    parser.add_argument('--repeats', type=int, default=30)
    parser.add_argument('--work-dir', default='work_dirs/loading', help='for made-up images')
    return parser.parse_args()


def made_up(folder: Path) -> list[Path]:
    """Images of the size of nuScenes' with something like the texture of photographs."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 1, (900, 1600, 3))
    texture = np.cumsum(np.cumsum(noise, axis=0), axis=1)
    spread = np.ptp(texture, axis=(0, 1))
    pixels = ((texture - texture.min(axis=(0, 1))) / spread * 255).astype(np.uint8)
    pixels = np.clip(pixels + 6 * noise, 0, 255).astype(np.uint8)
    return [write_image(folder / f'{name}', pixels) for name in ('a.jpg', 'a.png')]


def ratio(ours: Callable[[], object], stock: Callable[[], object], repeats: int) -> tuple:
    """Medians in milliseconds of both, and median of the ratios of neighbouring runs."""
    pairs = []
    for _ in range(repeats):
        row = []
        for function in (stock, ours):
            start = time.process_time()
            function()
            row.append(1e3 * (time.process_time() - start))
        pairs.append(row)
    return (
        *(statistics.median(column) for column in zip(*pairs)),
        statistics.median(own / other for other, own in pairs),
    )


def main() -> None:
    """Measure each image and print a row."""
    args = parse_args()
    paths = find_images(args.images).paths if args.images else made_up(Path(args.work_dir))
    print(f'{"image":40s} {"mmcv ms":>9s} {"ours ms":>9s} {"ratio":>7s}')
    for path in paths:
        content = path.read_bytes()
        stock, own, quotient = ratio(
            lambda content=content: decode_image(content, 'a'),
            lambda content=content: mmcv.imfrombytes(content, flag='color'),
            args.repeats,
        )
        print(f'{path.name[-40:]:40s} {stock:9.2f} {own:9.2f} {quotient:7.3f}')


if __name__ == '__main__':
    main()
