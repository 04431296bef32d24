import sys

import pytest
import torch

from support.scripts import load


@pytest.fixture(scope='module')
def fit_identity(repository):
    return load(repository / 'demo' / 'fit_identity.py')


def arguments(fit_identity, monkeypatch, *options):
    monkeypatch.setattr(sys, 'argv', ['fit_identity', *map(str, options)])
    return fit_identity.parse_args()


def test_writes_a_picture_and_reports_errors(fit_identity, tmp_path, monkeypatch, capsys):
    arguments(fit_identity, monkeypatch, '--steps', 3, '--batch', 4, '--out', tmp_path)
    fit_identity.main()
    assert (tmp_path / 'fit_identity.png').stat().st_size > 10000
    assert 'after:' in capsys.readouterr().out


def test_a_step_moves_every_parameter(fit_identity, monkeypatch):
    trainer = fit_identity.Trainer(arguments(fit_identity, monkeypatch, '--batch', 8))
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    trainer.step()
    for old, new in zip(before, trainer.model.parameters()):
        assert (old != new).any()
        assert new.isfinite().all()


def test_learns_from_poses_alone(fit_identity, monkeypatch):
    """Thirty steps already concentrate the posterior of unseen poses around the truth."""
    trainer = fit_identity.Trainer(arguments(fit_identity, monkeypatch, '--batch', 64))

    def divergence():
        with torch.no_grad():
            result = trainer.layer.monte_carlo_forward(
                *trainer.model(trainer.validation),
                trainer.camera,
                pose_init=trainer.validation,
                generator=torch.Generator().manual_seed(0),
            )
        return (result.cost_target + result.log_weights.logsumexp(0)).mean().item()

    before = divergence()
    for _ in range(30):
        trainer.step()
    assert divergence() < before - 1


def test_regularisation_and_angles(fit_identity):
    truth = torch.tensor([[0.0, 0.0, 5.0, 1.0, 0.0, 0.0, 0.0]])
    turned = torch.tensor([[0.0, 3.0, 5.0, 0.0, 0.0, 1.0, 0.0]])  # 3 away, half a turn about y
    assert fit_identity.rotation_degrees(turned[:, 3:], truth[:, 3:]).item() == pytest.approx(180)
    assert fit_identity.regularisation(turned, truth).item() == pytest.approx(0.1 * 2.5 + 0.1 * 2)
    assert fit_identity.regularisation(truth, truth).item() == 0


def test_refuses_no_steps(fit_identity, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        arguments(fit_identity, monkeypatch, '--steps', 0)
    assert 'must be positive' in capsys.readouterr().err
