import mmcv
import pytest

from epropnp_det.engine.safety import check_formatting, check_scoring, check_target, kept_results


class Data:
    def __init__(self, message=None):
        self.message, self.asked = message, []

    def evaluate(self, results, metric='bbox', jsonfile_prefix=None):
        raise AssertionError('there are no results yet')

    def check_evaluation(self, **options):
        self.asked.append(options)
        if self.message:
            raise ValueError(self.message)

    def format_results(self, results, jsonfile_prefix=None):
        raise AssertionError('there are no results yet')


class Wrapper:
    def __init__(self, *datasets):
        self.datasets = datasets


def test_every_part_is_asked():
    parts = Data(), Data()
    check_scoring(Wrapper(*parts), {'metric': 'bbox'})
    assert [part.asked for part in parts] == [[{'metric': 'bbox'}]] * 2
    with pytest.raises(ValueError, match='no tables'):
        check_scoring(Wrapper(Data(), Data('no tables')), {})


def test_unknown_options_are_named_with_those_there_are():
    with pytest.raises(ValueError, match='no options metrics .*it has metric, jsonfile_prefix'):
        check_scoring(Data(), {'metrics': 'bbox'})


def test_wrappers_cannot_be_submitted():
    check_formatting(Data(), {'jsonfile_prefix': 'x'})
    with pytest.raises(ValueError, match='one annotation file'):
        check_formatting(Wrapper(Data()), {})


def test_targets(tmp_path):
    check_target(None)
    check_target(tmp_path / 'new' / 'results.pkl')
    assert (tmp_path / 'new').is_dir()
    (tmp_path / 'file').write_text('')
    for path in (tmp_path, tmp_path / 'file' / 'results.pkl'):
        with pytest.raises(ValueError, match='cannot'):
            check_target(path)


@pytest.mark.parametrize('error', [ValueError('later'), KeyboardInterrupt()])
def test_results_are_kept_whatever_fails_later(error, tmp_path, capsys):
    results = [{'a': 1}, {'a': 2}]
    with pytest.raises(type(error)), kept_results(results, None, tmp_path / 'work'):
        raise error
    assert mmcv.load(str(tmp_path / 'work' / 'results.pkl')) == results
    assert 'results.pkl' in capsys.readouterr().out
    with pytest.raises(type(error)), kept_results(results, tmp_path / 'mine.pkl', tmp_path / 'x'):
        raise error
    assert not (tmp_path / 'x').exists()
    with kept_results(results, None, tmp_path / 'x'):
        pass
    assert not (tmp_path / 'x').exists() and capsys.readouterr().out
