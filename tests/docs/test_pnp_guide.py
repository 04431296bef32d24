"""The code of the guide to the layer runs as pasted, and prints what it says it prints."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def blocks(name):
    return re.findall(r'^```python\n(.*?)^```', (ROOT / name).read_text('utf-8'), re.M | re.S)


@pytest.fixture(scope='module')
def ran(tmp_path_factory):
    """Names that the blocks leave behind, and what each printed."""
    names, printed = {}, []
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp('guide'))
        for block in blocks('docs/pnp.md'):
            if 'export_onnx' in block and importlib.util.find_spec('onnx') is None:
                continue
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                exec(compile(block, 'docs/pnp.md', 'exec'), names)
            printed.append((block, stream.getvalue()))
        names['files'] = [path.name for path in Path.cwd().iterdir()]
    return names, printed


def test_every_block_runs(ran):
    names, printed = ran
    assert len(printed) >= 5
    assert names['out'].valid.all() and names['out'].converged.all()
    assert names['logits'].grad.abs().sum() > 0 and names['log_scale'].grad.abs().sum() > 0
    if importlib.util.find_spec('onnx') is not None:
        assert names['files'] == ['pnp.onnx']


def test_effective_sample_size_shows_an_improper_posterior(ran):
    (block, output), *others = [(b, o) for b, o in ran[1] if 'ess' in b and o]
    assert not others
    sizes = [int(size) for size in re.findall(r'ess (\d+) of', output)]
    stated = [int(size) for size in re.findall(r'^#.*ess (\d+) of', block, re.M)]
    assert len(sizes) == len(stated) == 3
    for found, said in zip(sizes, stated):
        assert abs(found - said) <= max(10, 0.25 * said)
    assert output.count('collapsed') == 1


def test_readme_example_runs():
    names = {}
    for block in blocks('README.md'):
        exec(compile(block, 'README.md', 'exec'), names)
    assert names['result'].valid.all()
