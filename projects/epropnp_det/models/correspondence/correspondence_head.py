"""The deformable correspondence head: from object queries to 2D-3D correspondences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmcv.runner import BaseModule
from mmdet.core.bbox.builder import build_bbox_coder
from mmdet3d.models.builder import HEADS
from torch import Tensor, nn

from ..precision import at_least_float32, full_precision
from ..structures import Correspondences, DenseFeatures, ImageGeometry, ObjectQueries
from .deformable_sampler import DeformableSampler, SampledObjects
from .feature_encoder import DenseFeatureEncoder
from .image_transform import clamp_to_cells, mirror, network_to_image, shift_pixel_center
from .point_head import PointHead

__all__ = ['CorrespondenceHead']

X2D_SOURCES = ('analytic', 'sampled')


@HEADS.register_module()
class CorrespondenceHead(BaseModule):
    """Predicts 2D-3D correspondences, dimensions, score, velocity and attribute of each object.

    Source: EPro-PnP, section 4.2; docs/method.md 2.4 and 2.5. The sampling locations are carried
    back to original pixels by the inverse image transform, so resize, crop and flip need no
    coordinate map.

    Args:
        num_classes: Number of classes.
        dim_coder: Config of the dimension coder, see ``MultiClassLogDimCoder``.
        num_attrs: Number of attributes.
        in_channels: Channels of the pyramid levels.
        level_channels: Channels of the convolutions on each pyramid level.
        embed_dims: Channels of object embeddings, keys and values.
        num_levels: Pyramid levels to fuse, from the finest.
        stride: Stride of the finest level, which is the output stride.
        num_heads: Attention heads.
        num_points: Points per head; an object has ``num_heads * num_points`` correspondences.
        ffn_channels: Hidden channels of the sampler's feed-forward network.
        point_ffn_channels: Hidden channels of the point transformer's feed-forward network.
        dropout: Dropout of the feed-forward networks.
        class_embedding: Whether to add a learned vector of the class to the embedding (v1b_220411,
            v2).
        border_ramp: ``'symmetric'``, or ``'official'`` for official v2 checkpoints
            (docs/differences.md W12).
        x2d_source: ``'analytic'``: 2D points are the sampling locations, wherever they lie (v2).
            ``'sampled'``: locations beyond the outermost cell centres are moved onto them, without
            gradient, as where a coordinate map is sampled with border padding (v1, v1b).
        pixel_center: Coordinate of the centre of the first original pixel in the frame of ``x2d``,
            the same as that of the camera: 0.5 (v2) or 0.0 (v1, v1b).
        detach_position_code: Whether the point position code sends no gradient into the 2D points
            (v1, v1b).
        initial_scale: Weight scale before training, in 1 / pixel. Weights count in original pixels,
            so images smaller than nuScenes' want more than the published 1: a scale that starts too
            small makes the posterior improper, and the correspondences get hardly any gradient.
        reference_spread: Spread of an object's 2D points, in pixels, for which the scale is in
            1 / pixel. Weights of other objects are divided by the ratio of their spread to this
            one, so that near and far objects start with posteriors of the same relative width, and
            weigh the same in the loss. None: the scale is in 1 / pixel for all, as published.
        embedding_gain: How much of the object's embedding reaches its query, and of the query its
            points, before training; both factors are learned. The published 0.1 leaves a hundredth
            of what the level of the object's own size knows, until long training has raised it.
        norm_cfg: Norm of the dense fusion layer, GN with 32 groups by default.
        init_cfg: Initialisation config of mmcv.

    Raises:
        ValueError: If ``x2d_source`` is unknown.
    """

    def __init__(
        self,
        num_classes: int,
        dim_coder: dict,
        num_attrs: int = 9,
        in_channels: int = 256,
        level_channels: Sequence[int] = (256, 128, 128),
        embed_dims: int = 256,
        num_levels: int = 3,
        stride: int = 8,
        num_heads: int = 8,
        num_points: int = 16,
        ffn_channels: int = 1024,
        point_ffn_channels: int = 256,
        dropout: float = 0.1,
        class_embedding: bool = True,
        border_ramp: str = 'symmetric',
        x2d_source: str = 'analytic',
        pixel_center: float = 0.5,
        detach_position_code: bool = False,
        initial_scale: float = 1.0,
        reference_spread: float | None = None,
        embedding_gain: float = 0.1,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if x2d_source not in X2D_SOURCES:
            raise ValueError(f'x2d_source must be one of {X2D_SOURCES}, got {x2d_source!r}')
        self.x2d_source = x2d_source
        self.pixel_center = float(pixel_center)
        self.dim_coder = build_bbox_coder(dim_coder)
        self.encoder = DenseFeatureEncoder(
            in_channels, level_channels, embed_dims, num_levels, stride, norm_cfg
        )
        self.class_embedding = nn.Embedding(num_classes, embed_dims) if class_embedding else None
        self.sampler = DeformableSampler(
            embed_dims, num_heads, num_points, ffn_channels, dropout, border_ramp, embedding_gain
        )
        self.point_head = PointHead(
            num_heads,
            embed_dims // num_heads,
            point_ffn_channels,
            dropout,
            detach_position_code,
            embedding_gain,
        )
        self.initial_scale = initial_scale
        self.reference_spread = reference_spread
        self._build_branches(embed_dims, num_classes, num_attrs)

    def _build_branches(self, embed_dims: int, num_classes: int, num_attrs: int) -> None:
        self.scale_branch = nn.Linear(embed_dims, 2)
        self.score_branch = nn.Linear(embed_dims, 1)
        self.object_mlp = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
        )
        self.dim_branch = nn.Linear(embed_dims, 3 * num_classes)
        self.velocity_branch = nn.Linear(embed_dims, 2)
        self.attr_branch = nn.Linear(embed_dims, num_attrs)

    @property
    def num_classes(self) -> int:
        """Number of classes that have dimensions of their own."""
        return self.dim_branch.out_features // 3

    @property
    def num_attrs(self) -> int:
        """Number of attributes."""
        return self.attr_branch.out_features

    def init_weights(self) -> None:
        """Starts with ``initial_scale``, mean dimensions, no motion and even scores."""
        super().init_weights()
        if self.class_embedding is not None:
            nn.init.zeros_(self.class_embedding.weight)
        nn.init.zeros_(self.scale_branch.weight)
        nn.init.constant_(self.scale_branch.bias, math.log(self.initial_scale))
        for layer in self.object_mlp[::2]:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.score_branch, self.dim_branch, self.velocity_branch, self.attr_branch):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def encode(self, feats: Sequence[Tensor], geometry: ImageGeometry) -> DenseFeatures:
        """Makes the key and value maps of a batch of images.

        Args:
            feats: Pyramid levels from the finest, (B, in_channels, h_l, w_l) each.
            geometry: Cameras of the B images.

        Raises:
            ValueError: If there are fewer levels than ``num_levels``.
        """
        return self.encoder(feats, geometry.net_size)

    def sample(
        self, features: DenseFeatures, queries: ObjectQueries, geometry: ImageGeometry
    ) -> SampledObjects:
        """Reads the dense maps for each object; n may be zero.

        From here on all is computed in float32 at least, also under autocast: sampling locations
        are pixels, and an attention softmax in half precision loses the small weights.

        Raises:
            ValueError: If the embeddings do not have ``embed_dims`` channels.
        """
        channels, embed_dims = queries.embeddings.shape[-1], self.sampler.embed_dims
        if channels != embed_dims:
            raise ValueError(
                f'object embeddings have {channels} channels, the correspondence head needs '
                f'{embed_dims}; set emb_channels of the dense head equal to embed_dims'
            )
        embeddings = at_least_float32(queries.embeddings)
        if self.class_embedding is not None:
            embeddings = embeddings + self.class_embedding(queries.labels)
        queries = queries._replace(embeddings=embeddings)
        key, value = at_least_float32(features.key), at_least_float32(features.value)
        features = features._replace(key=key, value=value)
        with full_precision(key):
            return self.sampler(features, queries, geometry.net_size[queries.img_inds])

    def predict(
        self, sampled: SampledObjects, queries: ObjectQueries, geometry: ImageGeometry
    ) -> Correspondences:
        """Turns what ``sample`` read for the same queries into correspondences."""
        with full_precision(sampled.feature):
            return self._predict(sampled, queries, geometry)

    def _predict(
        self, sampled: SampledObjects, queries: ObjectQueries, geometry: ImageGeometry
    ) -> Correspondences:
        flipped = geometry.flipped[queries.img_inds]
        x2d = self._image_points(sampled.locations, queries, geometry)
        points = self.point_head(sampled, x2d, flipped)
        weights = points.weight_logits.softmax(1) * sampled.validity.flatten(1)[..., None]
        if self.reference_spread is not None:
            weights = weights * (self.reference_spread / _spread(x2d))[:, None, None]

        hidden = self.object_mlp(sampled.feature)
        encoded_dims = self._predict_dims(hidden, queries.labels)
        return Correspondences(
            noc=points.noc,
            x2d=x2d,
            weights=weights,
            scale=self.scale_branch(sampled.feature).exp(),
            dims=self.dim_coder.decode(encoded_dims, queries.labels),
            encoded_dims=encoded_dims,
            score_logits=self.score_branch(sampled.feature).squeeze(-1),
            velocities=mirror(self.velocity_branch(hidden), 0, flipped),
            attr_logits=self.attr_branch(hidden),
        )

    def forward(
        self, features: DenseFeatures, queries: ObjectQueries, geometry: ImageGeometry
    ) -> Correspondences:
        """Predicts the correspondences of ``n`` objects of all images at once.

        Args:
            features: Maps from :meth:`encode`.
            queries: Objects; n may be zero.
            geometry: Cameras of the images.

        Raises:
            ValueError: If the embeddings do not have ``embed_dims`` channels.
        """
        return self.predict(self.sample(features, queries, geometry), queries, geometry)

    def _image_points(
        self, locations: Tensor, queries: ObjectQueries, geometry: ImageGeometry
    ) -> Tensor:
        """Sampling locations (n, H, P, 2) as points of the original images, (n, N, 2)."""
        if self.x2d_source == 'sampled':
            net_size = geometry.net_size[queries.img_inds]
            locations = clamp_to_cells(locations, net_size, self.encoder.stride)
        img2net = shift_pixel_center(geometry.img2net, self.pixel_center)[queries.img_inds]
        return network_to_image(locations, img2net).flatten(1, 2)

    def _predict_dims(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Encoded dimensions of each object's class, (n, 3)."""
        per_class = self.dim_branch(hidden).unflatten(-1, (-1, 3))  # (n, classes, 3)
        return per_class.gather(1, labels[:, None, None].expand(-1, 1, 3)).squeeze(1)


def _spread(x2d: Tensor) -> Tensor:
    """Standard deviation of the points (n, N, 2) about the mean of their object, constant, (n,)."""
    return x2d.detach().var(1).sum(-1).clamp(min=1e-2).sqrt()
