/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a CPU has: of those that LLVM knows, by a table that clang fills when rancc is built
 * (table.sh); of this machine and with -mattr, by LLVM's list of +feature and -feature.
 */
#include "codegen/cpu/cpu.h"

#include <string.h>

#include <llvm-c/Linker.h>
#include <llvm-c/Transforms/PassBuilder.h>

struct feature {
    const char *name, *macro, *parent;
};

#define RAN_X86_FEATURE(name_, macro_, parent_, ...) {name_, macro_, parent_},
static const struct feature x86_features[] = {
#include "codegen/cpu/features.def"
};

#define RAN_ARM_FEATURE(name_, macro_, parent_, ...) {name_, macro_, parent_},
static const struct feature arm_features[] = {
#include "codegen/cpu/features.def"
};

static const struct cpu_row {
    const char *name, *macros;
} cpus[] = {
#include "codegen/cpu/table.inc"
};

static const struct feature_list {
    const struct feature *rows;
    size_t count;
} lists[] = {
    [RAN_ARCH_X86_64] = {x86_features, sizeof(x86_features) / sizeof(*x86_features)},
    [RAN_ARCH_AARCH64] = {arm_features, sizeof(arm_features) / sizeof(*arm_features)},
};

/* ---- Of a CPU by name ---------------------------------------------------------------------------- */

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if (p[-1] == ' ' && p[n] == ' ')
            return true;
    return false;
}

static bool features_of_cpu(const char *name, const struct feature_list *list,
                            uint64_t *out_features)
{
    *out_features = 0;
    for (size_t i = 0; i < sizeof(cpus) / sizeof(*cpus); i++) {
        if (strcmp(cpus[i].name, name))
            continue;
        for (size_t j = 0; j < list->count; j++)
            *out_features |= (uint64_t)has_word(cpus[i].macros, list->rows[j].macro) << j;
        return true;
    }
    return false;
}

/* ---- Switched on and off ------------------------------------------------------------------------- */

static bool is_name(const struct feature *row, const char *name, size_t length)
{
    return strlen(row->name) == length && !strncmp(row->name, name, length);
}

/* Without a feature those that build on it are not there either. */
static uint64_t without(const struct feature_list *list, uint64_t features, size_t row)
{
    features &= ~(1ull << row);
    for (size_t i = 0; i < list->count; i++)
        if (features >> i & 1 && !strcmp(list->rows[i].parent, list->rows[row].name))
            features = without(list, features, i);
    return features;
}

static uint64_t with_switches(const struct feature_list *list, uint64_t features,
                              const char *switches)
{
    for (const char *p = switches; *p; p += strcspn(p, ","), p += *p == ',') {
        size_t length = strcspn(p, ",");
        for (size_t i = 0; length && i < list->count; i++)
            if (is_name(&list->rows[i], p + 1, length - 1))
                features = *p == '-' ? without(list, features, i) : features | 1ull << i;
    }
    return features;
}

ran_status ran_cpu_required(ran_context *context, const ran_target *target, uint64_t *out_features)
{
    const struct feature_list *list = &lists[target->arch];
    if (!features_of_cpu(target->cpu, list, out_features))
        return ran_error(context, RAN_USAGE, "unknown CPU '%s' (-mcpu)", target->cpu);
    *out_features = with_switches(list, *out_features, target->features);
    return RAN_OK;
}

const char *ran_cpu_feature_names(ran_context *context, ran_arch arch, uint64_t features)
{
    const char *names = "";
    for (size_t i = 0; i < lists[arch].count; i++)
        if (features >> i & 1)
            names = ran_intern_printf(context, "%s%s%s", names, *names ? "," : "",
                                      lists[arch].rows[i].name);
    return names;
}

/* ---- In models ----------------------------------------------------------------------------------- */

static void set_base(LLVMValueRef function, void *data)
{
    ran_codegen base = *(ran_codegen *)data;
    base.target.cpu = base.target.arch == RAN_ARCH_X86_64 ? "x86-64" : "generic";
    base.target.features = "";
    base.target.lanes = 4;
    ran_codegen_set_target(&base, function);
}

void ran_cpu_set_base(ran_codegen *codegen, LLVMValueRef function)
{
    set_base(function, codegen);
}

static ran_status optimize(ran_codegen *codegen, LLVMModuleRef module)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, "default<O2>", codegen->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error)
        return RAN_OK;
    char *message = LLVMGetErrorMessage(error);
    ran_status status = ran_error(codegen->context, RAN_INTERNAL, "LLVM: %s", message);
    LLVMDisposeErrorMessage(message);
    return status;
}

ran_status ran_cpu_link_detection(ran_codegen *codegen, LLVMModuleRef module,
                                  LLVMValueRef *out_function)
{
    static const char name[] = "ran_cpu_features";
    LLVMModuleRef body = ran_codegen_load_body(codegen, "cpu/detect");
    for (LLVMValueRef f = LLVMGetFirstFunction(body); f; f = LLVMGetNextFunction(f))
        set_base(f, codegen);
    LLVMSetTarget(body, codegen->target.triple);
    ran_status status = optimize(codegen, body);
    if (status) {
        LLVMDisposeModule(body);
        return status;
    }
    if (LLVMLinkModules2(module, body))
        RAN_BUG(codegen->context, "the detection of the CPU does not link");
    *out_function = LLVMGetNamedFunction(module, name);
    LLVMSetLinkage(*out_function, LLVMInternalLinkage);
    LLVMSetVisibility(*out_function, LLVMDefaultVisibility);
    return RAN_OK;
}
