/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recipes: the options of recipe.def as text, checked when they are set, and as JSON. */
#include "runtime/train/train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ir/beside.h"

static const ran_recipe_row rows[] = {
#define RAN_RECIPE(name, kind, value, group, argument, help)                                       \
    {name, RAN_RECIPE_##kind, value, RAN_RECIPE_##group, argument, help},
#include "runtime/train/recipe.def"
};

enum { ROW_COUNT = sizeof(rows) / sizeof(*rows) };

struct ran_recipe {
    ran_context *context;
    char *values[ROW_COUNT]; /* NULL: the default */
};

const ran_recipe_row *ran_recipe_rows(size_t *out_count)
{
    *out_count = ROW_COUNT;
    return rows;
}

ran_recipe *ran_recipe_create(ran_context *context)
{
    ran_recipe *recipe = calloc(1, sizeof(*recipe));
    if (recipe)
        recipe->context = context;
    return recipe;
}

void ran_recipe_destroy(ran_recipe *recipe)
{
    for (int i = 0; recipe && i < ROW_COUNT; i++)
        free(recipe->values[i]);
    free(recipe);
}

ran_recipe *ran_recipe_clone(const ran_recipe *recipe)
{
    ran_recipe *copy = ran_recipe_create(recipe->context);
    for (int i = 0; copy && i < ROW_COUNT; i++)
        copy->values[i] = recipe->values[i] ? strdup(recipe->values[i]) : NULL;
    return copy;
}

static int find_row(const char *name)
{
    for (int i = 0; i < ROW_COUNT; i++) {
        if (!strcmp(rows[i].name, name))
            return i;
    }
    return -1;
}

const char *ran_recipe_get(const ran_recipe *recipe, const char *name)
{
    int row = find_row(name);
    if (row < 0)
        RAN_BUG(recipe->context, "no recipe has an option '%s'", name);
    return recipe->values[row] ? recipe->values[row] : rows[row].value;
}

bool ran_recipe_is_set(const ran_recipe *recipe, const char *name)
{
    return *ran_recipe_get(recipe, name) != 0;
}

double ran_recipe_number(const ran_recipe *recipe, const char *name, double otherwise)
{
    const char *text = ran_recipe_get(recipe, name);
    return *text ? strtod(text, NULL) : otherwise;
}

static bool is_valid(ran_recipe_kind kind, const char *value)
{
    char *end;
    errno = 0;
    switch (kind) {
    case RAN_RECIPE_TEXT:
        return true;
    case RAN_RECIPE_FLAG:
        return !strcmp(value, "true") || !strcmp(value, "false");
    case RAN_RECIPE_COUNT: {
        long long count = strtoll(value, &end, 10);
        return end != value && !*end && !errno && count >= 0;
    }
    case RAN_RECIPE_NUMBER: {
        double number = strtod(value, &end);
        return end != value && !*end && number >= 0 && number <= 1e300;
    }
    }
    return false;
}

ran_status ran_recipe_set(ran_recipe *recipe, const char *name, const char *value)
{
    static const char *const expected[] = {
        [RAN_RECIPE_TEXT] = "text", [RAN_RECIPE_NUMBER] = "a number that is not negative",
        [RAN_RECIPE_COUNT] = "a whole number that is not negative",
        [RAN_RECIPE_FLAG] = "true or false"};
    int row = find_row(name);
    if (row < 0)
        return ran_error(recipe->context, RAN_USAGE, "recipe: no option '%s'", name);
    if (!is_valid(rows[row].kind, value))
        return ran_error(recipe->context, RAN_USAGE, "%s: expected %s, not '%s'", name,
                         expected[rows[row].kind], value);
    char *copy = strdup(value);
    if (!copy)
        return ran_error(recipe->context, RAN_INVALID, "out of memory");
    free(recipe->values[row]);
    recipe->values[row] = copy;
    return RAN_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static ran_status set_json(ran_recipe *recipe, const char *path, const char *name, json_t *value)
{
    char number[64];
    if (json_is_integer(value))
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof(number), "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        strcpy(number, json_is_true(value) ? "true" : "false");
    else if (!json_is_string(value))
        return ran_error(recipe->context, RAN_USAGE, "%s: %s: expected a string, number or bool",
                         path, name);
    return ran_recipe_set(recipe, name, json_is_string(value) ? json_string_value(value) : number);
}

ran_status ran_recipe_read(ran_recipe *recipe, const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error), *value;
    const char *name;
    ran_status status = RAN_OK;
    if (!root)
        return ran_error_at(recipe->context, RAN_INVALID, path, error.line > 0 ? error.line : 0,
                            error.line > 0 ? error.column : 0, "%s", error.text);
    if (!json_is_object(root))
        status = ran_error(recipe->context, RAN_INVALID, "%s: a recipe is a JSON object", path);
    json_object_foreach(root, name, value)
    {
        ran_status one = set_json(recipe, path, name, value);
        status = status ? status : one;
    }
    json_decref(root);
    return status;
}

static json_t *to_json(ran_recipe_kind kind, const char *value)
{
    switch (kind) {
    case RAN_RECIPE_FLAG:
        return json_boolean(!strcmp(value, "true"));
    case RAN_RECIPE_COUNT:
        return json_integer(strtoll(value, NULL, 10));
    case RAN_RECIPE_NUMBER:
        return json_real(strtod(value, NULL));
    case RAN_RECIPE_TEXT:
        break;
    }
    return json_string(value);
}

char *ran_recipe_text(const ran_recipe *recipe)
{
    json_t *root = json_object();
    for (int i = 0; i < ROW_COUNT; i++) {
        const char *value = recipe->values[i] ? recipe->values[i] : rows[i].value;
        if (*value)
            json_object_set_new(root, rows[i].name, to_json(rows[i].kind, value));
    }
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(root);
    return text;
}

ran_status ran_recipe_write(const ran_recipe *recipe, const char *path)
{
    char *text = ran_recipe_text(recipe);
    const char *temporary = ran_beside(recipe->context, path);
    FILE *file = text ? fopen(temporary, "wb") : NULL;
    bool failed = !file || fprintf(file, "%s\n", text) < 0;
    failed |= file && fclose(file);
    failed = failed || !ran_beside_rename(temporary, path);
    free(text);
    if (!failed)
        return RAN_OK;
    ran_status status =
        ran_error(recipe->context, RAN_INVALID, "cannot write %s: %s", path, strerror(errno));
    ran_beside_remove(temporary, path);
    return status;
}
