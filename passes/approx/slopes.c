/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Slopes of activations for negative x: a slope of 1 is no activation at all.
 *
 * From the model: the operand of PReLU, the attribute of LeakyReLU. From a file: text with a line an
 * activation, its name and one value for the layer, one a channel, or one an element; instead of
 * values, the name of a .npy file beside the text. A .npy file itself has one value an activation, in
 * the order of the graph.
 */
#include "passes/approx/approx.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double ran_slope_at(const ran_site *site, int64_t element)
{
    const ran_slopes *s = &site->slopes;
    if (s->count <= 1)
        return s->count ? s->values[0] : 0;
    if (s->count == site->channels)
        return s->values[element / site->inner % site->channels];
    return s->values[element];
}

/* ---- From the model ------------------------------------------------------------------------------------ */

/* The strides of a slope's tensor in the order of one image's axes; false when it varies along the
 * batch. */
static bool broadcast(const ran_site *site, const ran_tensor *slope, int64_t *strides)
{
    const ran_type *type = ran_value_type(site->x);
    int rank = ran_type_rank(type), own = ran_tensor_rank(slope);
    int64_t stride = 1;
    for (int axis = rank - 1; axis >= 0; axis--) {
        int from = axis - (rank - own);
        int64_t size = from >= 0 ? ran_tensor_dims(slope)[from] : 1;
        strides[axis] = size == 1 ? 0 : stride;
        stride *= size;
    }
    return rank && own <= rank && !strides[0];
}

static void fill_channels(ran_site *site, const ran_tensor *slope, const int64_t *strides)
{
    for (int64_t c = 0; c < site->slopes.count; c++)
        site->slopes.values[c] = ran_tensor_get_f64(slope, c * strides[site->axis]);
}

static void fill_elements(ran_site *site, const ran_tensor *slope, const int64_t *strides)
{
    const ran_type *type = ran_value_type(site->x);
    for (int64_t i = 0; i < site->slopes.count; i++) {
        int64_t rest = i, offset = 0;
        for (int axis = ran_type_rank(type) - 1; axis >= 1; axis--) {
            offset += rest % ran_type_extent(type, axis) * strides[axis];
            rest /= ran_type_extent(type, axis);
        }
        site->slopes.values[i] = ran_tensor_get_f64(slope, offset);
    }
}

static void take_tensor(ran_pass_context *pass, ran_site *site, const ran_tensor *slope)
{
    int64_t strides[RAN_MAX_RANK] = {0};
    if (!broadcast(site, slope, strides))
        return;
    bool varies_inside = false;
    for (int axis = 1; axis < ran_type_rank(ran_value_type(site->x)); axis++)
        varies_inside = varies_inside || (axis != site->axis && strides[axis]);
    if (varies_inside && !site->is_static)
        return;
    site->slopes.count = ran_tensor_numel(slope) == 1 ? 1
                         : varies_inside              ? site->elements
                                                      : site->channels;
    site->slopes.values = ran_pass_alloc(pass, (size_t)site->slopes.count * sizeof(double));
    if (varies_inside)
        fill_elements(site, slope, strides);
    else
        fill_channels(site, slope, strides);
}

static void take_slopes(ran_pass_context *pass, ran_site *site)
{
    ran_tensor *slope = NULL;
    if (site->op->opcode == RAN_OP_LEAKY_RELU) {
        site->slopes.count = 1;
        site->slopes.values = ran_pass_alloc(pass, sizeof(double));
        site->slopes.values[0] = ran_op_float(site->op, "alpha");
    } else if (site->op->opcode == RAN_OP_PRELU) {
        slope = ran_constant_behind(ran_op_operand(site->op, 1));
        if (slope)
            take_tensor(pass, site, slope);
        ran_tensor_release(slope);
    }
}

void ran_slopes_of_model(ran_pass_context *pass, ran_sites *sites)
{
    for (size_t i = 0; i < sites->count; i++) {
        ran_site *site = &sites->sites[i];
        take_slopes(pass, site);
        site->nonlinear = site->elements;
        if (site->slopes.count > 1)
            site->nonlinear = 0;
        for (int64_t e = 0; site->slopes.count > 1 && e < site->elements; e++)
            site->nonlinear += ran_slope_at(site, e) != 1;
    }
}

/* ---- From a file -------------------------------------------------------------------------------------------- */

typedef struct reader {
    ran_pass_context *pass;
    ran_sites *sites;
    const char *path;
    int line;
} reader;

typedef struct values {
    double *items;
    int64_t count, capacity;
} values;

static void append(values *v, double value)
{
    if (v->count == v->capacity) {
        v->capacity = v->capacity ? 2 * v->capacity : 64;
        v->items = realloc(v->items, (size_t)v->capacity * sizeof(double));
        if (!v->items)
            RAN_BUG(NULL, "out of memory");
    }
    v->items[v->count++] = value;
}

static ran_status problem(const reader *r, const char *text, const char *what)
{
    return ran_error(ran_pass_ir(r->pass), RAN_INVALID, "%s:%d: %s%s%s", r->path, r->line, text,
                     *what ? " " : "", what);
}

/* Little-endian f32 or f64 in C order, of any shape. */
static ran_status parse_npy(const reader *r, const char *path, FILE *file, values *out)
{
    unsigned char head[12];
    char text[4096] = "";
    if (fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY", 6))
        return problem(r, "not a .npy file:", path);
    size_t length = head[8] | (size_t)head[9] << 8;
    if (head[6] > 1) {
        if (fread(head + 10, 1, 2, file) != 2)
            return problem(r, "not a .npy file:", path);
        length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    }
    if (length >= sizeof(text) || fread(text, 1, length, file) != length)
        return problem(r, "not a .npy file:", path);
    bool is_f4 = strstr(text, "'<f4'"), is_f8 = strstr(text, "'<f8'");
    if ((!is_f4 && !is_f8) || strstr(text, "'fortran_order': True"))
        return problem(r, "slopes are f32 or f64 in C order:", path);
    float single;
    double number;
    while (is_f4 ? fread(&single, 4, 1, file) == 1 : fread(&number, 8, 1, file) == 1)
        append(out, is_f4 ? single : number);
    return RAN_OK;
}

static ran_status read_npy(const reader *r, const char *path, values *out)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return problem(r, "cannot read", ran_intern_printf(ran_pass_ir(r->pass), "%s: %s", path,
                                                           strerror(errno)));
    ran_file_note(ran_pass_ir(r->pass), path);
    ran_status status = parse_npy(r, path, file, out);
    fclose(file);
    return status;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length > tail && !strcmp(text + length - tail, suffix);
}

/* A name beside the slopes' file. */
static const char *beside(const reader *r, const char *name)
{
    const char *slash = strrchr(r->path, '/');
    if (*name == '/' || !slash)
        return name;
    return ran_intern_printf(ran_pass_ir(r->pass), "%.*s/%s", (int)(slash - r->path), r->path,
                             name);
}

static ran_status parse_values(const reader *r, char *text, values *out)
{
    for (char *word = strtok(text, " \t\r\n,"); word; word = strtok(NULL, " \t\r\n,")) {
        char *end;
        double value = strtod(word, &end);
        if (has_suffix(word, ".npy")) {
            ran_status status = read_npy(r, beside(r, word), out);
            if (status)
                return status;
        } else if (*end) {
            return problem(r, "not a slope:", word);
        } else {
            append(out, value);
        }
    }
    return out->count ? RAN_OK : problem(r, "a name without slopes", "");
}

static ran_status give(const reader *r, ran_site *site, const values *v)
{
    bool fits = v->count == 1 || v->count == site->channels ||
                (site->is_static && v->count == site->elements);
    if (!fits)
        return problem(r, "wrong number of slopes:",
                       ran_intern_printf(ran_pass_ir(r->pass),
                                         "%lld for %s, which has %lld channels and %lld elements",
                                         (long long)v->count, site->name,
                                         (long long)site->channels, (long long)site->elements));
    site->slopes.count = v->count;
    site->slopes.values = ran_pass_alloc(r->pass, (size_t)v->count * sizeof(double));
    memcpy(site->slopes.values, v->items, (size_t)v->count * sizeof(double));
    return RAN_OK;
}

static ran_status parse_line(reader *r, char *line)
{
    char *name = line + strspn(line, " \t\r\n");
    if (!*name || *name == '#')
        return RAN_OK;
    char *rest = name + strcspn(name, " \t\r\n");
    if (*rest)
        *rest++ = '\0';
    values v = {0};
    bool found = false;
    ran_status status = parse_values(r, rest, &v);
    for (size_t i = 0; !status && i < r->sites->count; i++) {
        if (!ran_site_is_named(&r->sites->sites[i], name))
            continue;
        found = true;
        status = give(r, &r->sites->sites[i], &v);
    }
    free(v.items);
    return status || found ? status : problem(r, "no activation is named", name);
}

static ran_status read_text(reader *r)
{
    char *line = NULL;
    size_t size = 0;
    ran_status status = RAN_OK;
    FILE *file = fopen(r->path, "r");
    if (!file)
        return ran_error(ran_pass_ir(r->pass), RAN_INVALID, "cannot read %s: %s", r->path,
                         strerror(errno));
    ran_file_note(ran_pass_ir(r->pass), r->path);
    while (!status && getline(&line, &size, file) >= 0) {
        r->line++;
        status = parse_line(r, line);
    }
    free(line);
    fclose(file);
    return status;
}

/* One value an activation; gates are not among them. */
static ran_status read_array(reader *r)
{
    values v = {0};
    int64_t next = 0, wanted = 0;
    for (size_t i = 0; i < r->sites->count; i++)
        wanted += !r->sites->sites[i].is_gate;
    ran_status status = read_npy(r, r->path, &v);
    if (!status && v.count != wanted)
        status = problem(r, "wrong number of slopes:",
                         ran_intern_printf(ran_pass_ir(r->pass), "%lld for %lld activations",
                                           (long long)v.count, (long long)wanted));
    for (size_t i = 0; !status && i < r->sites->count; i++) {
        if (r->sites->sites[i].is_gate)
            continue;
        values one = {.items = &v.items[next++], .count = 1};
        status = give(r, &r->sites->sites[i], &one);
    }
    free(v.items);
    return status;
}

ran_status ran_slopes_read(ran_pass_context *pass, const char *path, ran_sites *sites)
{
    reader r = {.pass = pass, .sites = sites, .path = path};
    return has_suffix(path, ".npy") ? read_array(&r) : read_text(&r);
}
