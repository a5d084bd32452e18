"""The review window: look at series, score them, find the bad slices. Needs the extra ``review`` (qtpy, PySide6)."""
