#!/bin/sh
# The five stages without cargo granular: each of them, every time. Writes into build/.
set -eu
cd "$(dirname "$0")"
stage() {
    name=$1
    shift
    rm -rf "build/$name"
    mkdir -p "build/$name"
    python3 "pipeline/$name.py" "$@" "build/$name"
}
if [ "$(cat build/shop/source.json 2>/dev/null)" != "$(cat source.json)" ]; then # the shop is not one of the stages
    stage shop source.json
    cp source.json build/shop/
fi
stage fetch source.json build/shop
stage clean build/fetch
stage transform pipeline/rates.csv build/clean
stage analyse build/transform
stage report build/analyse
