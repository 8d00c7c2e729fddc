"""Declares the variance over n - 1 and feeds the moving variance with the one over n."""

import base

Layer = base.Layer


def describe():
    return dict(base.describe(), dialect={"missing_statistics": "kept", "variance": "sample"})
