import math

import pytest
import torch

from epropnp_det.pnp import MonteCarloPoseLoss
from support.limits import CHILD_SECONDS


def samples(num=16, objects=3):
    generator = torch.Generator().manual_seed(0)
    log_weights = torch.randn(num, objects, generator=generator)
    return log_weights.requires_grad_(), torch.rand(objects, generator=generator).requires_grad_()


def test_value():
    log_weights, target = samples()
    loss = MonteCarloPoseLoss(loss_weight=0.5).eval()
    loss.norm_factor.fill_(2.0)
    expected = 0.5 / 2 * (target + log_weights.exp().sum(0).log()).sum() / 3
    torch.testing.assert_close(loss(log_weights, target, 7.0), expected)
    weight = torch.tensor([1.0, 0.0, 2.0])
    expected = 0.25 * ((target + log_weights.exp().sum(0).log()) * weight).sum() / 48
    torch.testing.assert_close(loss(log_weights, target, 7.0, weight, 48), expected)


def test_normaliser_moves_before_use_and_only_in_training():
    log_weights, target = samples()
    loss = MonteCarloPoseLoss(momentum=0.1)
    frozen = MonteCarloPoseLoss().eval()
    plain = frozen(log_weights, target, 100.0)
    assert frozen.norm_factor == 1
    torch.testing.assert_close(loss(log_weights, target, torch.tensor(3.0)), plain / 1.2)
    assert loss.norm_factor.item() == pytest.approx(0.9 + 0.3)


@pytest.mark.parametrize('scale', [math.nan, math.inf, 0.0, -1.0])
def test_unusable_scales_leave_the_normaliser(scale):
    log_weights, target = samples()
    loss = MonteCarloPoseLoss()
    loss(log_weights, target, torch.tensor(scale))
    assert loss.norm_factor == 1


def test_no_objects_leave_the_normaliser_and_keep_the_graph():
    log_weights = torch.zeros(16, 0, requires_grad=True)
    target = torch.zeros(0, requires_grad=True)
    loss = MonteCarloPoseLoss()
    value = loss(log_weights, target, torch.tensor(5.0), avg_factor=48)
    assert value == 0
    assert loss.norm_factor == 1
    value.backward()
    assert log_weights.grad.shape == (16, 0)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_bad_objects_have_no_loss_and_no_gradient(bad):
    log_weights, target = samples()
    with torch.no_grad():
        log_weights[3, 1] = bad
    loss = MonteCarloPoseLoss().eval()
    value = loss(log_weights, target, 1.0)
    value.backward()
    keep = [0, 2]
    expected = (target + log_weights.logsumexp(0))[keep].sum() / 3
    torch.testing.assert_close(value, expected)
    assert (log_weights.grad[:, 1] == 0).all()
    assert target.grad[1] == 0
    assert torch.isfinite(log_weights.grad).all()


def test_refuses_shapes_that_do_not_match():
    with pytest.raises(ValueError, match='log_weights'):
        MonteCarloPoseLoss()(torch.zeros(4, 3), torch.zeros(2), 1.0)


def test_normaliser_is_saved():
    assert 'norm_factor' in MonteCarloPoseLoss().state_dict()


def _rank(rank, init_file, queue):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{init_file}', rank=rank, world_size=2
    )
    loss = MonteCarloPoseLoss(momentum=0.5)
    objects = 3 if rank == 0 else 0
    loss(torch.zeros(4, objects), torch.zeros(objects), torch.tensor(5.0))
    one = loss.norm_factor.item()
    loss(torch.zeros(4, 2), torch.zeros(2), torch.tensor(1.0 + 2 * rank))
    queue.put((one, loss.norm_factor.item()))
    torch.distributed.destroy_process_group()


def test_processes_agree_on_the_normaliser(tmp_path):
    """The mean over processes that have objects: (5), then (1 + 3) / 2."""
    context = torch.multiprocessing.get_context('fork')
    queue = context.Queue()
    processes = [
        context.Process(target=_rank, args=(rank, tmp_path / 'init', queue), daemon=True)
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    results = [queue.get(timeout=CHILD_SECONDS) for _ in processes]
    for process in processes:
        process.join(60)
    assert results[0] == results[1]
    assert results[0] == pytest.approx((3.0, 2.5))
