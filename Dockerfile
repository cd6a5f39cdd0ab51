# Images of the server. Nothing is in them but the module and a folder for its data: the runtime is the machine's.
#
#   docker build --platform wasi/wasm -t todo .                              the module with native code (universal)
#   docker build --platform wasi/wasm --target plain -t todo:plain .         the module alone, which is interpreted
#   docker build --platform wasi/wasm --target dist -t todo .                from files that `make dist` has written
#   docker build --target native-host -t todo:native-host .                  with WasmEdge, for any container engine
#
# Arguments:
#   ARCHES   architectures with native code in the module, such as "amd64 arm64"; by default that of the building machine
#   FILES    `built` compiles the module here, `ready` takes it from dist/; the target `dist` always does
#   MODULE   the file that `dist` takes: todo-universal.wasm or todo.wasm
#   DEBIAN   the image that the module is built in and that WasmEdge is taken from
#   VERSION, REVISION   for the labels

ARG DEBIAN=docker.io/library/debian:trixie-slim
ARG FILES=built

# --- The module ----------------------------------------------------------------------------------------------

# It is the same for every platform, so it is built on the building machine's own.
FROM --platform=$BUILDPLATFORM ${DEBIAN} AS toolchain
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git make \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY scripts scripts
RUN make setup

# The dependencies stay compiled for as long as this layer's files are the same: sources change more often.
FROM toolchain AS dependencies
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
RUN --mount=type=cache,sharing=locked,target=/root/.cargo/registry \
  mkdir src && : >src/lib.rs && echo 'fn main() {}' | tee src/main.rs >build.rs \
  && make dist-plain

FROM dependencies AS build
ARG ARCHES=
ARG REVISION=unknown
COPY . .
# cargo goes by the time of a file, and that of a source may be before the layer above.
RUN --mount=type=cache,sharing=locked,target=/root/.cargo/registry \
  --mount=type=cache,sharing=locked,target=/src/target/sections \
  find src build.rs -type f -exec touch {} + \
  && make dist-universal COMMIT="$REVISION" ARCHES="${ARCHES:-$(dpkg --print-architecture)}"

FROM scratch AS built
COPY --from=build /src/dist/todo.wasm /src/dist/todo-universal.wasm /

FROM scratch AS ready
COPY dist/todo.wasm dist/todo-universal.wasm /

FROM ${FILES} AS files

# --- Images for machines with a shim or a runtime for WebAssembly ---------------------------------------------

FROM scratch AS base
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="todo" \
  org.opencontainers.image.description="A todo HTTP API in one WebAssembly file" \
  org.opencontainers.image.licenses="MIT OR Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
# A volume that is mounted here takes over the folder's owner.
COPY --chown=65534:65534 deploy/data /data
VOLUME ["/data"]
# A number, because there is no file of names; Kubernetes wants one, too.
USER 65534:65534
EXPOSE 8080
# Signals do not reach a WebAssembly module, so a polite one would be waited for in vain. Ending it at once is safe: what
# was answered is on the disk.
STOPSIGNAL SIGKILL
# No HEALTHCHECK: it runs a program inside the container, where there is none. Check from outside: GET /readyz.
ENTRYPOINT ["/todo.wasm"]

FROM base AS plain
COPY --from=files /todo.wasm /todo.wasm

FROM base AS dist
ARG MODULE=todo-universal.wasm
COPY --from=ready /${MODULE} /todo.wasm

# --- The image for machines without ----------------------------------------------------------------------------

FROM ${DEBIAN} AS wasmedge
RUN apt-get update \
  && apt-get install -y --no-install-recommends wasmedge \
  && rm -rf /var/lib/apt/lists/*
COPY scripts/container-closure.sh /
RUN bash /container-closure.sh /closure /usr/bin/wasmedge /usr/bin/bash /usr/bin/dirname /usr/bin/grep

FROM base AS native-host
COPY --from=wasmedge /closure /
COPY scripts/run-wasm.sh /scripts/
COPY --from=files /todo-universal.wasm /todo.wasm
ENV DATA_DIR=/data
ENTRYPOINT ["/usr/bin/bash", "/scripts/run-wasm.sh", "/todo.wasm"]

# --- Without --target ------------------------------------------------------------------------------------------

FROM base AS universal
COPY --from=files /todo-universal.wasm /todo.wasm
