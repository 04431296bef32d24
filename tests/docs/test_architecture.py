"""The picture of docs/architecture.md shows the imports as they are, and none goes in a circle."""

import networkx as nx
import pytest
from PIL import Image

from support.scripts import load


@pytest.fixture(scope='module')
def drawing(repository):
    return load(repository / 'docs' / 'figures' / 'architecture.py')


def test_the_picture_is_not_stale(drawing):
    graph, needs = drawing.import_graph()
    assert nx.is_directed_acyclic_graph(graph)
    assert needs['pnp'] == 'torch' and needs['models'] == 'MMDetection3D'
    shown = Image.open(drawing.IMAGE).info['Description']
    assert shown == drawing.as_text(graph), 'run: python docs/figures/architecture.py'


def test_the_page_has_every_room(drawing, repository):
    page = (repository / 'docs' / 'architecture.md').read_text('utf-8')
    rooms = set(drawing.import_graph()[0])
    assert not {room for room in rooms if f'{room}/`' not in page}
