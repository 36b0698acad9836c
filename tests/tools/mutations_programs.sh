# SPDX-License-Identifier: GPL-3.0-or-later
# Mutated real models through the programs: a message and status 1 or 3, or a result; in 10 s, and
# nothing is left behind.
. "$RAN_SRCDIR/tests/harness/lib.sh"

for name in mnist_cntk mlperf_resnet8 acasxu_1_1 dtln_1; do
    need_model $name
    set -- "$@" "$MODEL/model.onnx"
done
mkdir mutations
"$RAN_BUILDDIR/tests/fuzz/onnx_mutations" --count="${RAN_MUTATIONS:-20}" --write=mutations "$@"

# survives COMMAND...: sets STATUS. Sanitizers reserve address space by the terabyte.
survives() {
    STATUS=0
    (
        ulimit -t 10
        [ -n "$RAN_SANITIZED" ] || ulimit -v 2000000
        exec "$@"
    ) >out 2>err || STATUS=$?
    case $STATUS in
    0) ;;
    1 | 3) grep -q 'error: ' err || fail "status $STATUS without a message: $*" ;;
    *)
        cat err
        fail "status $STATUS: $*"
        ;;
    esac
}

# compiles FILE OPTION...: an object, or nothing.
compiles() {
    survives rancc "$@" --dim '*=1' -o result.o
    [ $STATUS -ne 0 ] || [ -e result.o ] || fail "no result.o: $*"
    [ $STATUS -eq 0 ] || for left in *result*; do
        [ ! -e "$left" ] || fail "$left is left behind: $*"
    done
    rm -f ./*result*
}

valid=0
for file in mutations/*.onnx; do
    compiles "$file" -O0
    compiles "$file" -O3
    [ $STATUS -ne 0 ] || valid=$((valid + 1))
    survives ran-run --interpret --dim '*=1' "$file"
done
[ $valid -gt 0 ] || fail "no mutation is still a model"
echo "$valid mutations are still models"
