"""What to write: how many scenes, which, how large, and under which conditions."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..content.cameras import image_size
from ..content.conditions import PRESETS, Conditions, parse_conditions
from ..content.scene import make_world
from ..content.world import World

# Per choice: the splits of the devkit that are filled.
SPLITS = {
    'mini': ('mini_train', 'mini_val'),
    'mini_train': ('mini_train',),
    'mini_val': ('mini_val',),
    'trainval': ('train', 'val'),
    'train': ('train',),
    'val': ('val',),
}
_MAX_FRAMES = 200
_SPACING = 4  # a scene of val comes after each so many of train, both in mini and in trainval


@lru_cache(maxsize=1)
def _official() -> dict[str, list[str]]:
    from nuscenes.utils.splits import create_splits_scenes

    return create_splits_scenes()


@lru_cache(maxsize=2)
def scene_order(version: str) -> tuple[str, ...]:
    """Names of a version's scenes; train and val take turns, so that few scenes fill both.

    Args:
        version: `v1.0-mini` or `v1.0-trainval`.

    Returns:
        10 or 850 names, the first of train, the second of val.
    """
    train, val = SPLITS['mini' if version == 'v1.0-mini' else 'trainval']
    names = list(_official()[train])
    for k, name in enumerate(_official()[val]):
        names.insert(1 + _SPACING * k, name)
    return tuple(names)


class Spec(NamedTuple):
    """What to write.

    Attributes:
        scenes: number of scenes; mini has 10, mini_train 8, mini_val 2, trainval 850.
        frames: keyframes per scene.
        scale: factor on 1600 x 900 images and on the intrinsics.
        seed: of everything; the number of workers does not matter.
        split: one of `SPLITS`. A scene is the same whichever split it is written with.
        conditions: of the scenes, which take turns through them; see `parse_conditions`.
        hills: whether the ground undulates, whatever the conditions say.
    """

    scenes: int = 10
    frames: int = 12
    scale: float = 0.25
    seed: int = 0
    split: str = 'mini'
    conditions: tuple[str, ...] = PRESETS['simple']
    hills: bool = False

    @property
    def version(self) -> str:
        """The version of nuScenes that has these scenes, and the folder of its tables."""
        return 'v1.0-mini' if self.split.startswith('mini') else 'v1.0-trainval'

    @property
    def indices(self) -> tuple[int, ...]:
        """The scenes, as positions in `scene_order`."""
        wanted = {name for split in SPLITS[self.split] for name in _official()[split]}
        order = scene_order(self.version)
        return tuple(k for k, name in enumerate(order) if name in wanted)[: self.scenes]

    def conditions_of(self, index: int) -> Conditions:
        """Conditions of the scene at a position in `scene_order`."""
        chosen = parse_conditions(self.conditions[index % len(self.conditions)])
        return chosen._replace(hills=True) if self.hills else chosen

    def check(self) -> Spec:
        """The spec itself.

        Raises:
            ValueError: a value is out of range.
        """
        if self.split not in SPLITS:
            raise ValueError(f'split {self.split!r} is unknown; there are {", ".join(SPLITS)}')
        room = len(self._replace(scenes=1 << 20).indices)
        if not 1 <= self.scenes <= room:
            raise ValueError(
                f'{self.scenes} scenes: nuScenes {self.split} has {room}; '
                'ask for more frames per scene instead'
            )
        if not 1 <= self.frames <= _MAX_FRAMES:
            raise ValueError(f'{self.frames} frames per scene: must be 1 to {_MAX_FRAMES}')
        if not self.conditions:
            raise ValueError("no conditions; ('day',) is the plain choice")
        for text in self.conditions:
            parse_conditions(text)
        image_size(self.scale)
        return self


@lru_cache(maxsize=2)
def scene_world(spec: Spec, index: int) -> World:
    """The world of one scene of a data set; every process gets the same.

    Args:
        spec: of the data set.
        index: position of the scene in `scene_order`.

    Returns:
        The world.
    """
    rng = np.random.default_rng([spec.seed, index])
    name = scene_order(spec.version)[index]
    return make_world(name, spec.frames, spec.scale, rng, spec.conditions_of(index))
