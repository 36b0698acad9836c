# SPDX-License-Identifier: GPL-3.0-or-later
# The pass manager as its user sees it: pipelines and their errors, levels and switches, what watches
# passes.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'END'
const @one = tensor<f32> [1]

func @main(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>) {
  %0 = exp %x : tensor<2x4xf32>
  %1 = exp %x : tensor<2x4xf32>
  %2 = mul %0, @one : tensor<2x4xf32>
  %3 = add %2, %1 : tensor<2x4xf32>
  return %3
}
END
count() { grep -c " = $1 " out || :; }

# ---- Pipelines ---------------------------------------------------------------------------------
expect 0 ran-opt model.ran
cmp out model.ran || fail "without a level nothing runs"
expect 0 ran-opt --passes= model.ran
cmp out model.ran || fail "an empty pipeline runs nothing"
expect 0 ran-opt --passes=cse model.ran
expect_equal "$(count exp)" 1 "exp after cse, by its short name"
expect_equal "$(count mul)" 1 "mul after cse alone"
expect 0 ran-opt '--passes= fixpoint{max=3}( canonicalize , common-subexpressions ) ' model.ran
expect_equal "$(count exp) $(count mul)" "1 0" "after a fixpoint"
expect 0 ran-opt --passes=canonicalize --passes=cse model.ran
expect_equal "$(count exp) $(count mul)" "1 0" "pipelines add up"
expect 0 ran-opt '--passes=fold-constants{limit=12; growth = 1.5}' model.ran

# wrong PIPELINE MESSAGE: a usage error, with the column.
wrong() {
    expect 2 ran-opt "--passes=$1" model.ran
    expect_text err "$2"
    expect_equal "$(cat out)" "" "output of a usage error"
}
wrong nonsense "column 1: unknown pass nonsense"
wrong cse,nonsense "column 5: unknown pass nonsense"
wrong cse, "column 5: expected the name of a pass"
wrong 'cse)' "column 4: expected ',' or the end"
wrong 'fixpoint(cse' "column 13: expected ',' or ')'"
wrong 'fixpoint{max=0}(cse)' "max takes a number from 1 on"
wrong 'cse{limit=1}' "column 5: pass 'common-subexpressions' has no option limit"
wrong 'fold-constants{limit}' "expected '=' after option limit"
wrong 'fold-constants{limit=many}' "option 'limit' takes a whole number"
wrong 'fold-constants{limit=1' "expected ';' or '}'"
wrong 'recognize-layernorm{channels-first=maybe}' "takes true or false"
wrong rebatch "pass 'rebatch' does not run without its option 'batch'"
wrong bind-dim "pass 'bind-dim' does not run without its option 'dims'"

# What goes against a constraint runs, with a warning that says why.
expect 0 ran-opt --passes=fold-affine,recognize-silu model.ran
expect_text err "warning: --passes runs 'fold-affine' before 'recognize-silu'"
expect 0 ran-opt --passes=recognize-silu,fold-affine model.ran
expect_equal "$(cat err)" "" "in the right order"

# ---- Levels and switches -------------------------------------------------------------------------
expect 0 ran-opt -O0 model.ran
cmp out model.ran || fail "-O0 runs something"
for level in 1 2 3 s; do
    expect 0 ran-opt -O$level --verify-each model.ran
    expect_equal "$(count exp) $(count mul)" "1 0" "at -O$level"
done
expect 0 ran-opt -O2 -fno-cse model.ran
expect_equal "$(count exp) $(count mul)" "2 0" "without cse"
expect 0 ran-opt -O0 -fcommon-subexpressions model.ran
expect_equal "$(count exp) $(count mul)" "1 1" "with cse alone"
expect 0 ran-opt -O0 -fno-cse --passes=cse model.ran
expect_equal "$(count exp)" 1 "--passes is asked for by name"
expect 2 ran-opt -O4 model.ran
expect_text err "the levels are 0, 1, 2, 3 and s"
expect 2 ran-opt -fnonsense model.ran
expect_text err "nonsense"
expect 2 ran-opt -fcse=1 model.ran
expect_text err "takes no value"

cat >silu.ran <<'END'
func @main(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>) {
  %0 = sigmoid %x : tensor<2x4xf32>
  %1 = mul %x, %0 : tensor<2x4xf32>
  return %1
}
END
expect 0 ran-opt -O1 silu.ran
expect_equal "$(count silu)" 0 "recognition at -O1"
expect 0 ran-opt -O2 silu.ran
expect_equal "$(count silu)" 1 "recognition at -O2"
expect 0 ran-opt -O1 -frecognize-silu silu.ran
expect_equal "$(count silu)" 1 "recognition switched on"

# ---- Watching --------------------------------------------------------------------------------------
expect 0 ran-opt --passes=canonicalize,cse --print-before=cse --print-after=canonicalize,cse model.ran
expect_equal "$(grep -c '^// IR ' err)" 3 "dumps"
sed -n '/^\/\/ IR after common-subexpressions/,$p' err >dump.ran
expect 0 ran-opt dump.ran
cp out last
expect 0 ran-opt --passes=canonicalize,cse model.ran
cmp out last || fail "a dump is valid input, and the last one is the result"
expect 0 ran-opt -O1 --print-before-all --print-after-all model.ran
[ "$(grep -c '^// IR before ' err)" -eq "$(grep -c '^// IR after ' err)" ] || fail "before and after"
expect 2 ran-opt --print-after=nonsense model.ran
expect_text err "no pass is called 'nonsense'"

expect 0 ran-opt -O2 --time-passes --stats model.ran
expect_text err 'canonicalize.no-ops'
expect_text err 'common-subexpressions.ops'
expect_text err 'total'

expect 0 ran-opt --passes=canonicalize,cse --opt-bisect-limit=1 model.ran
expect_equal "$(count exp) $(count mul)" "2 0" "the first pass only"
expect_text err 'bisect: running pass (1) canonicalize'
expect_text err 'bisect: NOT running pass (2) common-subexpressions'
expect 0 ran-opt --passes=canonicalize,cse --opt-bisect-limit=0 model.ran
cmp out model.ran || fail "no pass at all"
expect 2 ran-opt --opt-bisect-limit=x model.ran

# ---- Reference ---------------------------------------------------------------------------------------
expect 0 ran-opt --list-passes
sed -n 's/^| `\([a-z0-9-]*\)`.*/\1/p' out >passes
[ "$(wc -l <passes)" -ge 15 ] || fail "passes are missing from the list"
while read -r pass; do
    grep -q "^### \`$pass\`" "$RAN_SRCDIR/docs/passes.md" || fail "docs/passes.md does not know $pass"
done <passes

# ---- Errors of the interface passes -----------------------------------------------------------------------
expect 2 ran-opt '--passes=bind-dim{dims=M:8}' model.ran
expect_text err "has a dimension called 'M'"
expect 2 ran-opt '--passes=bind-dim{dims=N}' model.ran
expect 2 ran-opt '--passes=rebatch{batch=0}' model.ran
cat >sum.ran <<'END'
const @axes = tensor<1xi64> [0]

func @main(%x: tensor<2x4xf32>) -> (tensor<1x8xf32>) {
  %0 = reshape %x, @shape : tensor<1x8xf32>
  return %0
}
END
sed -i 's/@axes = tensor<1xi64> \[0\]/@shape = tensor<2xi64> [1, 8]/' sum.ran
expect 3 ran-opt '--passes=rebatch{batch=4}' sum.ran
expect_text err "rebatch"
