# SPDX-License-Identifier: GPL-3.0-or-later
# Real models as programs for aarch64, under the emulator, against the outputs that came with them.
. "$RAN_SRCDIR/tests/harness/lib.sh"
need_aarch64

# ran-run compares two files as the identity of one with the other expected.
for type in f32 i64; do
    printf 'func @main(%%x: tensor<*x%s>) -> (tensor<*x%s>) {\n  return %%x\n}\n' $type $type \
        >same_$type.ran
done
# compare GOT EXPECTED
compare() {
    for type in f32 i64; do
        run ran-run --interpret same_$type.ran --input "$1" --expected "$2"
        [ $STATUS -ne 0 ] || return 0
    done
    show_output
    fail "$1 differs from $2"
}

for name in acasxu_1_1 carvana_unet mlperf_resnet8 mnist_cntk; do
    need_model $name
    for level in -O0 -O3; do
        expect 0 rancc "$MODEL/model.onnx" $level --target=neoverse --dim '*=1' -o program
        for set in "$MODEL"/test_data_set_*; do
            rm -rf results
            mkdir results
            # shellcheck disable=SC2046,SC2086  # a command; files in the order of their numbers
            expect 0 $CROSS_RUN ./program $(ls "$set"/input_*.pb | sort -V) -o results
            for expected in "$set"/output_*.pb; do
                compare "results/$(basename "$expected")" "$expected"
            done
        done
    done
done
