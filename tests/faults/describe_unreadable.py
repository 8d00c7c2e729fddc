"""Says of itself what cannot be sent."""


def describe():
    return {"framework": "numpy", "version": {1, 2}, "modes": {"eager": {}}, "dialect": {}}
