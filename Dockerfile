# nas in a container: `docker build -t nas .` for CPUs, with `--build-arg TORCH=cu130` for NVIDIA's GPUs and CUDA 13.0.
#
#   docker run --rm -v "$PWD:/data" nas                                   # a search of ten minutes, into ./runs
#   docker run --rm -v "$PWD:/data" nas search --data folder:flowers --image-size 64 --space compact --max-macs 4M
#   docker run --rm -v "$PWD:/data" --gpus all nas-cuda search --data folder:flowers --image-size 64 --budget 2h
#
# TORCH is what `uv pip install --torch-backend` takes, EXTRAS what docs/install.md lists. The user in it has the number
# 1000: where yours is another, add `--user "$(id -u):$(id -g)"`. With the extra ray give it `--shm-size 2g`, too.

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir build==1.6.1 && python -m build --wheel --outdir /dist

FROM python:${PYTHON}-slim
ARG TORCH=cpu
ARG EXTRAS=export,plots
COPY constraints.txt /opt/nas/
COPY --from=wheel /dist/ /opt/nas/
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN pip install --no-cache-dir uv==0.13.9 \
    && uv pip install --system --no-cache --torch-backend "${TORCH}" --constraints /opt/nas/constraints.txt \
        "$(ls /opt/nas/*.whl)[${EXTRAS}]" \
    && nas --version

RUN useradd --create-home --uid 1000 nas && install --directory --owner=nas --group=nas /data
USER 1000
WORKDIR /data
ENV XDG_CACHE_HOME=/tmp/cache
ENTRYPOINT ["nas"]
CMD ["search", "--space", "compact", "--data", "shapes2", "--max-macs", "4M", "--budget", "10m"]
