#!/usr/bin/env bash
# Table 3 anew: three classifiers of CIFAR-10 against CIFAR-100, Tiny ImageNet, its scenes and MNIST.
#   QUALM_DATA=... QUALM_MODELS=... bench/table3/run.sh [FLAGS]
# FLAGS go to the first qualm bench ood: --rotation NET.safetensors, --encoder sscd_distilled.onnx
# --preprocessing sscd_distilled.onnx=sscd. An interrupted run goes on where it was, with the
# same flags. QUALM_OUT is another folder for the results.
set -euo pipefail
cd "$(dirname "$0")/../.."
qualm=${QUALM_BIN:-target/release/qualm}
images=$QUALM_DATA/images
here=${QUALM_OUT:-bench/table3}

# A folder of the same name in every run: an unfinished bench is of one place.
train=${TMPDIR:-/tmp}/qualm-table3-train
mkdir -p "$train"
ln -sf "$images/cifar10_train.parquet" "$images/cifar10_train_more.parquet" "$train/"

# bench NAME FLAGS..: unless it is there.
bench() {
    local out=$here/$1.csv
    [ -e "$out" ] || "$qualm" bench ood --in "cifar10=$images/cifar10_test.parquet" \
        --out "near:cifar100=$images/cifar100_test.parquet" \
        --out "near:tinyimagenet=$images/tinyimagenet_val.parquet" \
        --out "far:scenes=$images/tinyimagenet_scenes.parquet" \
        --out "far:mnist=$images/mnist_test.parquet" \
        --train "$train" "${@:2}" -o "$out"
}

# network SIZE: the flags of a classifier.
network() {
    echo --classifier "$QUALM_MODELS/cifar10_resnet$1.safetensors" \
        --preprocessing "cifar10_resnet$1.safetensors=akamaster"
}

bench cifar10 $(network 20) $(network 32) $(network 56) --encoder pixel-statistics \
    --encoder crates/qualm-vision/data/cifar10_simclr_resnet20.safetensors "$@"
# The same where JPEG blocks lie over every image: what of it was told by compression?
bench cifar10-jpeg $(network 20) --encoder pixel-statistics --reencode jpeg:75 \
    --detectors msp,mahalanobis+normalise=true,gram,energy,knn,dum,dum_circ
# The published form of mahalanobis: several layers, and a perturbation of the input.
layers=@stage_1:stage_2:stage_3:features
bench cifar10-mahalanobis $(network 20) --detectors "mahalanobis,mahalanobis+epsilon=0.001,\
mahalanobis$layers,mahalanobis$layers+epsilon=0.001,\
mahalanobis$layers+normalise=true,mahalanobis$layers+epsilon=0.001+normalise=true"
