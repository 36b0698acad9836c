# SPDX-License-Identifier: GPL-3.0-or-later
# ran-run and ran-stat on compiled libraries, and ran-run with programs for another machine.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build lenet -o lenet.onnx
expect 0 rancc lenet.onnx -O2 -o lenet.so
mkdir -p model/test_data_set_0 model/test_data_set_1
cp lenet.onnx model/model.onnx
cat >input.ran <<'END'
func @main(%x: tensor<1x1x28x28xf32>) -> (tensor<1x1x28x28xf32>) {
  return %x
}
END
for set in 0 1; do
    expect 0 ran-run --interpret input.ran --input random:$set --output-dir=got
    mv got/output_0.pb model/test_data_set_$set/input_0.pb
    expect 0 ran-run --interpret lenet.onnx --input model/test_data_set_$set/input_0.pb \
        --output-dir=model/test_data_set_$set
done

# both OPTIONS...: the two data sets are right
both() {
    expect 0 ran-run "$@"
    expect_equal "$(grep -c '^test_data_set_[01]: ok' out)" 2 "data sets that are right"
}
both lenet.so --data=model
both lenet.so --data=model --threads=2
expect 0 ran-run lenet.so --bench=0.05 --json
expect_text out '"median_ms"'
expect 4 ran-run lenet.so --input model/test_data_set_0/input_0.pb \
    --expected model/test_data_set_1/output_0.pb
expect 2 ran-run lenet.so --interpret
expect 2 ran-run lenet.so --profile
expect 1 ran-run lenet.so --prefix=other
expect_text err "other_desc"
mkdir empty
expect 1 ran-run lenet.so --data=empty
echo 'no library' >text.so
expect 1 ran-run text.so
{
    printf '\177ELF'
    head -c 100 /dev/zero
} >broken.so
expect 1 ran-run broken.so
expect 1 ran-stat broken.so

# Weights in a file beside, and a symbolic batch.
expect 0 rancc lenet.onnx --weights=file -o apart.so
both apart.so --data=model
rm apart.weights
expect 1 ran-run apart.so --data=model
expect_text err "apart.weights"
cat >batch.ran <<'END'
func @main(%x: tensor<N x 4 x f32>) -> (tensor<N x 4 x f32>) {
  %0 = relu %x : tensor<N x 4 x f32>
  return %0
}
END
sed -i 's/ x /x/g' batch.ran
expect 0 rancc batch.ran -o batch.so
expect 2 ran-run batch.so
expect 0 ran-run batch.so --dim N=3
expect_text out "tensor<3x4xf32>"

expect 0 ran-stat lenet.so
for text in "runs here  native" "input      input: 1x1x28x28xf32" "output     output: 1x10xf32" \
    "bytes on one thread" "bytes inside"; do
    expect_text out "$text"
done
expect 0 ran-stat --json lenet.so
expect_text out '"runs_here": "native"'
expect_text out '"weights_bytes": '
expect 0 ran-stat --json batch.so
expect_text out '"activation_bytes": null'
expect 0 ran-stat --json batch.so --dim N=100
expect_no_text out null

need_aarch64
both --runner="$CROSS_RUN" --target=neoverse -O3 model
both --runner="$CROSS_RUN" --target=aarch64 --threads=2 model
expect 1 ran-run --runner="$CROSS_RUN -cpu cortex-a57" --target=neoverse model
expect_text err "this CPU lacks an instruction set"
expect 0 ran-run --runner="$CROSS_RUN" --target=neoverse model --bench=0.05 --json --input random:1
expect_text out '"p90_ms"'
expect 1 ran-run --runner=no-such-program model
expect_text err "no-such-program"
expect 2 ran-run --runner=env --interpret model
