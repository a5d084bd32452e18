"""This machine's devices, as the scoring process lists them."""

from slicer.i18n import tr as _

_GIB = 1 << 30


def device_label(device) -> str:
    """``NVIDIA RTX A4000 (cuda:0), 11.2 of 16.0 GB free``."""
    label = f"{device['description']} ({device['name']})"
    if device.get("free_bytes") is None:
        return label
    free, total = device["free_bytes"] / _GIB, device["total_bytes"] / _GIB
    return _("{label}, {free:.1f} of {total:.1f} GB free").format(label=label, free=free, total=total)


class DeviceList:
    """Asks a process; ``on_devices(list)`` gets the devices, best first, or an empty list when it fails."""

    def __init__(self, make_process, on_devices):
        self._devices, self._on_devices = [], on_devices
        self._process = make_process(self._devices.append, self._ended)

    def ask(self) -> None:
        """Start asking."""
        self._process.start(["devices"])

    def stop(self) -> None:
        """Do not wait for the answer."""
        self._process.end_now()

    def _ended(self, ending) -> None:
        self._on_devices(self._devices if ending.status == 0 else [])
