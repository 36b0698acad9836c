/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sections, and the report as JSON. */
#include "tools/report/page.h"

#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"
#include "tools/files.h"

static void *checked(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

report *report_create(const char *title)
{
    report *r = checked(calloc(1, sizeof(*r)));
    r->title = checked(strdup(title));
    r->data = checked(json_object());
    return r;
}

void report_destroy(report *r)
{
    for (size_t i = 0; r && i < r->section_count; i++) {
        free(r->sections[i].key);
        free(r->sections[i].title);
    }
    if (!r)
        return;
    json_decref(r->data);
    free(r->sections);
    free(r->title);
    free(r);
}

void report_add(report *r, const char *key, const char *title, report_view view, const char *x,
                const char *y, json_t *data)
{
    r->sections =
        checked(realloc(r->sections, (r->section_count + 1) * sizeof(*r->sections)));
    r->sections[r->section_count++] = (report_section){.key = checked(strdup(key)),
                                                       .title = checked(strdup(title)),
                                                       .x = x ? x : "",
                                                       .y = y ? y : "",
                                                       .view = view};
    if (data)
        json_object_set_new(r->data, key, data);
}

json_t *report_data(const report *r, const char *key)
{
    return json_object_get(r->data, key);
}

static void write_json(const report *r, FILE *stream)
{
    json_t *root = json_object();
    json_object_set_new(root, "title", json_string(r->title));
    json_object_update(root, r->data);
    json_dumpf(root, stream, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    fputc('\n', stream);
    json_decref(root);
}

ran_status report_write(const report *r, ran_context *context, const char *path)
{
    ran_beside_file output;
    ran_status status = ran_beside_open(context, path, &output);
    if (status)
        return status;
    size_t length = strlen(path);
    if (length > 5 && !strcmp(path + length - 5, ".json"))
        write_json(r, output.stream);
    else
        report_write_page(r, output.stream);
    return ran_beside_close(context, &output, RAN_OK);
}
