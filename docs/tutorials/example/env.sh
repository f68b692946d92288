# What the environment of a builder's container has. Here everything is in this folder.
export CNB_PLATFORM_API=0.15
export CNB_APP_DIR="$PWD/app" CNB_LAYERS_DIR="$PWD/layers" CNB_PLATFORM_DIR="$PWD/platform"
export CNB_BUILDPACKS_DIR="$PWD/buildpacks" CNB_EXTENSIONS_DIR="$PWD/extensions"
export CNB_ORDER_PATH="$PWD/order.toml" CNB_RUN_PATH="$PWD/run.toml" CNB_SYSTEM_PATH="$PWD/system.toml"
export CNB_BASEPLAN_PATH="$PWD/baseplan.toml" CNB_BUILD_CONFIG_DIR="$PWD/build-config"
export CNB_NO_COLOR=true COLUMNS=100
