/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Seeded mutations of ONNX models, imported in this process:
 *
 *     onnx_mutations [--count=N] [--seconds=S] [--seed=N] [--compile=N] [--write=DIR] [FILE...]
 *
 * Without files, small models of its own are mutated. Half of the mutations change bytes (outside
 * of weights, where nearly all bytes of a model lie and nothing can break), half change fields of
 * the decoded model to values that are known for trouble. With --compile what is still a model is
 * lowered for code generation, and each N-th one compiled. With --write they become files
 * DIR/SEED.onnx for the programs, and are not imported. Nothing may crash, take more than 10 s, or
 * more memory than 300 MB + 4 times the file. A failure prints the seed that repeats it and leaves
 * the file as mutation.onnx. --seconds is the processor's time: a busy machine tests as much.
 */
#include "tests/fuzz/onnx_model.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <ran/onnx.h>

#include "tests/harness/onnx_builder.h"

/* A sanitizer keeps what was freed. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define MEASURES_MEMORY 0
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MEASURES_MEMORY 0
#endif
#ifndef MEASURES_MEMORY
#define MEASURES_MEMORY 1
#endif

/* ---- Randomness ------------------------------------------------------------------------------ */

static uint64_t state;

static uint64_t below(uint64_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return limit ? (state >> 33) % limit : 0;
}

static int64_t troublesome(void)
{
    static const int64_t values[] = {
        0,          -1,         1,         2,         3,          -2,        7,
        16,         17,         64,        1000,      65536,      INT32_MAX, INT32_MIN,
        INT64_MAX,  INT64_MIN,  1LL << 31, 1LL << 32, 1LL << 40,  1LL << 62, -(1LL << 40),
        3037000500, 4294967295, -1000000,  0x10001,   1000000007, 255,       -128,
    };
    return values[below(sizeof(values) / sizeof(*values))];
}

/* ---- A file and its bytes that are not weights ----------------------------------------------- */

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

typedef struct seed_model {
    const char *name;
    bytes file;
    size_t *structure; /* offsets */
    size_t structure_count;
} seed_model;

static void *checked(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static uint64_t varint(const uint8_t *data, size_t *at, size_t end)
{
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = data[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

static void add_structure(seed_model *model, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        model->structure[model->structure_count++] = i;
}

/* The sound file's own fields tell where its weights are. */
static void find_structure(seed_model *model, const ProtobufCMessageDescriptor *type, size_t at,
                           size_t end)
{
    const uint8_t *data = model->file.data;
    while (at < end) {
        size_t start = at;
        uint64_t key = varint(data, &at, end);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
        if ((key & 7) != 2) {
            if ((key & 7) == 0)
                (void)varint(data, &at, end);
            else
                at += (key & 7) == 1 ? 8 : 4;
            add_structure(model, start, at);
            continue;
        }
        size_t length = varint(data, &at, end);
        bool message = field && field->type == PROTOBUF_C_TYPE_MESSAGE;
        add_structure(model, start, message || length > 128 ? at : at + length);
        if (message)
            find_structure(model, field->descriptor, at, at + length);
        at += length;
    }
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static bytes mutate_bytes(const seed_model *model)
{
    bytes out = {checked(malloc(model->file.size + 64)), model->file.size};
    memcpy(out.data, model->file.data, out.size);
    for (uint64_t n = 1 + below(4); n && out.size > 1; n--) {
        size_t at = below(8) ? model->structure[below(model->structure_count)] : below(out.size);
        size_t length = 1 + below(16);
        if (at >= out.size)
            at = below(out.size);
        if (length > out.size - at)
            length = out.size - at;
        switch (below(6)) {
        case 0:
            out.data[at] = (uint8_t)below(256);
            break;
        case 1:
            out.data[at] ^= (uint8_t)(1u << below(8));
            break;
        case 2:
            memmove(out.data + at, out.data + at + length, out.size - at - length);
            out.size -= length;
            break;
        case 3:
            memset(out.data + at, 0xff, length);
            break;
        case 4:
            if (out.size + length <= model->file.size + 64) {
                memmove(out.data + at + length, out.data + at, out.size - at);
                out.size += length;
            }
            break;
        default:
            if (!below(4))
                out.size = at + 1;
        }
    }
    return out;
}

/* ---- Fields ---------------------------------------------------------------------------------- */

static char *other_string(void)
{
    static const char *const words[] = {
        "",
        "x",
        "Conv",
        "Softmax",
        "Loop",
        "If",
        "Resize",
        "Reshape",
        "Slice",
        "Gemm",
        "LSTM",
        "TopK",
        "Split",
        "axes",
        "to",
        "pads",
        "SAME_UPPER",
        "linear",
        "strides",
        "ij,jk->ik",
        "...",
        "ai.onnx",
        "../../etc/passwd",
        "%s%n",
        "Pad",
        "MaxPool",
        "Concat",
        "Range",
        "Expand",
        "ConstantOfShape",
        "Tile",
        "Einsum",
        "QLinearConv",
        "BatchNormalization",
        "GatherND",
        "ScatterElements",
        "OneHot",
        "Upsample",
        "ConvTranspose",
        "NonMaxSuppression",
        "Unique",
        "GridSample",
        "DFT",
        "SplitToSequence",
        "SequenceAt",
        "SequenceConstruct",
        "ConcatFromSequence",
        "kernel_shape",
    };
    return checked(strdup(words[below(sizeof(words) / sizeof(*words))]));
}

/* A string: taken from another place of the same model, or from the words above. */
static void mutate_string(char **slot, char *const *others, size_t count)
{
    char *text = count && below(2) ? checked(strdup(others[below(count)])) : other_string();
    if (*slot && *slot != (char *)protobuf_c_empty_string)
        free(*slot);
    *slot = text;
}

static void mutate_message(ProtobufCMessage *message, int depth);

static void mutate_repeated(const ProtobufCFieldDescriptor *field, size_t *count, void **array)
{
    size_t at = below(*count);
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        ((int64_t *)*array)[at] = troublesome();
        break;
    case PROTOBUF_C_TYPE_INT32:
        ((int32_t *)*array)[at] = (int32_t)troublesome();
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        ((float *)*array)[at] = (float)troublesome();
        break;
    case PROTOBUF_C_TYPE_STRING:
        mutate_string(&((char **)*array)[at], *array, *count);
        break;
    default:
        break;
    }
}

static void free_element(const ProtobufCFieldDescriptor *field, void **array, size_t at)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        protobuf_c_message_free_unpacked(array[at], NULL);
    else if (field->type == PROTOBUF_C_TYPE_STRING && array[at] != protobuf_c_empty_string)
        free(array[at]);
}

/* Drops an element, swaps two, or changes one. */
static void mutate_list(const ProtobufCFieldDescriptor *field, char *message, int depth)
{
    size_t *count = (size_t *)(message + field->quantifier_offset);
    void **array = *(void ***)(message + field->offset);
    bool pointers = field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING;
    if (!*count)
        return;
    size_t a = below(*count), b = below(*count);
    uint64_t kind = below(8);
    if (pointers && kind == 0) {
        free_element(field, array, a);
        array[a] = array[--*count];
    } else if (pointers && kind == 1) {
        void *swapped = array[a];
        array[a] = array[b];
        array[b] = swapped;
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        mutate_message(array[a], depth + 1);
    } else {
        mutate_repeated(field, count, (void **)(message + field->offset));
    }
}

static void mutate_scalar(const ProtobufCFieldDescriptor *field, char *message)
{
    void *at = message + field->offset;
    if (field->quantifier_offset)
        *(protobuf_c_boolean *)(message + field->quantifier_offset) = below(8) != 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
        *(int64_t *)at = below(3) ? troublesome() : (int64_t)(*(uint64_t *)at + below(9) - 4);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)at = below(2) ? (int32_t)below(26) : (int32_t)troublesome();
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)at = (float)troublesome();
        break;
    case PROTOBUF_C_TYPE_STRING:
        mutate_string(at, NULL, 0);
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *data = at;
        if (data->len)
            data->data[below(data->len)] = (uint8_t)below(256);
        if (data->len && !below(3))
            data->len -= 1 + below(data->len);
        break;
    }
    default:
        break;
    }
}

static void mutate_message(ProtobufCMessage *message, int depth)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    char *base = (char *)message;
    for (int tries = 0; tries < 20; tries++) {
        const ProtobufCFieldDescriptor *field = &type->fields[below(type->n_fields)];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!*(size_t *)(base + field->quantifier_offset))
                continue;
            mutate_list(field, base, depth);
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            void *inner = *(void **)(base + field->offset);
            if (!inner)
                continue;
            if (depth && !below(16)) {
                protobuf_c_message_free_unpacked(inner, NULL);
                *(void **)(base + field->offset) = NULL;
            } else {
                mutate_message(inner, depth + 1);
            }
        } else {
            mutate_scalar(field, base);
        }
        return;
    }
}

static bytes mutate_fields(const seed_model *model)
{
    RanOnnx__Model *message = ran_onnx__model__unpack(NULL, model->file.size, model->file.data);
    if (!message)
        abort();
    /* Most of what matters lies in the graph. */
    for (uint64_t n = 1 + below(5); n; n--)
        mutate_message(below(6) && message->graph ? &message->graph->base : &message->base, 0);
    bytes out = {.size = ran_onnx__model__get_packed_size(message)};
    out.data = checked(malloc(out.size + 1));
    ran_onnx__model__pack(message, out.data);
    ran_onnx__model__free_unpacked(message, NULL);
    return out;
}

/* ---- Small models ---------------------------------------------------------------------------- */

/* Convolution, old-style attributes, a variadic sum. */
static RanOnnx__Graph *small_conv(void)
{
    RanOnnx__Graph *graph = build_graph();
    build_input(graph, "x", 1, "N 3 8 8");
    build_floats(graph, "w", "4 3 3 3", NULL);
    build_ints(build_node(graph, "Conv", "x w", "a"), "pads", "1 1 1 1");
    build_node(graph, "Clip", "a", "b");
    build_node(graph, "Sum", "a b a", "c");
    build_ints(build_node(graph, "MaxPool", "c", "d"), "kernel_shape", "3 3");
    build_ints(build_node(graph, "ReduceMean", "d", "y"), "axes", "2 3");
    build_output(graph, "y");
    return graph;
}

/* A loop with an if inside, which captures. */
static RanOnnx__Graph *small_loop(void)
{
    RanOnnx__Graph *graph = build_graph(), *body = build_graph();
    RanOnnx__Graph *branches[] = {build_graph(), build_graph()};
    build_node(branches[0], "Add", "s x", "q");
    build_output(branches[0], "q");
    build_node(branches[1], "Mul", "s s", "r");
    build_output(branches[1], "r");
    build_input(body, "i", 7, "");
    build_input(body, "going", 9, "");
    build_input(body, "s", 1, "2");
    RanOnnx__Node *branch = build_node(body, "If", "going", "t");
    build_subgraph(branch, "then_branch", branches[0]);
    build_subgraph(branch, "else_branch", branches[1]);
    build_node(body, "Identity", "going", "still");
    build_output(body, "still");
    build_output(body, "t");
    build_output(body, "t");
    build_input(graph, "n", 7, "");
    build_input(graph, "c", 9, "");
    build_input(graph, "x", 1, "2");
    build_subgraph(build_node(graph, "Loop", "n c x", "y all"), "body", body);
    build_output(graph, "y");
    build_output(graph, "all");
    return graph;
}

/* Lists that the importer takes apart. */
static RanOnnx__Graph *small_sequence(void)
{
    RanOnnx__Graph *graph = build_graph(), *body = build_graph();
    build_input(body, "e", 1, "2 1");
    build_node(body, "Neg", "e", "n");
    build_node(body, "Add", "n x", "r");
    build_output(body, "r");
    build_input(graph, "x", 1, "2 3");
    build_int64s(graph, "one", "", "1");
    build_int(build_node(graph, "SplitToSequence", "x", "s"), "axis", 1);
    build_subgraph(build_node(graph, "SequenceMap", "s", "t"), "body", body);
    build_node(graph, "SequenceAt", "t one", "a");
    build_node(graph, "SequenceErase", "t one", "u");
    build_node(graph, "SequenceInsert", "u a one", "v");
    build_int(build_node(graph, "ConcatFromSequence", "v", "y"), "axis", -1);
    build_output(graph, "y");
    return graph;
}

/* A list that grows in a loop, which is unrolled. */
static RanOnnx__Graph *small_list(void)
{
    RanOnnx__Graph *graph = build_graph(), *body = build_graph();
    build_input(body, "i", 7, "");
    build_input(body, "going", 9, "");
    build_input(body, "list", 1, "2 3");
    build_int(build_node(body, "Cast", "i", "f"), "to", 1);
    build_node(body, "Add", "x f", "e");
    build_node(body, "SequenceInsert", "list e", "longer");
    build_node(body, "Identity", "going", "on");
    build_output(body, "on");
    build_output(body, "longer");
    build_output(body, "f");
    build_input(graph, "x", 1, "2 3");
    build_int64s(graph, "three", "", "3");
    build_node(graph, "SequenceEmpty", "", "none");
    build_subgraph(build_node(graph, "Loop", "three _ none", "s numbers"), "body", body);
    build_int(build_node(graph, "ConcatFromSequence", "s", "y"), "axis", 0);
    build_output(graph, "y");
    build_output(graph, "numbers");
    return graph;
}

static const struct {
    const char *name;
    RanOnnx__Graph *(*build)(void);
    int64_t opset;
} small_models[] = {
    {"small_conv", small_conv, 9},
    {"small_loop", small_loop, 13},
    {"small_sequence", small_sequence, 18},
    {"small_list", small_list, 18},
};
enum { SMALL_MODELS = sizeof(small_models) / sizeof(*small_models) };

static seed_model built(size_t index)
{
    seed_model model = {.name = small_models[index].name};
    RanOnnx__Model *message = build_model(small_models[index].build(), small_models[index].opset);
    model.file.data = build_pack(message, &model.file.size);
    ran_onnx__model__free_unpacked(message, NULL);
    return model;
}

/* ---- Running --------------------------------------------------------------------------------- */

static seed_model read_model(const char *path)
{
    seed_model model = {.name = path};
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    model.file.size = (size_t)ftell(file);
    rewind(file);
    model.file.data = checked(malloc(model.file.size));
    if (fread(model.file.data, 1, model.file.size, file) != model.file.size)
        exit(1);
    fclose(file);
    return model;
}

static bytes current;
static uint64_t current_seed;
static const char *write_directory;
static seed_model *models;

/* Async-signal-safe: what was being imported goes to a file. */
static void leave_evidence(int signal_number)
{
    static const char message[] = "onnx_mutations: crashed; see mutation.onnx\n";
    int fd = open("mutation.onnx", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0 && write(fd, current.data, current.size) >= 0)
        close(fd);
    if (write(2, message, sizeof(message) - 1) < 0)
        _exit(1);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* On a stack of its own: what overflowed may be the stack. */
static void catch_crashes(void)
{
    static char stack[1 << 16];
    const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = leave_evidence, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL))
        abort();
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &action, NULL);
}

/* Other processes may take the machine's time. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const seed_model *model, const char *what)
{
    FILE *file = fopen("mutation.onnx", "wb");
    if (file) {
        if (current.data)
            fwrite(current.data, 1, current.size, file);
        fclose(file);
    }
    fprintf(stderr, "%s, seed %llu: %s; see mutation.onnx\n", model->name,
            (unsigned long long)current_seed, what);
    exit(1);
}

static long peak_kilobytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void write_current(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%llu.onnx", write_directory, (unsigned long long)current_seed);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(current.data, 1, current.size, file) != current.size || fclose(file)) {
        perror(path);
        exit(1);
    }
}

static void import_current(const seed_model *model)
{
    double start = cpu_seconds();
    LLVMFuzzerTestOneInput(current.data, current.size);
    if (cpu_seconds() - start > 10)
        fail(model, "took more than 10 s");
}

static void mutate_one(const seed_model *model, uint64_t seed)
{
    state = current_seed = seed;
    (void)below(1);
    bool fields = below(2);
    current = fields ? mutate_fields(model) : mutate_bytes(model);
    if (write_directory)
        write_current();
    else
        import_current(model);
    free(current.data);
    current.data = NULL;
}

/* What is not mutated must import, or the mutations would be of nothing. */
static void check_sound(const seed_model *model)
{
    ran_context *context = ran_context_create();
    ran_module *module;
    if (ran_onnx_import_memory(context, model->name, model->file.data, model->file.size, NULL,
                               &module) != RAN_OK) {
        ran_diagnostics_print(context, stderr);
        exit(1);
    }
    ran_module_destroy(module);
    ran_context_destroy(context);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"count", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 's'},  {"compile", required_argument, NULL, 'o'},
        {"write", required_argument, NULL, 'w'}, {0}};
    uint64_t count = 1000, first_seed = 1, done = 0;
    double seconds = 1e9;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 'c':
            count = strtoull(optarg, NULL, 10);
            break;
        case 't':
            seconds = strtod(optarg, NULL);
            break;
        case 'o':
            ran_fuzz_compile_each = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            write_directory = optarg;
            break;
        case 's':
            first_seed = strtoull(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    size_t file_count = (size_t)(argc - optind);
    size_t model_count = file_count ? file_count : SMALL_MODELS;
    models = checked(calloc(model_count, sizeof(*models)));
    size_t largest = 0;
    for (size_t i = 0; i < model_count; i++) {
        models[i] = file_count ? read_model(argv[(size_t)optind + i]) : built(i);
        models[i].structure = checked(malloc(models[i].file.size * sizeof(size_t)));
        find_structure(&models[i], &ran_onnx__model__descriptor, 0, models[i].file.size);
        if (models[i].file.size > largest)
            largest = models[i].file.size;
        check_sound(&models[i]);
    }
    catch_crashes();
    long before = peak_kilobytes();
    double start = cpu_seconds();
    for (uint64_t i = 0; i < count * model_count && cpu_seconds() - start < seconds; i++, done++)
        mutate_one(&models[i % model_count], first_seed + i);
    long grown = peak_kilobytes() - before;
    printf("%llu mutations of %zu models in %.1f s, %lu are still models, %lu of them lowered, "
           "memory grew by %ld MB\n",
           (unsigned long long)done, model_count, cpu_seconds() - start, ran_fuzz_accepted,
           ran_fuzz_compiled, grown >> 10);
    if (ran_fuzz_compile_each && !ran_fuzz_compiled)
        fail(&models[0], "no mutation got through code generation");
    if (MEASURES_MEMORY && (uint64_t)grown << 10 > (300ull << 20) + 4 * largest)
        fail(&models[0], "took too much memory");
    return 0;
}
