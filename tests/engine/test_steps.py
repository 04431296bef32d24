import sys
from pathlib import Path

import pytest

from epropnp_det.engine.steps import Step, StepChain, StepFailed, python


def step(tmp_path, name, argument='x', code='', **kwargs):
    """Appends its argument to its output, so that runs can be counted."""
    output = tmp_path / f'{name}.txt'
    script = tmp_path / f'{name}.py'
    script.write_text(f'import sys\nopen({str(output)!r}, "a").write(sys.argv[1])\n{code}\n')
    return Step(name, f'Write {name}', python(script, argument), 1, (kwargs.get('output', output),))


def chain(tmp_path, **kwargs):
    return StepChain(tmp_path / 'state' / 'steps.json', **kwargs)


def text(tmp_path, name):
    return (tmp_path / f'{name}.txt').read_text()


def test_done_steps_are_skipped(tmp_path, capfd):
    steps = [step(tmp_path, 'a'), step(tmp_path, 'b')]
    first = chain(tmp_path).run(steps)
    second = chain(tmp_path).run(steps)
    assert first == second and set(first) == {'a', 'b'}
    assert text(tmp_path, 'a') == text(tmp_path, 'b') == 'x'
    printed = capfd.readouterr().out
    assert '[1/2] Write a' in printed and sys.executable in printed
    assert printed.count('done before') == 2


def test_another_command_runs_that_step_and_all_later_ones_anew(tmp_path):
    chain(tmp_path).run([step(tmp_path, n) for n in 'abc'])
    chain(tmp_path).run([step(tmp_path, 'a'), step(tmp_path, 'b', 'yy'), step(tmp_path, 'c')])
    assert [text(tmp_path, n) for n in 'abc'] == ['x', 'yy', 'x']


def test_a_checkout_that_moved_does_nothing_again(tmp_path):
    chain(tmp_path).run([step(tmp_path, n) for n in 'ab'])
    moved = tmp_path / 'elsewhere'
    moved.mkdir()
    steps = []
    for one in (step(tmp_path, n) for n in 'ab'):
        _, script, *rest = one.command
        (moved / Path(script).name).write_text(Path(script).read_text())
        steps.append(one._replace(command=('/other/python', str(moved / Path(script).name), *rest)))
    chain(tmp_path).run(steps)
    assert [text(tmp_path, n) for n in 'ab'] == ['x', 'x']


def test_more_processes_do_nothing_again(tmp_path):
    def steps(workers, size='3'):
        first, options = step(tmp_path, 'a'), ('--workers', workers, '--size', size)
        return [first._replace(command=(*first.command, *options)), step(tmp_path, 'b')]

    chain(tmp_path).run(steps('2'))
    for name in 'ab':
        (tmp_path / f'{name}.txt').write_text('kept')
    chain(tmp_path).run(steps('16'))
    assert [text(tmp_path, n) for n in 'ab'] == ['kept', 'kept']
    chain(tmp_path).run(steps('16', size='2'))
    assert [text(tmp_path, n) for n in 'ab'] == ['x', 'x']


def test_fresh_runs_everything_anew(tmp_path, capfd):
    chain(tmp_path).run([step(tmp_path, 'a')])
    chain(tmp_path, fresh=True).run([step(tmp_path, 'a')])
    assert text(tmp_path, 'a') == 'x'
    assert 'done before' not in capfd.readouterr().out


def test_failed_step_is_named_and_goes_on_later(tmp_path):
    bad = step(tmp_path, 'b', code='sys.exit(3)')
    with pytest.raises(StepFailed, match='"Write b" ended with code 3'):
        chain(tmp_path).run([step(tmp_path, 'a'), bad])
    # same command: what an interrupted run left is kept, for --auto-resume and the like
    chain(tmp_path).run([step(tmp_path, 'a'), step(tmp_path, 'b')])
    assert text(tmp_path, 'a') == 'x'
    assert text(tmp_path, 'b') == 'xx'


def test_step_without_its_output_is_an_error(tmp_path):
    with pytest.raises(StepFailed, match='did not write'):
        chain(tmp_path).run([step(tmp_path, 'a', output=tmp_path / 'other')])


def test_lost_output_is_made_again(tmp_path):
    chain(tmp_path).run([step(tmp_path, 'a')])
    (tmp_path / 'a.txt').unlink()
    chain(tmp_path).run([step(tmp_path, 'a')])
    assert text(tmp_path, 'a') == 'x'


@pytest.mark.parametrize('fresh', [False, True])
def test_never_removes_what_it_did_not_write(tmp_path, fresh):
    (tmp_path / 'a.txt').write_text('precious')
    with pytest.raises(StepFailed, match='Move it away'):
        chain(tmp_path, fresh=fresh).run([step(tmp_path, 'a')])
    assert text(tmp_path, 'a') == 'precious'


def test_another_fingerprint_runs_anew(tmp_path):
    first = step(tmp_path, 'a')
    chain(tmp_path).run([first._replace(fingerprint='1')])
    chain(tmp_path).run([first._replace(fingerprint='1')])
    assert text(tmp_path, 'a') == 'x'
    (tmp_path / 'a.py').write_text((tmp_path / 'a.py').read_text() * 2)
    chain(tmp_path).run([first._replace(fingerprint='2')])
    assert text(tmp_path, 'a') == 'xx'


def test_a_fingerprint_that_names_other_processes_is_the_same(tmp_path):
    """Runs of compare_detectors.py name the commands that made their data."""
    first = step(tmp_path, 'a')
    chain(tmp_path).run([first._replace(fingerprint='01; make.py --workers 2 --seed 7')])
    (tmp_path / 'a.txt').write_text('kept')
    chain(tmp_path).run([first._replace(fingerprint='01; make.py --workers 16 --seed 7')])
    assert text(tmp_path, 'a') == 'kept'
    chain(tmp_path).run([first._replace(fingerprint='01; make.py --workers 16 --seed 2')])
    assert text(tmp_path, 'a') == 'x'
