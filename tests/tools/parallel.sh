# SPDX-License-Identifier: GPL-3.0-or-later
# A model on every kind of threads that a program may bring: the same bits as on one.
. "$RAN_SRCDIR/tests/harness/lib.sh"

expect 0 ran-design build lenet -o lenet.onnx
expect 0 rancc lenet.onnx -O3 --prefix=model -o model.a

cat >main.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include "model.h"
#include ADAPTER_HEADER

int main(void)
{
    static float image[28 * 28], one[10], many[10];
    for (int i = 0; i < 28 * 28; i++)
        image[i] = (float)(i % 29) / 29;
    ADAPTER
    void *workspace = malloc(model_workspace_size(parallel->slots));
    if (model_run(image, one, workspace, NULL))
        return 2;
    for (int run = 0; run < 20; run++) {
        if (model_run(image, many, workspace, parallel))
            return 2;
        for (int i = 0; i < 10; i++)
            if (one[i] != many[i])
                return 1;
    }
    printf("%u slots\n", parallel->slots);
    return 0;
}
END

# adapter NAME HEADER CODE OPTIONS...
adapter() {
    name=$1 header=$2 code=$3
    shift 3
    # shellcheck disable=SC2086
    ${RAN_CC##* } -std=gnu17 -Wall -Wextra -I. -I"$RAN_SRCDIR/include" \
        -DADAPTER_HEADER="\"$header\"" -DADAPTER="$code" main.c model.a -o "with_$name" "$@"
    expect 0 "./with_$name"
    expect_equal "$(cat out)" "3 slots" "$name"
}

adapter pool ran/rt.h \
    'const struct ran_parallel *parallel = ran_rt_pool_parallel(ran_rt_pool_create(3));' \
    "$RAN_SRCDIR/runtime/rt/threads.c" -pthread
adapter openmp ran/parallel_openmp.h \
    'struct ran_parallel adapter = ran_openmp(3); const struct ran_parallel *parallel = &adapter;' \
    -fopenmp
if [ -e /usr/include/pthreadpool.h ]; then
    adapter pthreadpool ran/parallel_pthreadpool.h \
        'struct ran_pthreadpool adapter = ran_pthreadpool(pthreadpool_create(3)); const struct ran_parallel *parallel = &adapter.parallel;' \
        -lpthreadpool -pthread
fi
