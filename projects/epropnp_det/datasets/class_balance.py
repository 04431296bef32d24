"""Class-balanced sampling of images (CBGS) for data sets where some class may be absent."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet3d.datasets import build_dataset
from mmdet3d.datasets.builder import DATASETS
from mmdet3d.datasets.dataset_wrappers import CBGSDataset


@DATASETS.register_module()
class CBGSMono3DDataset(CBGSDataset):
    """mmdet3d's ``CBGSDataset``, reproducible, and also for data sets that lack a class.

    Each class gets the same number of draws from the images that show it (Zhu et al.,
    Class-balanced Grouping and Sampling, arXiv 1908.09492). The stock wrapper works with our data
    set, too, but divides by zero where a class is absent, and draws from NumPy's global state, so
    that processes with different seeds train on different data sets.

    Args:
        dataset: A data set with ``get_cat_ids``, or its config, or a list of configs, whose data
            sets are joined.
        seed: Of the draw.
    """

    def __init__(self, dataset: Any, seed: int = 0) -> None:
        self.seed = seed
        is_config = isinstance(dataset, (dict, list, tuple))
        super().__init__(build_dataset(dataset) if is_config else dataset)

    def _get_sample_indices(self) -> list[int]:
        """Indices of the images drawn; about as many as there are pairs of image and class."""
        members: dict[int, list[int]] = {label: [] for label in self.cat2id.values()}
        for index in range(len(self.dataset)):
            for label in set(self.dataset.get_cat_ids(index)):
                members[label].append(index)
        present = [indices for indices in members.values() if indices]
        if not present:
            raise ValueError('no image has an object of any class: nothing to balance')
        draws = sum(map(len, present)) // len(present)
        generator = np.random.default_rng(self.seed)
        return np.concatenate([generator.choice(indices, draws) for indices in present]).tolist()
