# kg-rec with the text model and the service:   docker build -t kg-rec .
# Python is that of constraints.txt.
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY graph_schemas graph_schemas
COPY loaders loaders
COPY kg_rec kg_rec
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
# torch comes with CUDA from the default index; an index with one for processors makes the image much smaller:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=… .
ARG PIP_EXTRA_INDEX_URL
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir -c /tmp/constraints.txt "$(echo /wheels/kg_rec-*.whl)[text,serve]"
RUN useradd --create-home app && install -d -o app /data
USER app
WORKDIR /data
VOLUME /data
ENTRYPOINT ["kg-rec"]
CMD ["--help"]
