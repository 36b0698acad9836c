/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Norms take the statistics of the images; nothing else of the network changes. */
#include "ir/ir.h"
#include "ir/noise.h"
#include "search/pretrain.h"
#include "tests/harness/unit.h"

#include <string.h>

enum { IMAGES = 2048, CHANNELS = 2, PLANE = 16, NUMEL = CHANNELS * PLANE };

static const char network[] =
    "const @scale = tensor<2xf32> [1.5, 0.5]\n"
    "const @shift = tensor<2xf32> [0.25, -1]\n"
    "const @mean = tensor<2xf32> [0, 0]\n"
    "const @var = tensor<2xf32> [1, 1]\n"
    "func @main(%x: tensor<1x2x4x4xf32>) -> (tensor<1x2xf32>) {\n"
    "  %0 = batch_normalization %x, @scale, @shift, @mean, @var : tensor<1x2x4x4xf32>\n"
    "  %1 = global_average_pool %0 : tensor<1x2x1x1xf32>\n"
    "  %2 = flatten %1 : tensor<1x2xf32>\n"
    "  return %2\n"
    "}\n";

/* Channel c: mean 3 - 4c, deviation 2 + c. */
static void fill_images(ran_images *images)
{
    images->x = calloc(IMAGES * NUMEL, sizeof *images->x);
    images->classes = calloc(IMAGES, sizeof *images->classes);
    images->count = IMAGES;
    images->numel = NUMEL;
    for (int i = 0; i < IMAGES * NUMEL; i++) {
        int channel = i / PLANE % CHANNELS;
        images->x[i] = (float)(3 - 4 * channel + (2 + channel) * ran_noise_value(5, (uint64_t)i));
        images->classes[i / NUMEL] = i / NUMEL % 2;
    }
}

static double constant_at(const ran_module *module, const char *name, int64_t index)
{
    for (const ran_value *c = ran_module_first_constant(module); c; c = ran_constant_next(c))
        if (!strcmp(ran_value_name(c), name))
            return ran_tensor_get_f64(ran_value_constant(c), index);
    ck_abort_msg("no constant %s", name);
    return 0;
}

START_TEST(statistics_of_the_images)
{
    ran_context *context = ran_context_create();
    ran_module *module;
    ran_images images;
    ck_assert_int_eq(ran_module_parse(context, network, sizeof network - 1, "net", &module),
                     RAN_OK);
    /* What the model says of raw data is not for images that are normalised already. */
    ran_module_set_metadata(module, "normalization.mean", "100");
    ran_module_set_metadata(module, "normalization.std", "7");
    fill_images(&images);
    ck_assert_int_eq(ran_images_recalibrate(module, &images, IMAGES), RAN_OK);
    for (int c = 0; c < CHANNELS; c++) {
        double deviation = 2 + c;
        ck_assert_double_eq_tol(constant_at(module, "mean", c), 3 - 4 * c, 0.05);
        ck_assert_double_eq_tol(constant_at(module, "var", c), deviation * deviation, 0.1);
    }
    ck_assert_double_eq(constant_at(module, "scale", 0), 1.5);
    ck_assert_double_eq(constant_at(module, "shift", 1), -1);
    ran_images_clear(&images);
    ran_module_destroy(module);
    ran_context_destroy(context);
}
END_TEST

RAN_UNIT_TESTS(statistics_of_the_images)
