"""Draw who imports whom into docs/images/architecture.png, from the imports as they are.

An arrow means "imports"; arrows that follow from others are left out. A room's colour says what
it needs beside the standard library.

Example:
    python docs/figures/architecture.py
"""

from __future__ import annotations

import itertools
from pathlib import Path

import grimp
import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import networkx as nx

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / 'docs' / 'images' / 'architecture.png'
PACKAGE = 'epropnp_det'

NEEDS = {  # room colour and what it means, the heaviest first
    'MMDetection3D': ('#f5d0a9', ('mmdet3d', 'mmdet', 'mmcv', 'mmseg', 'nuscenes')),
    'torch': ('#cfe3f5', ('torch', 'torchvision')),
    'numpy, OpenCV': ('#dcefd4', ()),
}


def import_graph() -> tuple[nx.DiGraph, dict[str, str]]:
    """Rooms and their imports: the parts of ``epropnp_det``, and each other package as a whole.

    Returns:
        The graph, edges from the one who imports, and what each room needs, a key of ``NEEDS``.
    """
    others = {path.parent.name for path in (ROOT / 'projects').glob('*/__init__.py')} - {PACKAGE}
    modules = grimp.build_graph(
        *(PACKAGE, *others),
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    parts = {name: name.split('.')[1] for name in modules.find_children(PACKAGE)}
    folder = ROOT / 'projects' / PACKAGE  # modules beside the rooms are tools that all may use
    rooms = {name: part for name, part in parts.items() if (folder / part).is_dir()}
    rooms |= {name: name for name in others}
    graph, needs = nx.DiGraph(), {}
    for module, room in rooms.items():
        graph.add_node(room)
        inside = {module, *modules.find_descendants(module)}
        imported = {
            other for one in inside for other in modules.find_modules_directly_imported_by(one)
        } - inside
        goals = {'.'.join(other.split('.')[:2]) for other in imported} | imported
        graph.add_edges_from((room, rooms[goal]) for goal in goals & set(rooms))
        outside = {other.split('.')[0] for other in imported}
        needs[room] = next(
            (need for need, (_, names) in NEEDS.items() if outside & set(names)), list(NEEDS)[-1]
        )
    return graph, needs


def positions(graph: nx.DiGraph) -> dict[str, tuple[float, float]]:
    """Every room above all that it imports; in a row, those with like neighbours side by side."""
    level: dict[str, int] = {}
    for room in reversed(list(nx.topological_sort(graph))):
        level[room] = 1 + max((level[other] for other in graph[room]), default=-1)
    rows = [sorted(r for r in graph if level[r] == n) for n in range(max(level.values()) + 1)]
    orders = [list(itertools.permutations(row)) for row in rows]
    place: dict[str, tuple[float, float]] = {}
    for level_now in 2 * [*range(len(rows)), *reversed(range(len(rows)))]:
        candidates = (_spread(order, level_now) for order in orders[level_now])
        place.update(min(candidates, key=lambda one: _effort(graph, {**place, **one})))
    return place


def _spread(row: tuple[str, ...], level: int) -> dict[str, tuple[float, float]]:
    """Places of one row; odd rows are moved a little, so that arrows pass between rooms."""
    shift = 0.04 if level % 2 else -0.04
    return {room: ((i + 0.5) / len(row) + shift, level) for i, room in enumerate(row)}


def _effort(graph: nx.DiGraph, place: dict[str, tuple[float, float]]) -> float:
    """Sideways way of the arrows between placed rooms; running behind a room costs extra."""
    effort = 0.0
    for start, end in nx.transitive_reduction(graph).edges:
        if start in place and end in place:
            (x, y), (to_x, to_y) = place[start], place[end]
            effort += abs(x - to_x)
            effort += sum(
                abs(x + (to_x - x) * (room_y - y) / (to_y - y) - room_x) < 0.09
                for room_x, room_y in place.values()
                if to_y < room_y < y
            )
    return effort


def draw(graph: nx.DiGraph, needs: dict[str, str]) -> None:
    """One box per room, one arrow per import that does not follow from others."""
    place = positions(graph)
    height = 1.05 * (1 + max(y for _, y in place.values()))
    figure, axes = plt.subplots(figsize=(10, height), constrained_layout=True)
    axes.set_xlim(-0.08, 1.08)
    axes.set_ylim(-0.5, max(y for _, y in place.values()) + 0.5)
    axes.axis('off')
    boxes = {}
    for room, (x, y) in place.items():
        box = {'boxstyle': 'round,pad=0.45', 'fc': NEEDS[needs[room]][0], 'ec': '#444444'}
        boxes[room] = axes.text(x, y, room, ha='center', va='center', fontsize=11, bbox=box)
    figure.canvas.draw()
    for start, end in nx.transitive_reduction(graph).edges:
        arrow = {'arrowstyle': '-|>', 'color': '#777777', 'shrinkA': 1, 'shrinkB': 1}
        arrow |= {'patchA': boxes[start].get_bbox_patch(), 'patchB': boxes[end].get_bbox_patch()}
        axes.annotate('', place[end], place[start], arrowprops=arrow)
    for i, (need, (color, _)) in enumerate(NEEDS.items()):
        axes.text(
            0.01, 0.99 - 0.075 * i, need, transform=axes.transAxes, fontsize=9, va='top',
            bbox={'boxstyle': 'square,pad=0.3', 'fc': color, 'ec': 'none'},
        )  # fmt: skip
    figure.savefig(IMAGE, dpi=90, metadata={'Description': as_text(graph)})
    print(IMAGE)


def as_text(graph: nx.DiGraph) -> str:
    """The imports in words: the picture carries them, so that a test sees when it is stale."""
    return '\n'.join(sorted(f'{start} imports {end}' for start, end in graph.edges))


def main() -> None:
    """Read the imports and draw them.

    Raises:
        networkx.NetworkXUnfeasible: If imports go in a circle.
    """
    draw(*import_graph())


if __name__ == '__main__':
    main()
