#!/bin/sh
# The same tools without cargo granular: each of them, every time. What is minified goes to build/.
#
#   by-hand.sh [proto | vet | lint | assets]
set -eu
cd "$(dirname "$0")"
export CGO_ENABLED=0
only=${1:-all}
wanted() { [ "$only" = all ] || [ "$only" = "$1" ]; }

# What is installed once, as everybody does.
[ -d web/node_modules ] || (cd web && npm ci --ignore-scripts --no-audit --no-fund)
[ -e build/protoc-gen-go ] ||
    go build -trimpath -buildvcs=false "-ldflags=-s -w -buildid=" -o build/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go

if wanted proto; then
    rm -rf gen
    mkdir gen
    protoc --proto_path=proto --plugin=build/protoc-gen-go \
        --go_out=gen --go_opt=paths=source_relative proto/catalog/v1/*.proto
fi
if wanted vet; then
    go vet ./...
fi
cd web
if wanted lint; then
    node_modules/.bin/eslint --max-warnings=0 src
fi
if wanted assets; then
    node_modules/.bin/terser src/cart.js src/shop.js \
        --toplevel --compress passes=2 --mangle --output ../build/shop.js
    for sheet in shop print; do
        node_modules/.bin/csso "src/$sheet.css" --output "../build/$sheet.css"
    done
    node_modules/.bin/svgo --config svgo.config.mjs --folder src/icons --output ../build/icons
fi
