# SPDX-License-Identifier: GPL-3.0-or-later
# A bug (here: of a plug-in) ends with status 70 and a reproducer without the model's weights.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >buggy.c <<'C'
#include <ran/pass.h>

static ran_status run(ran_pass_context *pass, ran_function *function)
{
    (void)pass;
    ran_op_int(ran_region_first(ran_function_body(function)), "no_such_attribute");
    return RAN_OK;
}

static const ran_pass buggy = {.name = "buggy", .summary = "asks for what is not there", .run = run};
const ran_pass_plugin ran_pass_plugin_info = {RAN_PASS_PLUGIN_ABI, "buggy", &buggy, 1};
C
$RAN_CC -shared -fPIC -I"$RAN_SRCDIR/include" buggy.c -o buggy.so

cat >model.ran <<'IR'
const @secret = tensor<17xf32> hex("0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f00000040")
const @few = tensor<2xi64> [1, 17]

func @main(%x: tensor<17xf32>) -> (%y: tensor<1x17xf32>) {
  %0 = mul %x, @secret : tensor<17xf32> loc("Mul_0": "Mul")
  %1 = reshape %0, @few : tensor<1x17xf32>
  return %1
}
IR
expect 70 ran-opt -fpass-plugin=./buggy.so --passes=buggy model.ran -o result.ran
expect_text err "bug: "
expect_text err "no_such_attribute"
expect_text err "please report it with the file rancc-bug-"
expect_no_file result.ran
[ -z "$(ls -- *.tmp 2>/dev/null)" ] || fail "temporary files are left"
mv rancc-bug-*.ran bug.ran
expect_text bug.ran "--passes=buggy model.ran"
expect_text bug.ran "const @secret = tensor<17xf32> noise("
expect_text bug.ran "const @few = tensor<2xi64> [1, 17]"
expect_no_text bug.ran "0000803f"
expect 0 ran-opt --verify-only bug.ran
expect 70 ran-opt -fpass-plugin=./buggy.so --passes=buggy bug.ran

# A model from standard input can't be read again.
rm -f rancc-bug-*.ran
expect 70 ran-opt -fpass-plugin=./buggy.so --passes=buggy <model.ran
expect_text err "no reproducer could be written"
expect_no_file rancc-bug-*.ran
