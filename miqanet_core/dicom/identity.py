"""Who made an object: UIDs that come out the same each time, and the mark by which MIQA knows its own."""

from __future__ import annotations

import uuid
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

from miqanet_core.readers.dicom_values import text
from miqanet_core.version import version

MANUFACTURER = "MIQA"
MODEL_NAME = "MIQA image quality"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "dicom.miqanet_core")


def uid_of(*parts: str) -> UID:
    """The same parts always give the same UID: a name-based UUID below 2.25 (PS3.5 B.2, ISO/IEC 9834-8)."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, chr(0x1F).join(parts)).int}")


def equipment() -> dict[str, Any]:
    """What every object of ours says of the device that made it (PS3.3 C.7.5.1), as highdicom's arguments."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL_NAME,
        "software_versions": version()[:64],
        "device_serial_number": "none",
    }


def is_own_output(dataset: Dataset) -> bool:
    """True for an object that MIQA wrote, which it must never score: known by the equipment that it names.

    A header is enough. What an archive renames or gives new UIDs is still known, as long as it keeps the equipment.
    """
    return text(dataset, "Manufacturer") == MANUFACTURER and text(dataset, "ManufacturerModelName") == MODEL_NAME
