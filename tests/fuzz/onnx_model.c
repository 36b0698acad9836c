/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as an ONNX model: the importer answers with a status and, when it is not RAN_OK, a
 * message; what it accepts is a module that the verifier accepts, before and after all exact
 * passes. On request code is generated from some of what is left, which is refused with a message
 * or becomes a model.
 */
#include "tests/fuzz/onnx_model.h"

#include <stdlib.h>

#include <ran/compile.h>
#include <ran/onnx.h>
#include <ran/pass.h>

unsigned long ran_fuzz_accepted, ran_fuzz_compiled;
unsigned ran_fuzz_compile_each;

static void fail(ran_context *context)
{
    ran_diagnostics_print(context, stderr);
    abort();
}

/* Passes may refuse a module (an op that cannot be evaluated), with a message. */
static bool optimise(ran_context *context, ran_module *module)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    if (ran_pass_manager_set_level(manager, "3") != RAN_OK)
        fail(context);
    size_t before = ran_error_count(context);
    ran_status status = ran_pass_manager_run(manager, module);
    if (status == RAN_OK ? ran_module_verify(module) != RAN_OK : ran_error_count(context) == before)
        fail(context);
    ran_pass_manager_destroy(manager);
    return status == RAN_OK;
}

/* All are lowered and planned; optimising kernels takes long, so few are generated. */
static void compile(ran_context *context, ran_module *module)
{
    const ran_compile_options options = {.target = "x86-64-v3", .weights = RAN_WEIGHTS_FILE};
    ran_prediction prediction = {0};
    ran_compiled *compiled = NULL;
    size_t before = ran_error_count(context);
    ran_status status = ran_fuzz_accepted % ran_fuzz_compile_each
                            ? ran_predict(module, &options, &prediction)
                            : ran_compile(module, &options, &compiled);
    if (status == RAN_OK ? ran_error_count(context) != before
                         : ran_error_count(context) == before ||
                               (status != RAN_INVALID && status != RAN_UNSUPPORTED))
        fail(context);
    ran_fuzz_compiled += status == RAN_OK;
    ran_compiled_destroy(compiled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ran_context *context = ran_context_create();
    ran_module *module;
    ran_status status = ran_onnx_import_memory(context, "fuzz.onnx", data, size, NULL, &module);
    if (status == RAN_OK && ran_module_verify(module) != RAN_OK)
        fail(context);
    if (status == RAN_OK && optimise(context, module) && ran_fuzz_compile_each)
        compile(context, module);
    ran_fuzz_accepted += status == RAN_OK;
    if (status == RAN_OK)
        ran_module_destroy(module);
    else if (!ran_error_count(context) || (status != RAN_INVALID && status != RAN_UNSUPPORTED))
        abort();
    ran_context_destroy(context);
    return 0;
}
