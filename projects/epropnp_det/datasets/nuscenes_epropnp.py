"""The nuScenes data set for monocular 3D detection."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.utils import print_log
from mmdet.datasets import DATASETS as MMDET_DATASETS
from mmdet3d.datasets import NuScenesMonoDataset
from mmdet3d.datasets.builder import DATASETS
from nuscenes.eval.detection.constants import DETECTION_NAMES

from ..inputs import read_lines
from .annotation_check import read_annotation_file
from .annotations import AnnotationFilter, Role, lies_in_image, parse_annotations
from .evaluation import (
    DEFAULT_SPLITS,
    check_evaluation_options,
    check_split,
    evaluate_submission,
    log_values,
    report,
)
from .files import write_json
from .index import index_annotations
from .pictures import draw_results
from .pipelines import LoadImageMono3D
from .records import PackedRecords
from .results import detections_by_name
from .submission import SubmissionOptions, check_poses, submission_entries
from .tables import load_outline, load_tables, split_name

MAX_REDRAWS = 200
NO_PREFIX = (
    'format_results needs jsonfile_prefix, the folder of the submission file; with test.py: '
    '--format-only --eval-options jsonfile_prefix=work_dirs/submission'
)


@MMDET_DATASETS.register_module()  # where mmdet3d looks for the parts of a list of ann_files
@DATASETS.register_module()
class NuScenesEProPnPDataset(NuScenesMonoDataset):
    """mmdet3d's mono nuScenes data set, made safe and independent of CUDA.

    Reads the ``*_mono3d.coco.json`` of mmdet3d's converter and of ours. What differs from the stock
    class, and why, is listed in ``docs/data.md``.

    Args:
        annotation_filter: Fields of ``AnnotationFilter``; None keeps every annotation.
        submission: Fields of ``SubmissionOptions``.
        version: nuScenes version; None takes the one that our converter wrote into the annotation
            file, or v1.0-trainval.
        eval_split: Split to evaluate on: an official one, a file that lists scene names or sample
            tokens, or such a list; None takes the one that our converter wrote into the file, or
            the validation split of the version.
        eval_ranges: Ranges of distance (low, high) in metres that are scored by themselves, too.
        eval_cameras: Channels such as ``CAM_FRONT``: only their detections and the objects that
            they show are scored. None scores everything around, as the benchmark does.
        render_curves: Whether to draw precision-recall and error-against-distance curves; needs
            ``jsonfile_prefix``.
        **kwargs: As for ``mmdet3d.datasets.NuScenesMonoDataset``.
    """

    def __init__(
        self,
        *args: Any,
        annotation_filter: Mapping | None = None,
        submission: Mapping | None = None,
        version: str | None = None,
        eval_split: str | Sequence[str] | None = None,
        eval_ranges: Sequence[tuple[float, float]] = (),
        eval_cameras: Sequence[str] | None = None,
        render_curves: bool = False,
        **kwargs: Any,
    ) -> None:
        self.annotation_filter = AnnotationFilter(**(annotation_filter or {}))
        self.submission = SubmissionOptions(**(submission or {}))
        self.eval_ranges = eval_ranges
        self.eval_cameras = eval_cameras
        self.render_curves = render_curves
        super().__init__(*args, **kwargs)
        self.version = version or self.info.get('version', 'v1.0-trainval')
        self.eval_split = eval_split or self.info.get('split', DEFAULT_SPLITS.get(self.version))
        if not self.test_mode and not self.data_infos:
            raise ValueError(f'{self.ann_file} has no image with an object that passes the filters')

    # ---- reading

    def load_annotations(self, ann_file: str) -> list[dict]:
        """Reads and checks the annotation file.

        Unlike the parent's, labels follow the order of the class names, whatever the order of the
        categories in the file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not sound, see ``check_annotation_file``.
        """
        if not Path(ann_file).exists():
            raise FileNotFoundError(
                f'no annotation file {ann_file}; tools/prepare_nuscenes.py makes it'
            )
        index = index_annotations(self._read_content(ann_file), ann_file, self.CLASSES)
        self.info, self.max_attribute = index.info, index.max_attribute
        self.cat_ids = index.category_ids
        self.cat2label = {cat_id: label for label, cat_id in enumerate(self.cat_ids)}
        self.img_ids = [image['id'] for image in index.images]
        self.sample_tokens = list(dict.fromkeys(image['token'] for image in index.images))
        self._rows = {image_id: row for row, image_id in enumerate(self.img_ids)}
        self._annotations = index.annotations
        return index.images

    @classmethod
    def get_classes(cls, classes: str | Sequence[str] | None = None) -> Sequence[str]:
        """Class names: as given, of a text file with one per line, or those of nuScenes."""
        return read_lines(classes) if isinstance(classes, str) else super().get_classes(classes)

    def _read_content(self, ann_file: str) -> dict:
        return read_annotation_file(ann_file)

    @property
    def data_infos(self) -> PackedRecords:
        """Records of the images; each access gives a new copy."""
        return self._images

    @data_infos.setter
    def data_infos(self, images: Sequence[Mapping]) -> None:
        self._images = images if isinstance(images, PackedRecords) else PackedRecords(images)

    def annotations_of(self, image_id: Any) -> list[dict]:
        """Annotations of an image as the file has them, whatever the filters."""
        return self._annotations[self._rows[image_id]]

    def _role(self, annotation: Mapping, image: Mapping) -> Role:
        wanted = annotation['category_id'] in self.cat2label
        if not wanted or annotation.get('ignore', False):
            return Role.ABSENT
        if not lies_in_image(annotation, image['width'], image['height']):
            return Role.ABSENT
        return self.annotation_filter.role(annotation)

    def _filter_imgs(self, min_size: int = 32) -> list[int]:
        """Indices of images that are not tiny and, with ``filter_empty_gt``, have an object."""

        def has_object(image: Mapping) -> bool:
            annotations = self.annotations_of(image['id'])
            return any(self._role(ann, image) is Role.OBJECT for ann in annotations)

        return [
            index
            for index, image in enumerate(self.data_infos)
            if min(image['width'], image['height']) >= min_size
            and (not self.filter_empty_gt or has_object(image))
        ]

    def get_ann_info(self, idx: int) -> dict:
        """Ground truth of the image with that index, see ``parse_annotations``."""
        image = self.data_infos[idx]
        return self._parse_ann_info(image, self.annotations_of(image['id']))

    def _parse_ann_info(self, img_info: dict, ann_info: list[dict]) -> dict:
        roles = [self._role(annotation, img_info) for annotation in ann_info]
        objects = [ann for ann, role in zip(ann_info, roles) if role is Role.OBJECT]
        ignored = [ann for ann, role in zip(ann_info, roles) if role is Role.IGNORED]
        return parse_annotations(objects, ignored, self.cat2label)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels in the image with that index, each once, for class-balanced sampling."""
        image = self.data_infos[idx]
        objects = (
            a for a in self.annotations_of(image['id']) if self._role(a, image) is Role.OBJECT
        )
        return sorted({self.cat2label[annotation['category_id']] for annotation in objects})

    def pre_pipeline(self, results: dict) -> None:
        """Adds what the pipeline starts from: copies, no step can reach the records themselves."""
        super().pre_pipeline(results)
        results['sample_idx'] = results['img_info']['id']
        if 'ann_info' in results:
            results['gt_truncation'] = results['ann_info']['truncation']

    def __getitem__(self, idx: int) -> dict:
        """Pipeline output of one image; in training another image where the pipeline gives none.

        Raises:
            RuntimeError: If the pipeline rejects one image after the other.
        """
        if self.test_mode:
            return self.prepare_test_img(idx)
        for _ in range(MAX_REDRAWS):
            data = self.prepare_train_img(idx)
            if data is not None:
                return data
            idx = self._rand_another(idx)
        raise RuntimeError(
            f'the pipeline rejected {MAX_REDRAWS} images in a row; does a crop cut all objects off?'
        )

    # ---- writing and scoring

    def format_results(
        self, results: Sequence[Mapping], jsonfile_prefix: str | None = None, **kwargs: Any
    ) -> tuple[dict[str, str], None]:
        """Writes submission files.

        Args:
            results: Detections of each image, in the order of the data set.
            jsonfile_prefix: Folder for the files; ``NAME/results_nusc.json`` is written into it for
                each 3D result NAME, ``img_bbox`` with the detectors here.
            **kwargs: Ignored, for the stock test script.

        Returns:
            Path of the file of each result name, and None.

        Raises:
            ValueError: If there is no prefix, or the results are not those of this data set.
        """
        if jsonfile_prefix is None:
            raise ValueError(NO_PREFIX)
        return self._format(results, jsonfile_prefix), None

    def _format(self, results: Sequence[Mapping], folder: str) -> dict[str, str]:
        named = detections_by_name(
            results, len(self), len(self.CLASSES), lambda index: self.data_infos[index]['file_name']
        )
        return {
            name: self._format_bbox(detections, str(Path(folder) / name))
            for name, detections in named.items()
        }

    def _format_bbox(self, results: Sequence[Mapping], jsonfile_prefix: str | None = None) -> str:
        """Writes the submission of one result name; every sample of the file gets an entry."""
        for image in self.data_infos:
            check_poses(image)
        ranges = self.eval_detection_configs.class_range
        entries = submission_entries(
            results,
            self.data_infos,
            self.sample_tokens,
            self.CLASSES,
            np.array([ranges.get(name, np.inf) for name in self.CLASSES]),
            self.submission,
            self.eval_cameras,
        )
        submission = {'meta': self.modality, 'results': entries}
        path = Path(jsonfile_prefix) / 'results_nusc.json'
        return str(write_json(path, submission, allow_nan=False))

    def check_formatting(self, jsonfile_prefix: str | None = None, **kwargs: Any) -> None:
        """What of ``format_results`` can fail without any result.

        Raises:
            ValueError: If there is no prefix, or an image has no pose.
        """
        if jsonfile_prefix is None:
            raise ValueError(NO_PREFIX)
        for image in self.data_infos:
            check_poses(image)

    def check_evaluation(
        self,
        metric: str | list[str] = 'bbox',
        jsonfile_prefix: str | None = None,
        result_names: Sequence[str] = ('img_bbox',),
        show: bool = False,
        out_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        """What of ``evaluate`` can fail without any result, so that it fails before the work.

        Takes the arguments of ``evaluate``. Of the tables only the small ones are read.

        Raises:
            ValueError: If the split has no public ground truth or is not that of the annotation
                file, the classes are not of nuScenes, or an option makes no sense.
            FileNotFoundError: If the nuScenes tables are not at hand.
        """
        foreign = [name for name in self.CLASSES if name not in DETECTION_NAMES]
        if foreign:
            raise ValueError(
                f"nuScenes' evaluator knows no {foreign}; for other classes write the results with "
                'test.py --out, and see docs/evaluation.md'
            )
        if self.render_curves and jsonfile_prefix is None:
            raise ValueError('render_curves needs jsonfile_prefix, the folder for the plots')
        if show and out_dir is None:
            raise ValueError('show=True needs out_dir=FOLDER for the pictures')
        self._check_split()
        for image in self.data_infos:
            check_poses(image)
        tables = load_outline(self.data_root, self.version)
        check_evaluation_options(tables, self.eval_ranges, self.eval_cameras)
        check_split(tables, self.eval_split, self.sample_tokens, self.ann_file)

    def _check_split(self) -> None:
        if self.eval_split is None or self.eval_split == 'test':
            raise ValueError(
                f'{self.version} has no public ground truth: format only '
                '(test.py --format-only --eval-options jsonfile_prefix=...), or set eval_split'
            )

    def show(
        self,
        results: Sequence[Mapping],
        out_dir: str,
        show: bool = False,
        pipeline: list[dict] | None = None,
    ) -> None:
        """Draws results and ground truth; tools/test.py --show-dir draws more.

        Args:
            results: Detections of each image, in the order of the data set.
            out_dir: Folder for the pictures.
            show: Whether to open windows, too, where there is a screen.
            pipeline: Not used: images are loaded as for detection.
        """
        draw_results(self, results, out_dir, show)

    @property
    def loading(self) -> dict:
        """``exif`` and ``value_range`` of the pipeline's ``LoadImageMono3D``."""
        steps = (s for s in self.pipeline.transforms if isinstance(s, LoadImageMono3D))
        step = next(steps, LoadImageMono3D())
        return {'exif': step.exif, 'value_range': step.value_range}

    def evaluate(
        self,
        results: Sequence[Mapping],
        metric: str | list[str] = 'bbox',
        logger: Any = None,
        jsonfile_prefix: str | None = None,
        result_names: Sequence[str] = ('img_bbox',),
        show: bool = False,
        out_dir: str | None = None,
        pipeline: list[dict] | None = None,
    ) -> dict[str, float]:
        """Scores the results with nuscenes-devkit.

        Args:
            results: Detections of each image, in the order of the data set.
            metric: Only ``bbox``.
            logger: Where the table of scores goes.
            jsonfile_prefix: Folder to keep the submission and the devkit's files in.
            result_names: Which 3D results to score.
            show: Whether to open windows with the results, see ``show``.
            out_dir: Folder for pictures of them; what fails there is said and costs no score.
            pipeline: As for ``show``.

        Returns:
            ``img_bbox_NuScenes/NDS``, ``.../mAP``, the five mean errors and the numbers per class.

        Raises:
            ValueError: If the split has no public ground truth, the results are not of it, or the
                classes are not of nuScenes.
            FileNotFoundError: If the nuScenes tables are not at hand.
        """
        self.check_evaluation(metric, jsonfile_prefix, result_names, show, out_dir)
        values: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as temporary:
            files = self._format(results, jsonfile_prefix or temporary)
            for name in result_names:
                if name not in files:
                    raise ValueError(f'no result {name!r}; there are {sorted(files)}')
                values.update(self._evaluate_single(files[name], logger, result_name=name))
        if show or out_dir:
            try:
                self.show(results, out_dir, show=show, pipeline=pipeline)
            except Exception as error:  # whatever it is: the scores are there, and stay
                print_log(f'no more pictures: {type(error).__name__}: {error}', logger)
        return values

    def _evaluate_single(
        self,
        result_path: str,
        logger: Any = None,
        metric: str = 'bbox',
        result_name: str = 'img_bbox',
    ) -> dict[str, float]:
        self._check_split()
        tables = load_tables(self.data_root, self.version)
        evaluation = evaluate_submission(
            result_path,
            tables,
            self.eval_split,
            self.eval_detection_configs,
            self.eval_ranges,
            self.eval_cameras,
            self.render_curves,
        )
        title = f'{self.version} {split_name(self.eval_split)}'
        if self.eval_cameras is not None:
            title += f', what {", ".join(self.eval_cameras)} show'
        print_log(report(evaluation, self.CLASSES, title), logger)
        return log_values(evaluation, self.CLASSES, f'{result_name}_NuScenes')
