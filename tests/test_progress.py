import io

import pytest

from epropnp_det import progress as module
from epropnp_det.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_a_line_at_the_start_and_one_at_the_end():
    log = io.StringIO()
    assert list(progress(range(192), title='testing', file=log)) == list(range(192))
    lines = log.getvalue().splitlines()
    assert len(lines) <= 2 and '\r' not in log.getvalue()
    assert lines[-1].startswith('testing: 100%') and '192/192' in lines[-1]


def test_a_log_gets_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(module, 'SECONDS_BETWEEN_LINES', 0)
    log = io.StringIO()
    with progress(total=5, file=log) as bar:
        for _ in range(5):
            bar.update(1)
    assert len(log.getvalue().splitlines()) >= 5


def test_a_terminal_gets_one_bar_and_silence_nothing():
    terminal = Terminal()
    for _ in progress(range(3), file=terminal):
        pass
    assert '3/3' in terminal.getvalue() and terminal.getvalue().count('\n') == 1
    assert not list(progress([], file=terminal, show=False))


def test_it_goes_to_standard_error(capsys: pytest.CaptureFixture):
    for _ in progress(range(3), unit='step'):
        pass
    said = capsys.readouterr()
    assert said.out == '' and '3/3' in said.err
