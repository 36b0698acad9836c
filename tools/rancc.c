/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rancc: compiles a neural network to native code. */
#include "tools/common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ran/train.h>

#include "ir/beside.h"
#include "ir/ir.h"
#include "tools/compile_options.h"
#include "tools/files.h"
#include "tools/report/report.h"
#include "tools/run/run.h"

enum { EMITS_MAX = 16 };
enum {
    OPTION_EMIT = 256,
    OPTION_CHECK,
    OPTION_VERIFY,
    OPTION_REPORT,
    OPTION_TRAINING_STEP,
    OPTION_EVALUATION_STEP,
};

/* ---- Kinds of output ------------------------------------------------------------------------------ */

typedef enum output_kind { OUTPUT_NATIVE, OUTPUT_IR, OUTPUT_ONNX } output_kind;

static const struct kind {
    const char *word, *suffix;
    output_kind output;
    ran_emit_kind emit;
} kinds[] = {
    {"obj", ".o", OUTPUT_NATIVE, RAN_EMIT_OBJECT},
    {"lib", ".a", OUTPUT_NATIVE, RAN_EMIT_LIBRARY},
    {"shared", ".so", OUTPUT_NATIVE, RAN_EMIT_SHARED},
    {"asm", ".s", OUTPUT_NATIVE, RAN_EMIT_ASSEMBLY},
    {"llvm-ir", ".ll", OUTPUT_NATIVE, RAN_EMIT_LLVM_IR},
    {"llvm-bc", ".bc", OUTPUT_NATIVE, RAN_EMIT_LLVM_BITCODE},
    {"header", ".h", OUTPUT_NATIVE, RAN_EMIT_HEADER},
    {"exe", "", OUTPUT_NATIVE, RAN_EMIT_EXECUTABLE},
    {"ir", ".ran", OUTPUT_IR, 0},
    {"onnx", ".onnx", OUTPUT_ONNX, 0},
};
enum { KIND_COUNT = sizeof(kinds) / sizeof(*kinds) };

static const struct kind *kind_of_word(const char *word, size_t length)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strlen(kinds[i].word) == length && !strncmp(kinds[i].word, word, length))
            return &kinds[i];
    return NULL;
}

static const char *suffix_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    return dot ? dot : "";
}

static const struct kind *kind_of_path(const char *path)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (!strcmp(kinds[i].suffix, suffix_of(path)))
            return &kinds[i];
    return NULL;
}

/* ---- Command line ------------------------------------------------------------------------------------ */

typedef struct arguments {
    ran_compile_arguments compile;
    const char *path, *output;
    const struct kind *emits[EMITS_MAX];
    size_t emit_count;
    bool check, verbose, emit_llvm;
    long verify; /* seeds to compare with the reference; 0: none */
    bool depend;
    const char *depend_file, *depend_target, *report;
    bool training, evaluation; /* compile the step, or what evaluates its state */
    const char *recipe;        /* of either; may be NULL */
} arguments;

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Output:", 1},
    {NULL, 'o', "FILE", 0,
     "Where to (-: standard output); its suffix says what: .o .a .so .s .ll .bc .h .ran .onnx, "
     "none for a program",
     1},
    {"emit", OPTION_EMIT, "KINDS", 0,
     "obj, lib, shared, asm, llvm-ir, llvm-bc, header, exe, ir, onnx; with several, -o is a stem",
     1},
    {NULL, 'c', NULL, 0, "An object file", 1},
    {NULL, 'S', NULL, 0, "Assembly (with -emit-llvm: LLVM IR)", 1},
    RAN_TOOL_LIKE_CLANG('s', "hared", "-shared", "A shared library", 1),
    RAN_TOOL_LIKE_CLANG('e', "mit-llvm", "-emit-llvm", "LLVM bitcode", 1),
    RAN_TOOL_LIKE_CLANG('M', "D|F|T", "-MD, -MF FILE, -MT NAME",
                        "Dependencies for make, where to, and of what", 1),
    {"training-step", OPTION_TRAINING_STEP, "RECIPE", OPTION_ARG_OPTIONAL,
     "Compile the step of training instead of the model, and write the state it starts from to "
     "STEM.state. RECIPE: ran-train's options as NAME=VALUE,..., or a file of --save-config (.json)",
     1},
    {"evaluation-step", OPTION_EVALUATION_STEP, "RECIPE", OPTION_ARG_OPTIONAL,
     "The model with the same state as arguments, to evaluate what the step trained", 1},
    {NULL, 0, NULL, 0, "Checks:", 2},
    {"report", OPTION_REPORT, "FILE", 0,
     "What passes and compilation did: counts, nodes, times, memory; .html or .json", 2},
    {"check", OPTION_CHECK, NULL, 0, "Only say what is not supported", 2},
    {"verify", OPTION_VERIFY, "N", OPTION_ARG_OPTIONAL,
     "Compare with the reference on N random inputs (1)", 2},
    {NULL, 'v', NULL, 0, "Say what is done", 2},
    {0},
};

static void add_emit(arguments *a, struct argp_state *state, const char *word, size_t length)
{
    const struct kind *kind = kind_of_word(word, length);
    if (!kind)
        argp_error(state, "--emit=%.*s: unknown kind", (int)length, word);
    if (a->emit_count == EMITS_MAX)
        argp_error(state, "too many kinds of output");
    a->emits[a->emit_count++] = kind;
}

static void add_emits(arguments *a, struct argp_state *state, const char *list)
{
    const char *p = list;
    do {
        add_emit(a, state, p, strcspn(p, ","));
        p += strcspn(p, ",");
    } while (*p++);
}

/* -MF FILE and -MF=... are both seen; argp has cut off the M. */
static const char *rest_or_next(const char *value, struct argp_state *state)
{
    if (value[1])
        return value + 1;
    if (state->next >= state->argc)
        argp_error(state, "-M%s wants a name", value);
    return state->argv[state->next++];
}

static void parse_dependencies(arguments *a, const char *value, struct argp_state *state)
{
    a->depend = true;
    if (!strcmp(value, "D"))
        return;
    if (*value == 'F')
        a->depend_file = rest_or_next(value, state);
    else if (*value == 'T')
        a->depend_target = rest_or_next(value, state);
    else
        argp_error(state, "unknown option -M%s", value);
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->compile;
        break;
    case 'o':
        a->output = value;
        break;
    case 'c':
        add_emit(a, state, "obj", 3);
        break;
    case 'S':
        add_emit(a, state, "asm", 3);
        break;
    case 's':
        if (strcmp(value, "hared"))
            argp_error(state, "unknown option -s%s", value);
        add_emit(a, state, "shared", 6);
        break;
    case 'e':
        if (strcmp(value, "mit-llvm"))
            argp_error(state, "unknown option -e%s", value);
        a->emit_llvm = true;
        break;
    case 'M':
        parse_dependencies(a, value, state);
        break;
    case 'v':
        a->verbose = a->compile.remarks = true;
        break;
    case OPTION_EMIT:
        add_emits(a, state, value);
        break;
    case OPTION_REPORT:
        a->report = value;
        break;
    case OPTION_CHECK:
        a->check = true;
        break;
    case OPTION_VERIFY:
        a->verify = value ? strtol(value, NULL, 10) : 1;
        if (a->verify < 1)
            argp_error(state, "--verify=%s: how many random inputs", value);
        break;
    case OPTION_TRAINING_STEP:
        a->training = true;
        a->recipe = value;
        break;
    case OPTION_EVALUATION_STEP:
        a->evaluation = true;
        a->recipe = value;
        break;
    case ARGP_KEY_ARG:
        if (a->path)
            argp_error(state, "more than one model: %s", value);
        a->path = value;
        break;
    case ARGP_KEY_END:
        if (!a->path)
            argp_error(state, "no model is given");
        if (a->training && a->evaluation)
            argp_error(state, "--training-step and --evaluation-step: one at a time");
        if ((a->training || a->evaluation) && a->verify)
            argp_error(state, "--verify is for models; the state of a step is not random");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_child children[] = {
    {&ran_compile_argp, 0, "How to compile:", 3},
    {0},
};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "MODEL",
    .doc = "Compiles a neural network (ONNX, or IR text with suffix .ran) to native code that needs "
           "nothing on the target.\v"
           "Without -o: STEM.a and STEM.h in the current directory.\n"
           "Exit status: 0 done, 1 wrong input or environment, 2 usage, 3 not supported, "
           "4 --verify found a difference, 70 a bug in rancc.",
    .children = children,
};

/* ---- Names --------------------------------------------------------------------------------------------- */

static const char *stem_of(ran_context *context, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    return ran_intern_n(context, base, strlen(base) - strlen(suffix_of(base)));
}

/* Of the output with its directory, or of the model in the current one. */
static const char *without_suffix(ran_context *context, const arguments *a)
{
    if (!a->output || a->emit_count > 1)
        return a->output ? a->output : stem_of(context, a->path);
    return ran_intern_n(context, a->output, strlen(a->output) - strlen(suffix_of(a->output)));
}

static const char *output_path(ran_context *context, const arguments *a, const struct kind *kind)
{
    if (a->output && a->emit_count <= 1)
        return a->output;
    const char *stem = a->output ? a->output : stem_of(context, a->path);
    return ran_intern_printf(context, "%s%s", stem, kind->suffix);
}

/* What the command line leaves open: -emit-llvm turns assembly and objects into LLVM's own forms;
 * one kind follows from the suffix of -o; nothing at all means a library. */
static ran_status settle_kinds(ran_context *context, arguments *a)
{
    for (size_t i = 0; a->emit_llvm && i < a->emit_count; i++)
        a->emits[i] = kind_of_word(a->emits[i]->emit == RAN_EMIT_ASSEMBLY ? "llvm-ir" : "llvm-bc",
                                   7);
    if (a->emit_count)
        return RAN_OK;
    const struct kind *kind = a->emit_llvm ? kind_of_word("llvm-bc", 7)
                              : a->output  ? kind_of_path(a->output)
                                           : kind_of_word("lib", 3);
    if (!kind)
        return ran_error(context, RAN_USAGE,
                         "-o %s: unknown suffix; .o .a .so .s .ll .bc .h .ran .onnx, none for a "
                         "program, or say --emit=",
                         a->output);
    a->emits[a->emit_count++] = kind;
    return RAN_OK;
}

/* ---- Writing ---------------------------------------------------------------------------------------------- */

static ran_status write_ir(ran_context *context, const ran_module *module, const char *path)
{
    ran_beside_file output;
    ran_status status = ran_beside_open(context, path, &output);
    if (status)
        return status;
    return ran_beside_close(context, &output, ran_module_print(module, output.stream, NULL));
}

/* IR and ONNX show the module before code generation lowers it. */
static ran_status write_portable(ran_context *context, const arguments *a,
                                 const ran_module *module)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < a->emit_count; i++) {
        const char *path = output_path(context, a, a->emits[i]);
        if (a->emits[i]->output == OUTPUT_IR)
            status = write_ir(context, module, path);
        else if (a->emits[i]->output == OUTPUT_ONNX)
            status = ran_onnx_export(module, path, NULL);
    }
    return status;
}

static bool wants_native(const arguments *a)
{
    bool native = a->check || a->verify || a->report;
    for (size_t i = 0; i < a->emit_count; i++)
        native = native || a->emits[i]->output == OUTPUT_NATIVE;
    return native;
}

static ran_status write_native(ran_context *context, const arguments *a, ran_compiled *compiled)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < a->emit_count; i++) {
        if (a->emits[i]->output != OUTPUT_NATIVE)
            continue;
        const char *path = output_path(context, a, a->emits[i]);
        if (a->verbose)
            fprintf(stderr, "rancc: %s\n", path);
        status = ran_compiled_emit(compiled, a->emits[i]->emit, path);
    }
    return status;
}

/* What make takes for itself. */
static void print_for_make(FILE *stream, const char *path)
{
    for (; *path; path++) {
        if (*path == ' ' || *path == '#')
            fputc('\\', stream);
        if (*path == '$')
            fputc('$', stream);
        fputc(*path, stream);
    }
}

/* The rule for make: the output depends on what was read. */
static ran_status write_dependencies(ran_context *context, const arguments *a)
{
    if (!a->depend)
        return RAN_OK;
    const char *target = output_path(context, a, a->emits[0]);
    const char *file = a->depend_file;
    if (!file)
        file = ran_intern_printf(context, "%.*s.d", (int)(strlen(target) - strlen(suffix_of(target))),
                                 target);
    ran_beside_file output;
    ran_status status = ran_beside_open(context, file, &output);
    if (status)
        return status;
    if (a->depend_target)
        fputs(a->depend_target, output.stream);
    else
        print_for_make(output.stream, target);
    fputc(':', output.stream);
    for (size_t i = 0; i < ran_file_count(context); i++) {
        fputs(" \\\n  ", output.stream);
        print_for_make(output.stream, ran_file_at(context, i));
    }
    fputc('\n', output.stream);
    return ran_beside_close(context, &output, RAN_OK);
}

/* ---- Compiling ------------------------------------------------------------------------------------------------ */

static const char *prefix_of(ran_context *context, const arguments *a)
{
    bool is_named = a->output && strcmp(a->output, "-") != 0;
    return a->compile.prefix ? a->compile.prefix : stem_of(context, is_named ? a->output : a->path);
}

/* ---- Report ----------------------------------------------------------------------------------------------------- */

/* Before lowering: `before` is the model as it was read, `module` as passes left it. */
static ran_status begin_report(ran_context *context, const arguments *a, const ran_module *before,
                               const ran_module *module, report **out_report)
{
    ran_compile_options options = ran_compile_options_of(&a->compile);
    const ran_function *after = ran_module_first_function(module);
    report *r = report_create(ran_intern_printf(context, "rancc: %s", a->path));
    ran_module *copy = ran_module_clone(module);
    options.observe = NULL;
    report_add(r, "model", "Model", REPORT_FACTS, NULL, NULL,
               json_pack("{s:s*, s:s, s:s}", "file", a->path, "level", a->compile.level, "target",
                         options.target ? options.target : "native"));
    report_counts(r, ran_module_first_function(before), after);
    report_nodes(r, after);
    ran_status status = report_latency(r, copy, &options);
    ran_module_destroy(copy);
    *out_report = r;
    return status;
}

static ran_status end_report(ran_context *context, const arguments *a, const report *r,
                             const ran_compiled *compiled)
{
    if (!r)
        return RAN_OK;
    report_memory((report *)r, compiled);
    return report_write(r, context, a->report);
}

/* The model as it was read, passes left aside. */
static ran_status make_report(ran_context *context, const arguments *a, const ran_module *module,
                              report **out_report)
{
    ran_module *before = NULL;
    if (!a->report)
        return RAN_OK;
    if (a->training || a->evaluation)
        return ran_error(context, RAN_USAGE, "--report is for models, not for steps of training");
    ran_status status = ran_model_load(context, a->path, &a->compile.model, &before);
    if (!status)
        status = begin_report(context, a, before, module, out_report);
    ran_module_destroy(before);
    return status;
}

static ran_status compile(ran_context *context, const arguments *a, ran_module *module)
{
    ran_compiled *compiled = NULL;
    ran_compile_options options = ran_compile_options_of(&a->compile);
    report *r = NULL;
    options.prefix = prefix_of(context, a);
    ran_status status = make_report(context, a, module, &r);
    if (!status)
        status = ran_compile(module, &options, &compiled);
    if (!status && a->compile.mem_report)
        ran_compiled_memory_report(compiled, stderr);
    if (!status && !a->check)
        status = write_native(context, a, compiled);
    if (!status)
        status = end_report(context, a, r, compiled);
    report_destroy(r);
    ran_compiled_destroy(compiled);
    return status;
}

/* One seed: the reference's results are what the native ones should be. */
static ran_status verify_seed(ran_context *context, const ran_function *function,
                              run_engine *reference, run_engine *native, long seed, bool *all_ok)
{
    run_data_set set;
    const run_tolerance tolerance = {.rtol = -1, .atol = -1};
    const char *text = ran_intern_printf(context, "random:%ld", seed);
    run_source source = {.source = text};
    ran_status status = run_data_from_options(context, function, &source, 1, NULL, 0, &set);
    if (status)
        return status;
    set.name = text;
    ran_tensor **results = calloc(set.output_count + 1, sizeof(*results));
    status = reference->run(reference, (const ran_tensor *const *)set.inputs, set.expected);
    if (!status)
        status = native->run(native, (const ran_tensor *const *)set.inputs, results);
    if (!status)
        *all_ok &= run_report(context, function, &set, results, &tolerance, NULL);
    for (size_t i = 0; i < set.output_count; i++)
        ran_tensor_release(results[i]);
    free(results);
    run_data_clear(&set);
    return status;
}

static ran_status verify_function(ran_context *context, const arguments *a,
                                  const ran_function *function, ran_module *module)
{
    bool all_ok = true;
    run_engine *reference = NULL, *native = NULL;
    ran_compile_options options = ran_compile_options_of(&a->compile);
    ran_status status = run_interpreter_create(function, &reference);
    if (!status)
        status = run_native_create(module, &options, 1, false, &native);
    for (long seed = 0; !status && seed < a->verify; seed++)
        status = verify_seed(context, function, reference, native, seed, &all_ok);
    if (native)
        native->destroy(native);
    if (reference)
        reference->destroy(reference);
    if (!status && !all_ok)
        status = ran_error(context, RAN_MISMATCH, "%s: native results differ from the reference",
                           a->path);
    return status;
}

/* The module as it was read, or as the last approximate pass left it, against the one that all passes
 * made. */
static ran_status verify(ran_context *context, const arguments *a)
{
    ran_module *original = NULL, *changed = NULL, *module = NULL;
    arguments compile = *a;
    compile.compile.reference = &changed;
    ran_status status = ran_model_load(context, a->path, &a->compile.model, &original);
    if (!status)
        status = ran_compile_prepare(context, &compile.compile, a->path, &module);
    if (!status)
        status = verify_function(context, a, ran_module_first_function(changed ? changed : original),
                                 module);
    ran_module *const all[] = {module, changed, original};
    for (size_t i = 0; i < 3; i++)
        if (all[i])
            ran_module_destroy(all[i]);
    return status;
}

/* ---- The step of training ------------------------------------------------------------------------------------- */

static ran_status set_recipe(ran_recipe *recipe, ran_context *context, const char *list)
{
    ran_status status = RAN_OK;
    if (!strcmp(suffix_of(list), ".json"))
        return ran_recipe_read(recipe, list);
    for (const char *p = list; *p && !status; p += strcspn(p, ","), p += *p == ',') {
        const char *word = ran_intern_n(context, p, strcspn(p, ",")), *equal = strchr(word, '=');
        status = ran_recipe_set(
            recipe, equal ? ran_intern_n(context, word, (size_t)(equal - word)) : word,
            equal ? equal + 1 : "true");
    }
    return status;
}

static ran_status prepare_step(ran_context *context, const arguments *a, ran_module **out_module)
{
    ran_module *model = NULL;
    ran_recipe *recipe = ran_recipe_create(context);
    const char *state = NULL;
    ran_status status = a->recipe ? set_recipe(recipe, context, a->recipe) : RAN_OK;
    if (!status)
        status = ran_model_load(context, a->path, &a->compile.model, &model);
    if (a->training && !a->check)
        state = ran_intern_printf(context, "%s.state", without_suffix(context, a));
    if (!status)
        status = ran_training_ahead(context, model, recipe, a->evaluation, state, out_module);
    if (model)
        ran_module_destroy(model);
    ran_recipe_destroy(recipe);
    return status;
}

static ran_status run(ran_context *context, arguments *a)
{
    ran_module *module = NULL;
    ran_status status = settle_kinds(context, a);
    if (!status && a->verify)
        status = verify(context, a);
    if (!status && (a->training || a->evaluation))
        status = prepare_step(context, a, &module);
    else if (!status)
        status = ran_compile_prepare(context, &a->compile, a->path, &module);
    if (status)
        return status;
    if (!a->check)
        status = write_portable(context, a, module);
    if (!status && wants_native(a))
        status = compile(context, a, module);
    if (!status && !a->check)
        status = write_dependencies(context, a);
    ran_module_destroy(module);
    return status;
}

int main(int argc, char **argv)
{
    static arguments a;
    ran_tool_init(&argc, &argv);
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_context *context = ran_context_create();
    return ran_tool_finish(context, run(context, &a));
}
