# SPDX-License-Identifier: GPL-3.0-or-later
# Names of a model become parameters that C and C++ take: keywords, macros, a size and an input of
# one name, the same name twice after replacement.
. "$RAN_SRCDIR/tests/harness/lib.sh"

cat >model.ran <<'EOF'
func @main(%namespace: tensor<Nx4xf32>, %and: tensor<Nx4xf32>, %N: tensor<Nx4xf32>,
           %true: tensor<Nx4xf32>, %I: tensor<Nx4xf32>, %workspace: tensor<Nx4xf32>,
           %"a/b": tensor<Nx4xf32>, %"a.b": tensor<Nx4xf32>, %a_b_7: tensor<Nx4xf32>)
    -> (%using: tensor<Nx36xf32>) {
  %using = concat %namespace, %and, %N, %true, %I, %workspace, %"a/b", %"a.b", %a_b_7 {axis = 1} : tensor<Nx36xf32>
  return %using
}
EOF
cat >main.c <<'EOF'
#include <complex.h>
#include "model.h"
int main(void) { return model_workspace_size(1, 1) == 0 && model_desc() == 0; }
EOF

expect 0 rancc model.ran -o model.a
expect_text model.h "arg_namespace"
expect 0 "${RAN_CC##* }" -std=c99 -Wall -Werror main.c model.a -o main
expect 0 "$RAN_CLANG" -std=c17 -Wall -Werror -fsyntax-only main.c
expect 0 "$RAN_CLANG" -x c++ -std=c++20 -fsyntax-only model.h
