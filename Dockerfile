# The image of one node: two static binaries and nothing else, so no registry is needed to build it.
# `make image` does it by hand: docker build -t ordeal-node:latest -f Dockerfile build/image, where build/image holds
# ordeal-agent and ordeal-node for Linux, built with CGO_ENABLED=0.
FROM scratch
COPY ordeal-agent ordeal-node /
ENTRYPOINT ["/ordeal-agent"]
