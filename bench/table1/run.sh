#!/usr/bin/env bash
# Table 1 anew: three encoders on CIFAR-10 and Tiny ImageNet, with and without pixel statistics.
#   QUALM_DATA=... QUALM_MODELS=... bench/table1/run.sh [SSCD.onnx]
# An interrupted run goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/../.."
simclr=crates/qualm-vision/data/cifar10_simclr_resnet20.safetensors
sscd=${1:-}
qualm=${QUALM_BIN:-target/release/qualm}
images=$QUALM_DATA/images
here=bench/table1

train=$(mktemp -d)
trap 'rm -rf "$train"' EXIT
ln -s "$images/cifar10_train.parquet" "$images/cifar10_train_more.parquet" "$train/"

# bench NAME IMAGES MORE..: unless it is there.
bench() {
    local out=$here/$1.csv
    [ -e "$out" ] || "$qualm" bench corruption --images "$images/$2" "${@:3}" -o "$out"
}

cifar() { bench "$1" cifar10_test.parquet --train "$train" "${@:2}"; }
tiny() { bench "$1" tinyimagenet_val.parquet "${@:2}"; }
both() {
    cifar "cifar10-$1" "${@:2}"
    tiny "tiny-$1" "${@:2}"
}

beside=(--statistics --detectors "dum,knn+space=robust,ecod+space=robust")
both simclr --encoder "$simclr"
both simclr-statistics --encoder "$simclr" "${beside[@]}"
both resnet56 --encoder "$QUALM_MODELS/cifar10_resnet56.safetensors" --preprocessing akamaster
both resnet56-statistics --encoder "$QUALM_MODELS/cifar10_resnet56.safetensors" \
    --preprocessing akamaster "${beside[@]}"
both statistics --encoder pixel-statistics --detectors "dum,knn+space=robust,ecod+space=robust"
if [ -n "$sscd" ]; then
    # At 288 pixels: fewer images and severities.
    few=(--encoder "$sscd" --preprocessing sscd --limit-images 2000 --severity 1,3,5)
    both sscd "${few[@]}"
    both sscd-statistics "${few[@]}" "${beside[@]}"
fi
