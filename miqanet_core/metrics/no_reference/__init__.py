"""Measures of one image alone: natural-scene statistics (NIQE, IL-NIQE, BRISQUE, PIQE) and those of MR quality assessment."""
