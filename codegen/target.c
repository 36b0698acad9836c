/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Targets by name, by LLVM triple, and this machine. */
#include "codegen/codegen.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

static const struct target_row {
    const char *description;
    ran_target target;
} targets[] = {
#define RAN_TARGET(name_, description_, ...) {description_, {.name = name_, __VA_ARGS__}},
#include "codegen/target.def"
};

size_t ran_target_count(void)
{
    return sizeof(targets) / sizeof(*targets);
}

const char *ran_target_name(size_t index)
{
    return targets[index].target.name;
}

const char *ran_target_description(size_t index)
{
    return targets[index].description;
}

static const ran_target *find_row(const char *name)
{
    for (size_t i = 0; i < ran_target_count(); i++)
        if (!strcmp(targets[i].target.name, name))
            return &targets[i].target;
    return NULL;
}

static bool has_feature(const char *features, const char *feature)
{
    size_t n = strlen(feature);
    for (const char *p = features; (p = strstr(p, feature)); p += n)
        if (p > features && p[-1] == '+' && (p[n] == ',' || !p[n]))
            return true;
    return false;
}

/* The row whose numbers describe this machine: its own, else that of the features it has. Virtual
 * machines may show a model number that LLVM takes for another one's; features they can't invent. */
static const ran_target *native_row(const char *cpu, const char *features)
{
    const ran_target *row = find_row(cpu);
    if (row)
        return row;
    if (has_feature(features, "amx-tile") && has_feature(features, "avx512fp16"))
        return find_row("sapphirerapids");
#if defined(__x86_64__)
    if (has_feature(features, "avx512f") && has_feature(features, "avx512vl") &&
        has_feature(features, "avx512dq") && has_feature(features, "avx512bw"))
        return find_row("x86-64-v4");
    if (has_feature(features, "avx2") && has_feature(features, "fma"))
        return find_row("x86-64-v3");
    return find_row(has_feature(features, "sse4.2") ? "x86-64-v2" : "x86-64");
#else
    return find_row(has_feature(features, "lse") ? "neoverse" : "aarch64");
#endif
}

static ran_target native_target(ran_context *context)
{
    char *cpu = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
    ran_target target = *native_row(cpu, features);
    target.name = "native";
    target.cpu = ran_intern(context, cpu);
    target.features = ran_intern(context, features);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
    return target;
}

static const ran_target *row_of_triple(const char *triple)
{
    static const struct {
        const char *prefix, *row;
    } arches[] = {{"x86_64-", "x86-64"}, {"aarch64-", "aarch64"}, {"arm64-", "aarch64"}};
    for (size_t i = 0; i < sizeof(arches) / sizeof(*arches); i++)
        if (!strncmp(triple, arches[i].prefix, strlen(arches[i].prefix)) &&
            strstr(triple, "linux"))
            return find_row(arches[i].row);
    return NULL;
}

static ran_status unknown_target(ran_context *context, const char *name)
{
    char list[1024];
    size_t used = 0;
    for (size_t i = 0; i < ran_target_count() && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", ran_target_name(i));
    return ran_error(context, RAN_USAGE,
                     "unknown target '%s'; known: native%s, or an LLVM triple of x86-64 or aarch64 "
                     "Linux",
                     name, list);
}

ran_status ran_target_find(ran_context *context, const char *name, const char *cpu,
                           const char *features, ran_target *out_target)
{
    if (!strcmp(name, "native")) {
        *out_target = native_target(context);
    } else {
        const ran_target *row = find_row(name);
        const ran_target *generic = row ? row : row_of_triple(name);
        if (!generic)
            return unknown_target(context, name);
        *out_target = *generic;
        if (!row)
            out_target->name = out_target->triple = ran_intern(context, name);
    }
    if (cpu) {
        const ran_target *row = find_row(cpu);
        if (row && row->arch == out_target->arch) {
            const char *target_name = out_target->name, *triple = out_target->triple;
            *out_target = *row;
            out_target->name = target_name;
            out_target->triple = triple;
        }
        out_target->cpu = ran_intern(context, cpu);
    }
    if (features)
        out_target->features =
            ran_intern_printf(context, "%s%s%s", out_target->features,
                              *out_target->features && *features ? "," : "", features);
    return RAN_OK;
}

/* ---- Several targets ------------------------------------------------------------------------------- */

static ran_status check_together(ran_context *context, const ran_target *targets, size_t count,
                                 const char *names)
{
    const ran_target *last = &targets[count - 1];
    for (size_t i = 0; i + 1 < count; i++) {
        if (targets[i].arch != last->arch || targets[i].block != last->block)
            return ran_error(context, RAN_USAGE,
                             "--target=%s: %s and %s can't be in one object", names,
                             targets[i].name, last->name);
        if (!strcmp(targets[i].name, last->name))
            return ran_error(context, RAN_USAGE, "--target=%s: %s stands there twice", names,
                             last->name);
    }
    return RAN_OK;
}

ran_status ran_targets_find(ran_context *context, const char *names, const char *cpu,
                            const char *features, ran_target *out_targets, size_t *out_count)
{
    ran_status status = RAN_OK;
    *out_count = 0;
    for (const char *p = names; !status && *p; p += strcspn(p, ","), p += *p == ',') {
        const char *name = ran_intern_n(context, p, strcspn(p, ","));
        if (*out_count == RAN_TARGETS_MAX)
            return ran_error(context, RAN_USAGE, "--target: more than %d targets", RAN_TARGETS_MAX);
        status = ran_target_find(context, name, cpu, features, &out_targets[(*out_count)++]);
        if (!status)
            status = check_together(context, out_targets, *out_count, names);
    }
    if (!status && !*out_count)
        status = ran_error(context, RAN_USAGE, "--target: no target is named");
    if (!status && *out_count > 1 && (cpu || features))
        status = ran_error(context, RAN_USAGE,
                           "-mcpu and -mattr go with one target, not with --target=%s", names);
    return status;
}

/* The one with the widest vectors, the first of those. */
ran_status ran_target_main(ran_context *context, const ran_compile_options *options,
                           ran_target *out_target)
{
    ran_target targets[RAN_TARGETS_MAX];
    size_t count = 0;
    ran_status status = ran_targets_find(context, options->target ? options->target : "native",
                                         options->cpu, options->features, targets, &count);
    for (size_t i = 0; !status && i < count; i++)
        if (!i || targets[i].lanes > out_target->lanes)
            *out_target = targets[i];
    out_target->winograd = options->winograd;
    return status;
}
