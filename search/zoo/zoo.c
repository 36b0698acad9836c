/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/zoo/builder.h"
#include "search/zoo/families.h"
#include "search/zoo/samples.h"

#include <string.h>

static const ran_zoo_network networks[] = {
#define RAN_NETWORK(name_, family, table_, ...)                                                    \
    {.name = name_, .build = ran_zoo_##family, .table = table_, __VA_ARGS__},
#include "search/zoo/networks.def"
};

const ran_zoo_network *ran_zoo_networks(size_t *out_count)
{
    *out_count = sizeof networks / sizeof *networks;
    return networks;
}

const ran_zoo_network *ran_zoo_find(const char *name)
{
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        if (!strcmp(networks[i].name, name))
            return &networks[i];
    return NULL;
}

static ran_zoo_options complete_options(const ran_zoo_network *network,
                                        const ran_zoo_options *options)
{
    ran_zoo_options o = options ? *options : (ran_zoo_options){0};
    o.channels = o.channels ? o.channels : network->channels;
    o.height = o.height ? o.height : network->height;
    o.width_pixels = o.width_pixels ? o.width_pixels : network->width;
    o.batch = o.batch ? o.batch : 1;
    o.classes = o.classes ? o.classes : network->classes;
    o.width = o.width ? o.width : 1;
    o.depth = o.depth ? o.depth : 1;
    return o;
}

/* Networks on vectors take 1 x 1 pixels as none. */
static void add_input(ran_net *net, ran_function *function)
{
    const ran_zoo_options *o = &net->options;
    int64_t dims[] = {o->batch, o->channels, o->height, o->width_pixels};
    const ran_type *type = ran_type_tensor_i64(
        net->context, RAN_ELEM_F32, o->height == 1 && o->width_pixels == 1 ? 2 : 4, dims);
    net->input = (ran_feature){
        .value = ran_region_add_argument(ran_function_body(function), "input", type),
        .channels = o->channels,
        .height = o->height,
        .width = o->width_pixels,
    };
}

ran_status ran_zoo_build(ran_context *context, const ran_zoo_network *network,
                         const ran_zoo_options *options, ran_module **out_module)
{
    ran_net net = {.context = context, .options = complete_options(network, options)};
    net.module = ran_module_create(context);
    ran_function *function = ran_function_create(net.module, "main");
    net.builder = ran_builder_at_end(ran_function_body(function));
    ran_module_set_metadata(net.module, "producer", "ran-design");
    ran_module_set_metadata(net.module, "graph", network->name);
    add_input(&net, function);
    net.samples = ran_samples_create(net.input.value, net.options.seed);
    network->build(&net, network->table);
    ran_samples_destroy(net.samples);
    if (net.status == RAN_OK)
        net.status = ran_module_verify(net.module);
    if (net.status != RAN_OK) {
        ran_module_destroy(net.module);
        return ran_error(context, net.status, "%s can't be built with these options",
                         network->name);
    }
    *out_module = net.module;
    return RAN_OK;
}
