"""In-line NIR blend uniformity: calibrate in the laboratory, score on the line, prove both."""

__version__ = "0.1.0"
