"""Readers: a DICOM folder or file, NIfTI, NRRD, MetaImage, PNG or JPEG becomes :class:`~miqanet_core.series.MRSeries`.

``read_series`` is for one series and ``read_all_series`` for all of a folder; both stop at the first fault. ``scan`` reads
what can be read and hands the faults back beside it, so that one bad series does not stop the others; ``stream`` does so series
by series. ``ReadAhead`` does so in processes of its own, ahead of their use; ``Shard`` is a part of the series.
"""

from miqanet_core.readers.ahead import ReadAhead
from miqanet_core.readers.scan import ReadResult, read_all_series, read_series, scan, stream
from miqanet_core.readers.shard import WHOLE, Shard

__all__ = ["WHOLE", "ReadAhead", "ReadResult", "Shard", "read_all_series", "read_series", "scan", "stream"]
