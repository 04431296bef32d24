"""The content of an annotation file, sorted by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..inputs import notice
from .annotation_check import by_image, camera_suspicions, check_annotation_file
from .completion import complete_annotations
from .records import PackedRecords

# Of an annotation, beside what is in its image and in the categories.
UNUSED_FIELDS = ('file_name', 'image_id', 'segmentation', 'category_name', 'attribute_name')


class AnnotationIndex(NamedTuple):
    """What a data set keeps of a file.

    Attributes:
        images: Records of the images, with ``token`` and ``filename``.
        annotations: Those of each image, whatever the filters, in the order of ``images``.
        category_ids: Category of each label.
        info: What the converter says of the whole file.
        max_attribute: Largest number of an attribute, -1 without any.
    """

    images: list[dict]
    annotations: PackedRecords
    category_ids: list[int]
    info: dict[str, Any]
    max_attribute: int


def index_annotations(content: Mapping, ann_file: str, classes: Sequence[str]) -> AnnotationIndex:
    """Checks and sorts the content of a file; what looks wrong of its cameras is said.

    Args:
        content: Of the file.
        ann_file: Its name, for messages.
        classes: Names in the order of the labels.

    Raises:
        ValueError: If the file is not sound, see ``check_annotation_file``.
    """
    check_annotation_file(content, ann_file, classes)
    category_ids = {category['name']: category['id'] for category in content['categories']}
    images = [{'token': str(i['id']), 'filename': i['file_name'], **i} for i in content['images']]
    for image in images:
        for suspicion in camera_suspicions(image):
            notice(
                ('camera', ann_file, suspicion.partition('(')[0]),
                f'{ann_file}: image {image["id"]}: {suspicion}; tools/validate_dataset.py '
                'draws the boxes over the images',
            )
    groups = by_image(content)
    annotations = PackedRecords(
        [
            {key: value for key, value in annotation.items() if key not in UNUSED_FIELDS}
            for annotation in complete_annotations(image, groups[image['id']])
        ]
        for image in images
    )
    attributes = (a.get('attribute_id', -1) for a in content['annotations'])
    return AnnotationIndex(
        images,
        annotations,
        [category_ids[name] for name in classes],
        content.get('info') or {},
        max(attributes, default=-1),
    )
