#!/bin/sh
# The same kinds of tools without a step being declared for them: `cargo granular exec` runs the command that stands behind
# `--`, or replays what it did when the same files were there. `sh exec.sh` twice, and the second time nothing runs.
set -eu
cd "$(dirname "$0")"

# protoc: all messages in one file, as tools for gRPC and for documentation take them.
cargo granular exec --input 'proto/**/*.proto' --output catalog.binpb -- \
    protoc --proto_path=proto --include_imports --descriptor_set_out=catalog.binpb proto/catalog/v1/*.proto

# Linters: without an output it is a check. What a step makes is asked for by name, here the generated code and node_modules.
cargo granular exec --need proto --input 'cmd/**/*.go' --input tools.go --input go.mod --input go.sum --env CGO_ENABLED=0 -- \
    go vet ./...
cargo granular exec --need web-tools --tool node \
    --input 'web/src/**/*.js' --input web/eslint.config.js --input web/package.json --dir web -- \
    node_modules/.bin/eslint --max-warnings=0 src

# Assets.
cargo granular exec --need web-tools --tool node \
    --input 'web/src/icons/*.svg' --input web/svgo.config.mjs --input web/package.json --output icons -- \
    web/node_modules/.bin/svgo --config web/svgo.config.mjs --folder web/src/icons --output icons
