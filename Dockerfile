# The suite alone. A framework comes on top, in an environment of its own:
#   FROM conformance
#   RUN python -m venv /framework && /framework/bin/pip install torch
# and is run on what is mounted:
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/here" IMAGE run torch_nn --python /framework/bin/python
FROM python:3.11-slim

COPY pyproject.toml README.md LICENSE /suite/
COPY conformance /suite/conformance
COPY adapters /suite/adapters
COPY cases /suite/cases
RUN pip install --no-cache-dir /suite

WORKDIR /here
ENTRYPOINT ["conformance"]
