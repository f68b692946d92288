#!/bin/sh
# Builds the app in the current folder and pushes it as IMAGE (and TAG). Credentials are
# REGISTRY_USER and REGISTRY_PASSWORD; RUN_IMAGE and PROCESS_TYPE may be set.
set -eu
: "${IMAGE:?set it to the reference of the app image}"

# Below the creator nothing sees the credentials but the registry: buildpacks and extensions get none.
DOCKER_CONFIG=$(mktemp -d)
export DOCKER_CONFIG
platform=$(mktemp -d)
trap 'rm -rf "$DOCKER_CONFIG" "$platform"' EXIT
if [ -n "${REGISTRY_USER:-}" ]; then
	token=$(printf '%s:%s' "$REGISTRY_USER" "$REGISTRY_PASSWORD" | base64 | tr -d '\n')
	printf '{"auths":{"%s":{"auth":"%s"}}}' "${IMAGE%%/*}" "$token" > "$DOCKER_CONFIG/config.json"
fi

# The buildpacks' own settings: a file for each in PLATFORM/env.
mkdir "$platform/env"
printf %s "${BP_LOG_LEVEL:-info}" > "$platform/env/BP_LOG_LEVEL"

tar --exclude=./.git -cf - . | tar -xf - -C /workspace

export CNB_PLATFORM_API=0.12
set -- -no-color -buildpacks /cnb/buildpacks -order /cnb/order.toml -platform "$platform" -skip-restore
if [ -n "${RUN_IMAGE:-}" ]; then set -- "$@" -run-image "$RUN_IMAGE"; fi
if [ -n "${PROCESS_TYPE:-}" ]; then set -- "$@" -process-type "$PROCESS_TYPE"; fi
if [ -n "${TAG:-}" ]; then set -- "$@" -tag "$TAG"; fi
/cnb/lifecycle/creator "$@" "$IMAGE"
