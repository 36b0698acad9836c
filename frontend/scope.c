/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of a graph: an open-addressed table, with the enclosing graph behind it. */
#include "frontend/onnx.h"

#include <stdlib.h>
#include <string.h>

ran_onnx_scope ran_scope_open(ran_onnx_scope *parent)
{
    ran_onnx_scope scope = {.parent = parent};
    if (parent) {
        scope.opsets = parent->opsets;
        scope.opset_count = parent->opset_count;
        scope.call_attrs = parent->call_attrs;
        scope.call_attr_count = parent->call_attr_count;
        scope.function = parent->function;
    }
    return scope;
}

void ran_scope_close(ran_onnx_scope *scope)
{
    free(scope->slots);
    *scope = (ran_onnx_scope){0};
}

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

/* The name's slot, or the free one where it belongs. */
static ran_onnx_binding *slot_of(ran_onnx_binding *slots, size_t capacity, const char *name)
{
    size_t at = hash_name(name) & (capacity - 1);
    while (slots[at].defined && strcmp(slots[at].name, name))
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static void grow(ran_onnx_scope *scope)
{
    size_t capacity = scope->capacity ? 2 * scope->capacity : 64;
    ran_onnx_binding *slots = calloc(capacity, sizeof(*slots));
    if (!slots)
        abort();
    for (size_t i = 0; i < scope->capacity; i++)
        if (scope->slots[i].defined)
            *slot_of(slots, capacity, scope->slots[i].name) = scope->slots[i];
    free(scope->slots);
    scope->slots = slots;
    scope->capacity = capacity;
}

static bool bind(ran_onnx_scope *scope, ran_onnx_binding binding)
{
    if (4 * (scope->count + 1) > 3 * scope->capacity)
        grow(scope);
    ran_onnx_binding *slot = slot_of(scope->slots, scope->capacity, binding.name);
    if (slot->defined)
        return false;
    *slot = binding;
    slot->defined = true;
    scope->count++;
    return true;
}

bool ran_scope_bind(ran_onnx_scope *scope, const char *name, ran_value *value)
{
    return bind(scope, (ran_onnx_binding){.name = name, .value = value});
}

bool ran_scope_bind_absent(ran_onnx_scope *scope, const char *name)
{
    return bind(scope, (ran_onnx_binding){.name = name, .absent = true});
}

bool ran_scope_bind_sequence(ran_onnx_scope *scope, const char *name,
                             const ran_onnx_sequence *sequence)
{
    return bind(scope, (ran_onnx_binding){.name = name, .sequence = sequence});
}

bool ran_scope_bind_node(ran_onnx_scope *scope, const char *name, size_t node)
{
    return bind(scope, (ran_onnx_binding){.name = name, .node = node});
}

const ran_onnx_binding *ran_scope_find_here(const ran_onnx_scope *scope, const char *name)
{
    if (!scope->capacity)
        return NULL;
    const ran_onnx_binding *slot = slot_of(scope->slots, scope->capacity, name);
    return slot->defined ? slot : NULL;
}

const ran_onnx_binding *ran_scope_find(const ran_onnx_scope *scope, const char *name)
{
    const ran_onnx_binding *found = NULL;
    for (; scope && !found; scope = scope->parent)
        found = ran_scope_find_here(scope, name);
    return found;
}

int64_t ran_scope_opset(const ran_onnx_scope *scope, const char *domain)
{
    bool own = !*domain || strcmp(domain, "ai.onnx") == 0;
    for (size_t i = 0; i < scope->opset_count; i++) {
        const char *name = scope->opsets[i]->domain ? scope->opsets[i]->domain : "";
        if (strcmp(name, domain) == 0 || (own && (!*name || strcmp(name, "ai.onnx") == 0)))
            return scope->opsets[i]->version;
    }
    return 0;
}
