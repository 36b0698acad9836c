# SPDX-License-Identifier: GPL-3.0-or-later
# Vector mathematics, compiled as plain C by every compiler at hand, within its limits of error.
# RAN_VECMATH_STRIDE=1 covers every f32 (half an hour a compiler with the vector
# functions of glibc, which gcc calls); by default every 8209th bit pattern.
. "$RAN_SRCDIR/tests/harness/lib.sh"

stride=${RAN_VECMATH_STRIDE:-8209}
flags="-std=gnu17 -O2 -fwrapv -fno-math-errno -Wall -Wextra -Werror -Wno-psabi -I$RAN_SRCDIR"
try() {
    echo "$*"
    # shellcheck disable=SC2086  # flags are words
    "$@" $flags "$RAN_SRCDIR/tests/vecmath/ulp.c" -o ulp -lm
    ./ulp "$stride" || fail "off by too many ulp: $*"
}

native=
[ "$(uname -m)" != x86_64 ] || native=-march=native
# What clang thinks of a virtual machine's mix of features is no matter here.
clang_native="$native -Wno-invalid-feature-combination"
# With and without contraction of a * b + c, which must not matter.
try gcc -DRAN_VL=4 -ffp-contract=off
try gcc -DRAN_VL=8 -ffp-contract=fast $native
try "$RAN_CLANG" -DRAN_VL=4 -ffp-contract=fast
try "$RAN_CLANG" -DRAN_VL=16 -ffp-contract=fast $clang_native
try "$RAN_CLANG" -DRAN_VL=8 -fsanitize=undefined -fno-sanitize-recover=undefined \
    -fno-sanitize=float-divide-by-zero,signed-integer-overflow,shift
