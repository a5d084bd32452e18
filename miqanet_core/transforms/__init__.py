"""What happens to a slice on its way to the network, and to the network's maps on their way back."""

from miqanet_core.transforms.anatomy import anatomy_mask, within_body
from miqanet_core.transforms.intensity import normalise
from miqanet_core.transforms.tiling import SliceMap, TileGrid, to_network

__all__ = ["SliceMap", "TileGrid", "anatomy_mask", "normalise", "to_network", "within_body"]
