"""Says nothing of itself."""

import base

Layer = base.Layer
