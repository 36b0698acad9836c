/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Networks of the zoo: parameters and MACs that the literature gives, and values that stay sane. */
#include "search/zoo/zoo.h"

#include "ir/ir.h"
#include "tests/harness/unit.h"

#include <math.h>
#include <string.h>

typedef struct size {
    const char *name;
    double parameters, macs; /* millions */
    double tolerance;        /* of the MACs, relative */
    bool statistics;         /* the mean and variance of batch norms count as parameters */
    bool convolutions;       /* MACs of the final classifier don't count */
} size;

/* torchvision's counts, Keras's for resnet8, those of the papers. */
static const size sizes[] = {
    {"lenet", 0.061706, 0.41652, 1e-4, false, false},
    {"mlp", 0.235146, 0.234752, 1e-4, false, false},
    {"squeezenet", 1.248424, 818.9, 2e-3, false, false},
    {"squeezenet_1.1", 1.235496, 349.2, 2e-3, false, false},
    {"mobilenet_v2", 3.504872, 300.77, 1e-4, false, false},
    {"mobilenet_v2_cifar", 2.236682, 87.98, 1e-3, false, false},
    {"resnet8", 0.078666, 12.50, 1e-3, true, false},
    {"resnet18", 11.689512, 1814.07, 1e-4, false, false},
    {"resnet18_cifar", 11.173962, 555.42, 1e-4, false, false},
    {"resnet34", 21.797672, 3663.8, 1e-4, false, false},
    {"resnet50", 25.557032, 4089.2, 1e-4, false, false},
    {"densenet121", 7.978856, 2834.2, 1e-4, false, false},
    {"efficientnet_b0", 5.288548, 385.9, 3e-3, false, false},
    {"efficientnet_b0_cifar", 4.020358, 31.98, 3e-3, false, false},
    {"efficientnet_lite0", 4.652008, 385.2, 3e-3, false, false},
    {"convnext_tiny", 28.589128, 4454.8, 1e-3, false, false},
    {"vgg16", 138.357544, 15470, 1e-3, false, false},
    {"ran_supernet", 4.67, 589.9, 2e-3, true, true},
    {"ran_subnet_a", 4.60, 561.1, 2e-3, true, true},
    {"ran_subnet_b", 4.60, 482.2, 2e-3, true, true},
    {"ran_subnet_c", 4.67, 487.8, 2e-3, true, true},
    {"ran_ground_truth", 4.53, 433.1, 2e-3, true, true},
    {"rexnet_1.0", 4.797, 398, 1e-2, false, false},
};

typedef struct tally {
    double parameters, macs;
} tally;

static void add_parameters(const ran_op *op, const size *s, tally *t)
{
    bool skips = op->opcode == RAN_OP_BATCH_NORMALIZATION && !s->statistics;
    for (size_t i = 0; i < ran_op_operand_count(op); i++) {
        const ran_value *value = ran_op_operand(op, i);
        const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
        if (tensor && ran_tensor_elem(tensor) == RAN_ELEM_F32 && ran_tensor_rank(tensor) > 0 &&
            !(skips && i > 2))
            t->parameters += (double)ran_tensor_numel(tensor);
    }
}

static tally count(const ran_module *module, const size *s)
{
    tally t = {0, 0};
    ran_region *body = ran_function_body(ran_module_first_function(module));
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
        ran_counts counts = {0};
        add_parameters(op, s, &t);
        ran_count_op(op, &counts);
        if (!(s->convolutions && op->opcode == RAN_OP_GEMM))
            t.macs += (double)counts.macs;
    }
    return t;
}

static void check_size(const size *s)
{
    ran_module *module;
    ran_context *context = ran_context_create();
    ck_assert_int_eq(ran_zoo_build(context, ran_zoo_find(s->name), NULL, &module), RAN_OK);
    tally t = count(module, s);
    /* Two decimals are known of the RAN networks. */
    double slack = s->convolutions ? 0.006 : s->parameters * 1e-4;
    ck_assert_msg(fabs(t.parameters / 1e6 - s->parameters) <= slack,
                  "%s: %.6f M parameters, expected %.6f", s->name, t.parameters / 1e6,
                  s->parameters);
    ck_assert_msg(fabs(t.macs / 1e6 - s->macs) <= s->tolerance * s->macs,
                  "%s: %.3f M MACs, expected %.3f", s->name, t.macs / 1e6, s->macs);
    ran_module_destroy(module);
    ran_context_destroy(context);
}

START_TEST(has_the_sizes_of_the_literature)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(&sizes[i]);
}
END_TEST

START_TEST(values_keep_their_size)
{
    static const char *const names[] = {"mobilenet_v2_cifar", "resnet8", "resnet18_cifar", "lenet"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ran_module *module;
        ran_tensor *y = NULL;
        ran_context *context = ran_context_create();
        const ran_zoo_network *network = ran_zoo_find(names[i]);
        ck_assert_int_eq(ran_zoo_build(context, network, NULL, &module), RAN_OK);
        int64_t dims[] = {1, network->channels, network->height, network->width};
        ran_tensor *x = ran_tensor_create(RAN_ELEM_F32, 4, dims);
        for (int64_t k = 0; k < ran_tensor_numel(x); k++)
            ran_tensor_set_f64(x, k, sin((double)k));
        ck_assert_int_eq(ran_evaluate(ran_module_first_function(module),
                                      (const ran_tensor *const *)&x, 1, &y, 1),
                         RAN_OK);
        double sum = 0;
        for (int64_t k = 0; k < ran_tensor_numel(y); k++)
            sum += fabs(ran_tensor_get_f64(y, k));
        sum /= (double)ran_tensor_numel(y);
        ck_assert_msg(sum > 0.05 && sum < 50, "%s: mean magnitude %g", names[i], sum);
        ran_tensor_release(x);
        ran_tensor_release(y);
        ran_module_destroy(module);
        ran_context_destroy(context);
    }
}
END_TEST

START_TEST(options_change_shapes_and_seeds_change_weights)
{
    ran_module *a, *b;
    ran_context *context = ran_context_create();
    ran_zoo_options options = {.channels = 3,
                               .height = 64,
                               .width_pixels = 96,
                               .classes = 7,
                               .width = 0.5,
                               .depth = 2,
                               .batch = 3,
                               .seed = 5};
    const ran_zoo_network *network = ran_zoo_find("mobilenet_v2");
    ck_assert_int_eq(ran_zoo_build(context, network, &options, &a), RAN_OK);
    options.seed = 6;
    ck_assert_int_eq(ran_zoo_build(context, network, &options, &b), RAN_OK);
    ran_region *body = ran_function_body(ran_module_first_function(a));
    const ran_type *type = ran_value_type(ran_op_operand(ran_region_terminator(body), 0));
    ck_assert_int_eq(ran_type_extent(type, 0), 3);
    ck_assert_int_eq(ran_type_extent(type, 1), 7);
    ck_assert_uint_ne(ran_tensor_hash(ran_value_constant(ran_module_first_constant(a))),
                      ran_tensor_hash(ran_value_constant(ran_module_first_constant(b))));
    ran_module_destroy(a);
    ran_module_destroy(b);
    ran_context_destroy(context);
}
END_TEST

RAN_UNIT_TESTS(has_the_sizes_of_the_literature, values_keep_their_size,
               options_change_shapes_and_seeds_change_weights)
