"""Runs the engine on the tiny parts: here, in a child, or in two processes."""

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import traceback

import torch
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

from epropnp_det.engine import start_processes, train_model
from support.limits import CHILD_SECONDS


def train_here(cfg, distributed=False, **kwargs):
    model = build_model(cfg.model)
    train_model(model, [build_dataset(cfg.data.train)], cfg, distributed, timestamp='now', **kwargs)
    return model


def _child(function, rank, world_size, port, arguments):
    code = 1
    gc.freeze()  # what the parent left behind, threads and groups among it, is not this one's
    try:
        if world_size > 1:
            os.environ.update(
                RANK=str(rank), WORLD_SIZE=str(world_size), LOCAL_RANK=str(rank),
                MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port),
            )  # fmt: skip
            start_processes('pytorch', 'cpu')
        function(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def reserved_port():
    """A port that nobody else is given as long as this process or a fork of it has it open.

    With this option a store of torch, which sets it, too, can listen there all the same.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(('127.0.0.1', 0))
        yield reserved.getsockname()[1]


def start(function, *arguments, processes=1):
    """Forks: everything is imported already, which would take longer than the test."""
    children = []
    with reserved_port() as port:
        for rank in range(processes):
            child = os.fork()
            if child == 0:
                _child(function, rank, processes, port, arguments)
            children.append(child)
    return children


def wait(children, seconds=CHILD_SECONDS):
    """Exit codes; a negative one is a signal: -9 for a child that hung and had to be killed."""
    killers = [threading.Timer(seconds, os.kill, (child, signal.SIGKILL)) for child in children]
    for killer in killers:
        killer.start()
    codes = []
    for child, killer in zip(children, killers):
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        killer.cancel()
    return codes


def state_of(path):
    """Parameters and buffers of a checkpoint."""
    return torch.load(path, map_location='cpu', weights_only=False)['state_dict']


def assert_same(first, second):
    assert set(first) == set(second)
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different, different
