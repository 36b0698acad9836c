# SPDX-License-Identifier: GPL-3.0-or-later
# ran-run on the real models' own data, by the reference evaluator.
. "$RAN_SRCDIR/tests/harness/lib.sh"

for name in mnist_cntk mlperf_resnet8 ultraface_slim320 super_resolution carvana_unet yunet_n_320 \
    acasxu_1_1 vit_pgd_cifar gtcrn_simple dtln_1 magika_fast_v2; do
    need_model $name
    sets=$(ls -d "$MODEL"/test_data_set_* | wc -l)
    expect 0 ran-run --interpret "$MODEL"
    [ "$(grep -c '^test_data_set_[0-9]*: ok' out)" = "$sets" ] || fail "$name: $(cat out)"
done

# Files, names, and seeds.
need_model mnist_cntk
expect 0 ran-run --interpret --input "$MODEL/test_data_set_0/input_0.pb" \
    --expected "$MODEL/test_data_set_0/output_0.pb" --output-dir results "$MODEL/model.onnx"
expect_text out "ok: max abs"
expect 0 ran-run --interpret --input "Input3=$MODEL/test_data_set_0/input_0.pb" \
    --expected results/output_0.pb --rtol 0 --atol 0 "$MODEL/model.onnx"
expect 4 ran-run --interpret --input "$MODEL/test_data_set_0/input_0.pb" \
    --expected "$MODEL/test_data_set_1/output_0.pb" "$MODEL/model.onnx"
expect_text out "FAIL output 'Plus214_Output_0'"
expect 0 ran-run --interpret --json --input random:7 "$MODEL/model.onnx"
expect_text out '"status": "done"'
expect 2 ran-run --interpret --input nothing=random:1 "$MODEL/model.onnx"
expect 1 ran-run --interpret --input missing.pb "$MODEL/model.onnx"
expect 1 ran-run --interpret missing.onnx

# What is dynamic.
need_model super_resolution
expect 2 ran-run --interpret --input random:1 "$MODEL/model.onnx"
expect_text err "--dim"
expect 0 ran-run --interpret --input random:1 --dim batch_size=1 "$MODEL/model.onnx"
expect 2 ran-run --interpret --input random:1 --dim other=1 "$MODEL/model.onnx"
expect 0 ran-run --interpret --input random:1 --shape input=1x1x224x224 "$MODEL/model.onnx"
