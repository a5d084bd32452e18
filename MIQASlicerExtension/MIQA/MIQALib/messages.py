"""What people are told when scoring fails: what happened and the cure."""

from slicer.i18n import tr as _


def of_error(event) -> str:
    """An ``error`` event's message; the reader's own messages already name the cure."""
    cures = {
        "memory": _("Choose the CPU as device, close other programs, or score fewer volumes at a time."),
        "setting": _("Choose another model, device or precision."),
        "internal": _("Please report it, with the lines of the log."),
    }
    message = event.get("message") or _("Scoring failed without a reason")
    cure = cures.get(event.get("kind"))
    return f"{message}. {cure}" if cure else message


def of_ending(ending, told: bool) -> str:
    """What to say of the process's end; "" when it was meant to end so, or when an error event has told already (``told``)."""
    if ending.cancelled or ending.status in (0, 3):
        return ""
    if not ending.started:
        return _("The scoring process could not be started. Check the Python that is chosen under Installation.")
    if ending.status is None:
        return _(
            "The scoring process was ended by the system, most likely because the memory ran out. "
            "Choose another device, close other programs, or score fewer volumes at a time."
        )
    if told:
        return ""
    if "No module named" in ending.log or "ImportError" in ending.log:
        return _("What MIQA needs is not installed. Press Install under Installation.")
    last = ending.log.splitlines()[-1] if ending.log else _("it did not say why")
    return _("The scoring process failed: {reason}").format(reason=last)
