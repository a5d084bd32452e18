"""A network of every part that builds in a moment."""

from miqanet_core.model import NetworkConfig

SMALL = NetworkConfig(
    name="small",
    tile_size=64,
    global_backbone="vit_tiny_patch16_224",
    global_patch_size=8,
    global_blocks=(0, 1),
    local_backbone="resnet10t",
    local_levels=(2, 3),
    local_stem_pool=True,
    attention_blocks=1,
    reduce_before_attention=False,
    released_reshape=True,
    stage_widths=(16, 8),
    stage_layers=2,
    layer_blocks=2,
    window=4,
    heads=4,
    mlp_hidden=(16, 16),
    fusion="adaptive_sum",
    score_activation="sigmoid",
)
