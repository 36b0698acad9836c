# SPDX-License-Identifier: GPL-3.0-or-later
# A model refuses a CPU that lacks what it was compiled for, and with several targets takes the code
# that the CPU can run: on emulated CPUs, which would stop at the first instruction that they lack.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build lenet -o lenet.onnx
cat >input.ran <<'END'
func @main(%x: tensor<1x1x28x28xf32>) -> (tensor<1x1x28x28xf32>) {
  return %x
}
END
expect 0 ran-run --interpret input.ran --output-dir=input
expect 0 ran-run --interpret lenet.onnx --input input/output_0.pb --output-dir=reference

# right COMMAND...: it computes what the reference did
right() {
    rm -rf got
    expect 0 "$@" input/output_0.pb -o got
    expect 0 ran-run --interpret scores.ran --input got/output_0.pb \
        --expected reference/output_0.pb
}
# refused COMMAND...
refused() {
    expect 1 "$@" input/output_0.pb
    expect_text err "this CPU lacks an instruction set"
}
printf 'func @main(%%x: tensor<1x10xf32>) -> (tensor<1x10xf32>) {\n  return %%x\n}\n' >scores.ran

# The choice is visible to programs: index and name of the code that runs here.
cat >variant.c <<'END'
#include "model.h"
#include <ran/rt.h>
#include <stdio.h>

int main(void)
{
    const struct ran_model_desc *desc = model_desc();
    int index = desc->variant();
    for (uint32_t i = 0; i < desc->variant_count; i++)
        printf("%u %s: %s\n", i, desc->variants[i].target, desc->variants[i].cpu_features);
    printf("runs %s\n", index < 0 ? "none" : desc->variants[index].target);
    return desc->abi != RAN_ABI_VERSION;
}
END

# variant CC RUNNER TARGETS: "runs" of that CPU
build_variant() {
    expect 0 rancc lenet.onnx --target="$2" -o model.a
    # shellcheck disable=SC2086  # a command and its options
    expect 0 $1 -static -I. -I"$RAN_SRCDIR/include" variant.c model.a -o variant
}

if [ "$(uname -m)" = x86_64 ] && command -v qemu-x86_64 >/dev/null 2>&1; then
    all=x86-64-v3,x86-64,x86-64-v4,x86-64-v2
    for target in x86-64-v2 x86-64-v3 $all; do
        expect 0 rancc lenet.onnx -O3 --target="$target" -o "program-$target"
    done
    right qemu-x86_64 -cpu Nehalem ./program-x86-64-v2
    right qemu-x86_64 -cpu Haswell ./program-x86-64-v3
    refused qemu-x86_64 -cpu Nehalem ./program-x86-64-v3
    refused qemu-x86_64 -cpu core2duo ./program-x86-64-v2
    for cpu in core2duo Nehalem Haswell; do
        right qemu-x86_64 -cpu $cpu "./program-$all"
    done
    right "./program-$all"

    build_variant "${RAN_CC##* }" $all
    expect 0 qemu-x86_64 -cpu core2duo ./variant
    expect_text out "0 x86-64-v4: sse3,ssse3,"
    expect_text out "3 x86-64: "
    expect_text out "runs x86-64"
    expect 0 qemu-x86_64 -cpu Nehalem ./variant
    expect_text out "runs x86-64-v2"
    expect 0 qemu-x86_64 -cpu Haswell ./variant
    expect_text out "runs x86-64-v3"
    nm -u model.a | sed -n 's/^ *U //p' | sort -u >symbols
    ! grep -vxE 'memcpy|memset' symbols || fail "model.a needs other symbols"
fi

# One layout of the weights serves all targets: they take no more room than those of one.
expect 0 ran-design build mobilenet_v2_cifar --width 0.25 -o mobilenet.onnx
# weights TARGETS
weights() {
    expect 0 rancc mobilenet.onnx -O2 --target="$1" -o weights.o
    readelf -SW weights.o | sed 's/\[ */[/' | awk '$2 == ".ran_weights" { print $6 }'
}
one=$(weights x86-64-v4)
[ -n "$one" ] || fail "no section of weights"
expect_equal "$(weights x86-64,x86-64-v3,x86-64-v4)" "$one" "bytes of weights for three targets"

# The same objects again, and what makes no sense.
expect 0 rancc lenet.onnx --target=x86-64-v2,x86-64-v3 --prefix=m -o one.o
expect 0 rancc lenet.onnx --target=x86-64-v2,x86-64-v3 --prefix=m -o two.o
cmp one.o two.o || fail "the object for two targets is not the same twice"
expect 2 rancc lenet.onnx --target=x86-64,neoverse -o bad.o
expect_text err "can't be in one object"
expect 2 rancc lenet.onnx --target=x86-64,x86-64 -o bad.o
expect 2 rancc lenet.onnx --target=x86-64,x86-64-v3 -mattr=+avx512f -o bad.o
expect 2 rancc lenet.onnx --target=x86-64 -mcpu=nonsense -o bad.o
expect_text err "unknown CPU 'nonsense'"
expect_no_file bad.o

need_aarch64
expect 0 rancc lenet.onnx -O3 --target=neoverse -o program-neoverse
expect 0 rancc lenet.onnx -O3 --target=aarch64 -o program-aarch64
expect 0 rancc lenet.onnx -O3 --target=aarch64,neoverse-v1,neoverse-n1 -o program-arm
# shellcheck disable=SC2086  # a command and its options
{
    right $CROSS_RUN -cpu neoverse-n1 ./program-neoverse
    refused $CROSS_RUN -cpu cortex-a57 ./program-neoverse
    right $CROSS_RUN -cpu cortex-a57 ./program-aarch64
    for cpu in cortex-a57 neoverse-n1; do
        right $CROSS_RUN -cpu $cpu ./program-arm
    done
    build_variant $CROSS_CC aarch64,neoverse-n1
    expect 0 $CROSS_RUN -cpu cortex-a57 ./variant
    expect_text out "runs aarch64"
    expect 0 $CROSS_RUN -cpu neoverse-n1 ./variant
    expect_text out "runs neoverse-n1"
}
