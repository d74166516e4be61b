# syntax=docker/dockerfile:1
# One build for all four processes, and a small image for each: docker build --target pet-service .

FROM rust:1.95.0-trixie AS build
WORKDIR /src
COPY . .
# What /info tells as the commit; without it, nothing.
ARG SAGAFORGE_COMMIT
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p pet-service -p order-service -p inventory-service -p saga --bins \
    && install -D -t /out target/release/pet-service target/release/order-service \
        target/release/inventory-service target/release/saga

# A static program that asks /readyz, so that the images need neither a shell nor curl for it.
FROM busybox:1.37-musl AS busybox

FROM debian:trixie-slim AS process
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=busybox /bin/busybox /usr/local/bin/wget
USER 10001:10001
WORKDIR /
STOPSIGNAL SIGTERM

FROM process AS pet-service
COPY --from=build /out/pet-service /usr/local/bin/
ENV LISTEN=0.0.0.0:8081
EXPOSE 8081
ENTRYPOINT ["pet-service"]

FROM process AS order-service
COPY --from=build /out/order-service /usr/local/bin/
ENV LISTEN=0.0.0.0:8082
EXPOSE 8082
ENTRYPOINT ["order-service"]

FROM process AS inventory-service
COPY --from=build /out/inventory-service /usr/local/bin/
ENV LISTEN=0.0.0.0:8083
EXPOSE 8083
ENTRYPOINT ["inventory-service"]

FROM process AS saga
COPY --from=build /out/saga /usr/local/bin/
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["saga"]
CMD ["serve"]
