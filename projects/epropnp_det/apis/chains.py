"""Steps that demos and benchmarks have in common: a synthetic data set, a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pprint import pformat

from mmcv import Config

from ..engine.config import config_fingerprint
from ..engine.steps import Step, python


def write_config(cfg: Config, path: Path) -> Path:
    """Writes a config where the commands of a chain read it, and returns the path.

    Laid out by the standard library: mmcv's ``dump`` takes five seconds for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = cfg._cfg_dict.to_dict()
    lines = [f'{name} = {pformat(value, sort_dicts=False)}\n' for name, value in content.items()]
    path.write_text(''.join(lines), encoding='utf-8')
    return path


def data_steps(
    tools: Path,
    root: Path,
    file: Path,
    version: str,
    options: Sequence[object],
    seconds: tuple[float, float],
    part: str = '',
) -> list[Step]:
    """Writes a synthetic nuScenes and its annotation files.

    Args:
        tools: Folder of the commands.
        root: Folder of the data set.
        file: An annotation file that is there in the end.
        version: Of the tables.
        options: Of ``make_synthetic_nuscenes.py``.
        seconds: Estimates of both steps.
        part: Name of the data set, where there are several.
    """
    write = python(tools / 'make_synthetic_nuscenes.py', root, *options, '--force')
    prepare = python(tools / 'prepare_nuscenes.py', '--data-root', root, '--version', version)
    of = f' {part}' if part else ''
    return [
        Step(
            f'data{of}', f'Write a synthetic nuScenes{of and ":"}{of}', write, seconds[0], (root,)
        ),
        Step(f'prepare{of}', 'Prepare the annotation files', prepare, seconds[1], (file,)),
    ]


def training_step(
    tools: Path,
    config: str | Path,
    cfg: Config,
    work_dir: Path,
    seconds: float,
    options: Sequence[object],
    name: str = 'train',
    title: str = 'Train the small network',
) -> Step:
    """Trains; interrupted, it goes on, and with another config it is done anew.

    Args:
        tools: Folder of the commands.
        config: File of the config.
        cfg: Its content.
        work_dir: Of the training.
        seconds: Estimate.
        options: Of ``train.py``.
        name: Of the step.
        title: What people read.
    """
    fixed = ('--work-dir', work_dir, '--no-validate', '--auto-resume')
    command = python(tools / 'train.py', config, *fixed, *options)
    return Step(name, title, command, seconds, (work_dir,), config_fingerprint(cfg))
