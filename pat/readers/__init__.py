"""Instrument and exchange files to spectra, one small file a format."""
