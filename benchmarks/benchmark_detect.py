"""What `detect` costs beside the bare forward pass, and whether memory stays flat on many images.

Processor time; both take turns, and the ratio is the median of those of neighbouring runs. The bare
pass gets the input of the network ready made: loading, resizing and typed results are the rest.

Example:
    python benchmarks/benchmark_detect.py my_images/ --focal 1266 --repeats 20 --stream 100
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice

import epropnp_det  # noqa: F401  first, since it keeps mmcv quiet

# isort: split
from mmcv.parallel import collate

from epropnp_det.apis import detect, detect_stream, init_detector, intrinsics_from_focal
from epropnp_det.apis.inference import network_inputs
from epropnp_det.engine import forward
from epropnp_det.inputs import find_images, read_image


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', nargs='+', help='image files or folders of one camera')
    parser.add_argument('--focal', type=float, required=True, help='focal length in pixels')
    parser.add_argument('--config', help='config; default: the one that the checkpoint carries')
    parser.add_argument('--checkpoint', help='weights; default: those that ship with the package')
    parser.add_argument('--repeats', type=int, default=20, help='pairs of runs on the first image')
    parser.add_argument('--stream', type=int, default=100, help='images for the memory; 0: none')
    parser.add_argument('--batch-size', type=int, default=4, help='of the stream')
    parser.add_argument('--device', help='cpu, cuda; by default the GPU where there is one')
    return parser.parse_args()


def alternate(first: Callable[[], object], second: Callable[[], object], repeats: int) -> tuple:
    """Medians in milliseconds of both, and the median of the ratios second / first."""
    pairs = []
    for index in range(repeats + 1):
        row = []
        for function in (first, second):
            start = time.process_time()
            function()
            row.append(1e3 * (time.process_time() - start))
        if index:  # the first pair warms up
            pairs.append(row)
    return (
        *(statistics.median(column) for column in zip(*pairs)),
        statistics.median(late / early for early, late in pairs),
    )


def peak_memory() -> float:
    """Of this process so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != 'darwin' else 1024**2)


def main() -> None:
    """Measure, and print both tables."""
    args = parse_args()
    paths = list(find_images(args.images).paths)
    image = read_image(paths[0])
    cam2img = intrinsics_from_focal(args.focal, image.shape[1::-1])
    model = init_detector(args.config, args.checkpoint, args.device)
    (sample,) = network_inputs(model, [image], iter([cam2img]))
    batch = collate([sample], samples_per_gpu=1)
    objects = len(detect(model, image, cam2img))
    print(f'{image.shape[1]} x {image.shape[0]}, {objects} objects, {args.repeats} pairs')
    print(f'{"detect of":10s} {"forward ms":>11s} {"detect ms":>10s} {"ratio":>7s}')
    for name, source in (('array', image), ('file', paths[0])):
        bare, whole, ratio = alternate(
            lambda: forward(model, batch),
            lambda source=source: detect(model, source, cam2img),
            args.repeats,
        )
        print(f'{name:10s} {bare:11.1f} {whole:10.1f} {ratio:7.3f}')
    if args.stream:
        print(f'\n{"images":>7s} {"peak MiB":>9s}   in batches of {args.batch_size}')
        stream = detect_stream(model, islice(cycle(paths), args.stream), cam2img, args.batch_size)
        for index, _ in enumerate(stream, 1):
            if index in (1, args.stream) or index % 20 == 0:
                print(f'{index:7d} {peak_memory():9.0f}', flush=True)


if __name__ == '__main__':
    main()
