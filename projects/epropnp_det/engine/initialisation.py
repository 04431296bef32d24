"""Initial weights, without a line per parameter on the screen."""

from __future__ import annotations

from pathlib import Path

from torch import nn

__all__ = ['initialise']


def initialise(model: nn.Module, record: str | Path | None = None) -> None:
    """Initialises a model as its config says.

    mmcv prints what became of each parameter, hundreds of lines; here they go into a file.

    Args:
        model: A model with ``init_weights``.
        record: File that gets a line per parameter; None writes none.
    """
    lines: list[str] = []

    def remember(*_: object) -> None:
        for name, parameter in model.named_parameters():
            info = model._params_init_info.get(parameter, {}).get('init_info', '')
            lines.append(f'{name} {tuple(parameter.shape)}: {" ".join(str(info).split())}\n')

    if hasattr(model, '_dump_init_info'):
        model._dump_init_info = remember  # of this model only, in place of mmcv's method
    try:
        model.init_weights()
    finally:
        model.__dict__.pop('_dump_init_info', None)
    if record is not None and lines:
        Path(record).write_text(''.join(lines))
