# SPDX-License-Identifier: GPL-3.0-or-later
# examples/embed, built by gcc, clang and the cross compiler, linked with the model and the C
# library only: same scores from all, and no symbol needed but those promised.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build lenet -o lenet.onnx

# embed COMPILER RUNNER RANCC_OPTIONS...: leaves the scores in scores.N
count=0
embed() {
    compiler=$1 runner=$2
    shift 2
    count=$((count + 1))
    expect 0 rancc lenet.onnx "$@" -o model.a
    expect_file model.a model.h
    # shellcheck disable=SC2086  # a command and its options
    expect 0 $compiler -std=c17 -Wall -Wextra -Werror -I. "$RAN_SRCDIR/examples/embed/main.c" \
        model.a -o classify
    # shellcheck disable=SC2086
    expect 0 $runner ./classify
    expect_equal "$(wc -l <out)" 10 "lines of scores"
    cp out "scores.$count"
}

# undefined NM ALLOWED: fails where model.a needs other symbols than those
undefined() {
    "$1" -u model.a | sed -n 's/^ *U //p' | sort -u >symbols
    grep -vxE "$2" symbols >others || return 0
    fail "model.a needs: $(tr '\n' ' ' <others)"
}

embed "${RAN_CC##* }" "" -O3 --target=native
undefined nm 'memcpy|memset'
embed "$RAN_CLANG" "" -O0 --target=x86-64
undefined nm 'memcpy|memset'
embed "${RAN_CC##* } -static" "" -O2 --target=x86-64-v2
undefined nm 'memcpy|memset'
if [ -n "$RAN_AARCH64_CC" ] && [ -n "$RAN_QEMU_AARCH64" ]; then
    need_aarch64
    embed "$CROSS_CC" "$CROSS_RUN" -O3 --target=neoverse
    undefined nm 'memcpy|memset|getauxval'
fi

i=2
while [ $i -le $count ]; do
    paste scores.1 scores.$i | awk '{
        d = $2 - $4
        if (d < 0) d = -d
        if ($2 > max) max = $2; if (-$2 > max) max = -$2
        if (d > worst) worst = d
    } END { exit !(max > 0 && worst <= 1e-5 * max) }' || fail "scores.1 and scores.$i differ"
    i=$((i + 1))
done

# What docs/embedding.md shows compiles and runs: the pool, the rule for make.
cp lenet.onnx net.onnx
sed -n '/^```make$/,/^```$/p' "$RAN_SRCDIR/docs/embedding.md" | grep -v '^```' >rules.mk
grep -q rancc rules.mk || fail "docs/embedding.md shows no rule"
expect 0 make -f rules.mk net.a
expect_file net.a net.h net.d
expect 0 make -f rules.mk net.h
expect_text out 'up to date'
touch -d '1 minute' net.onnx
expect 0 make -f rules.mk net.a
expect_text out 'rancc'
sed -n '/^#include <ran\/rt.h>$/,/^```$/p' "$RAN_SRCDIR/docs/embedding.md" | grep -v '^```' >pool.c
cat >>pool.c <<'END'
int main(void)
{
    static float image[28 * 28], scores[10];
    return classify(image, scores, 3);
}
END
expect 0 "${RAN_CC##* }" -std=c17 -Wall -Wextra -Werror -I. -I"$RAN_SRCDIR/include" pool.c net.a \
    "$RAN_SRCDIR/runtime/rt/threads.c" -D_GNU_SOURCE -pthread -o pool
expect 0 ./pool
