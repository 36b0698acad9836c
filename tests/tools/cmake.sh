# SPDX-License-Identifier: GPL-3.0-or-later
# The CMake package: examples/cmake against an installation; a changed model is compiled again.
. "$RAN_SRCDIR/tests/harness/lib.sh"
unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR
need_command cmake cmake

expect 0 ran-design build lenet -o lenet.onnx
root=$TEST_DIR/root
prefix=$root$(sed -n 's/^prefix = //p' "$RAN_BUILDDIR/Makefile")
make -C "$RAN_BUILDDIR" install DESTDIR="$root" >log 2>&1 || fail "make install: $(tail log)"
LD_LIBRARY_PATH=$prefix/lib
export LD_LIBRARY_PATH

# shellcheck disable=SC2086  # CC may hold a launcher
expect 0 env CC="${RAN_CC##* }" cmake -S "$RAN_SRCDIR/examples/cmake" -B build \
    -DCMAKE_PREFIX_PATH="$prefix" -DMODEL="$TEST_DIR/lenet.onnx"
expect 0 cmake --build build
expect_text out "Compiling "
expect 0 build/classify
expect_equal "$(wc -l <out)" 10 "lines of scores"

expect 0 cmake --build build
expect_no_text out "Compiling "
sleep 1
expect 0 ran-design build lenet --seed 7 -o lenet.onnx
expect 0 cmake --build build
expect_text out "Compiling "
