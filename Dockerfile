# Images with the program gptq and the Python package, for CPUs and for NVIDIA GPUs:
#   docker build --target cpu -t gptq .        docker build --target cuda -t gptq:cuda .
#   docker run --rm -v "$PWD:/work" gptq inspect MODEL          with GPUs: docker run --gpus all ... gptq:cuda
# The CUDA image is compiled for all GPUs of the package; --build-arg CUDAARCHS=86-real selects one.

FROM ubuntu:24.04 AS build-cpu
WORKDIR /src
COPY scripts/setup.sh scripts/
# hadolint ignore=DL3008
RUN scripts/setup.sh \
    && apt-get install -y --no-install-recommends python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN GPTQ_CUDA=OFF scripts/wheel.sh /wheels

FROM nvidia/cuda:13.0.2-devel-ubuntu24.04 AS build-cuda
ARG CUDAARCHS=package
WORKDIR /src
COPY scripts/setup.sh scripts/
# hadolint ignore=DL3008
RUN scripts/setup.sh \
    && apt-get install -y --no-install-recommends python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN GPTQ_CUDA=ON CUDAARCHS=$CUDAARCHS scripts/wheel.sh /wheels

FROM ubuntu:24.04 AS base
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/gptq \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin gptq \
    && install -d -o gptq -g gptq /work
ENV PATH=/opt/gptq/bin:$PATH
WORKDIR /work
ENTRYPOINT ["gptq"]
CMD ["--help"]

# cuBLAS comes from PyPI's wheel, the driver from the host (NVIDIA Container Toolkit).
FROM base AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build-cuda,source=/wheels,target=/wheels \
    wheel=$(echo /wheels/*.whl) && pip install --no-cache-dir "${wheel}[cuda]"
USER 10001

FROM base AS cpu
RUN --mount=type=bind,from=build-cpu,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl
USER 10001
