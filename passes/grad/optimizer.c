/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From gradients to the next state, elementwise, so that fusion makes one kernel a parameter of it.
 *
 *   SGD      v' = m v + g;  p' = p - r (nesterov ? g + m v' : v')
 *   Adam     a' = b1 a + (1 - b1) g;  q' = b2 q + (1 - b2) g^2
 *            p' = p - r (a' / (1 - b1^t)) / (sqrt(q' / (1 - b2^t)) + e)
 *   AdamW    the same with p (1 - r w) instead of g + w p
 *   RMSprop  q' = b2 q + (1 - b2) g^2;  v' = m v + g / (sqrt(q') + e), or g / sqrt(q' + e)
 *            p' = p - r v'
 *
 * Every new value stands behind where(finite, new, old): a step that overflowed leaves the state from
 * which it can be run again to find the op.
 */
#include <math.h>

#include "passes/grad/step.h"

/* One parameter on its way. */
typedef struct update {
    ran_value *value, *gradient;
    const char *name;
    const ran_optimizer *o;
} update;

static ran_value *mul(step *s, ran_value *x, ran_value *y)
{
    return ran_step_binary(s, RAN_OP_MUL, x, y);
}

static ran_value *add(step *s, ran_value *x, ran_value *y)
{
    return ran_step_binary(s, RAN_OP_ADD, x, y);
}

static ran_value *guarded(step *s, const char *name, ran_value *next, ran_value *old)
{
    ran_value *value = ran_step_where(s, s->finite, next, old);
    ran_step_result(s, name, value);
    return value;
}

static ran_value *slot(step *s, const update *u, const char *suffix, const char **out_name)
{
    *out_name = ran_intern_printf(s->context, "%s%s", u->name, suffix);
    return ran_step_argument(s, *out_name, ran_value_type(u->value));
}

/* decay * slot + addend, which becomes the slot's next value. */
static ran_value *accumulate(step *s, const update *u, const char *suffix, double decay,
                             ran_value *addend)
{
    const char *name;
    ran_value *old = slot(s, u, suffix, &name);
    ran_value *next = add(s, ran_step_scale(s, old, decay), addend);
    guarded(s, name, next, old);
    return next;
}

static ran_value *minus(step *s, ran_value *x, ran_value *y)
{
    return ran_step_binary(s, RAN_OP_SUB, x, y);
}

static ran_value *sgd(step *s, const update *u)
{
    ran_value *direction = u->gradient;
    if (u->o->momentum > 0) {
        ran_value *v = accumulate(s, u, RAN_STEP_MOMENTUM, u->o->momentum, u->gradient);
        direction = u->o->nesterov ? add(s, u->gradient, ran_step_scale(s, v, u->o->momentum)) : v;
    }
    return minus(s, u->value, mul(s, s->rate, direction));
}

/* 1 - beta^t without cancellation: with y = t ln(beta), 1 - e^y = -2 sinh(y/2) e^(y/2). Below -40 it
 * is 1 in f32, and sinh must not overflow. */
static ran_value *bias_correction(step *s, double beta)
{
    ran_value *t = ran_step_shift(s, ran_step_cast(s, s->counter, RAN_ELEM_F32), 1);
    ran_value *y = ran_step_binary(s, RAN_OP_MAX, ran_step_scale(s, t, log(beta) / 2),
                                   ran_step_scalar(s, -20));
    ran_value *product = mul(s, ran_step_unary(s, RAN_OP_SINH, y), ran_step_unary(s, RAN_OP_EXP, y));
    return ran_step_scale(s, product, -2);
}

static ran_value *square_average(step *s, const update *u)
{
    ran_value *square = mul(s, u->gradient, u->gradient);
    return accumulate(s, u, RAN_STEP_SQUARE, u->o->beta2, ran_step_scale(s, square, 1 - u->o->beta2));
}

static ran_value *adam(step *s, const update *u)
{
    ran_value *a = accumulate(s, u, RAN_STEP_MOMENTUM, u->o->beta1,
                              ran_step_scale(s, u->gradient, 1 - u->o->beta1));
    ran_value *q = square_average(s, u);
    ran_value *rate = ran_step_binary(s, RAN_OP_DIV, s->rate, bias_correction(s, u->o->beta1));
    ran_value *warm = ran_step_binary(s, RAN_OP_DIV, q, bias_correction(s, u->o->beta2));
    ran_value *root = ran_step_shift(s, ran_step_unary(s, RAN_OP_SQRT, warm), u->o->epsilon);
    return minus(s, u->value, mul(s, rate, ran_step_binary(s, RAN_OP_DIV, a, root)));
}

static ran_value *rmsprop(step *s, const update *u)
{
    ran_value *q = square_average(s, u), *root;
    if (u->o->epsilon_inside)
        root = ran_step_unary(s, RAN_OP_SQRT, ran_step_shift(s, q, u->o->epsilon));
    else
        root = ran_step_shift(s, ran_step_unary(s, RAN_OP_SQRT, q), u->o->epsilon);
    ran_value *direction = ran_step_binary(s, RAN_OP_DIV, u->gradient, root);
    if (u->o->momentum > 0)
        direction = accumulate(s, u, RAN_STEP_MOMENTUM, u->o->momentum, direction);
    return minus(s, u->value, mul(s, s->rate, direction));
}

static void update_average(step *s, const update *u, ran_value *next)
{
    const char *name;
    ran_value *old = slot(s, u, RAN_STEP_AVERAGE, &name);
    ran_value *average = add(s, ran_step_scale(s, old, u->o->ema),
                             ran_step_scale(s, next, 1 - u->o->ema));
    guarded(s, name, average, old);
}

static void update_parameter(step *s, const ran_parameter *p, ran_value *gradient)
{
    update u = {p->argument, gradient, ran_value_name(p->constant), &s->spec->optimizer};
    double decay = p->decayed ? u.o->weight_decay : 0;
    ran_value *next = NULL;
    if (decay > 0 && u.o->kind != RAN_OPTIMIZER_ADAMW)
        u.gradient = add(s, gradient, ran_step_scale(s, u.value, decay));
    switch (u.o->kind) {
    case RAN_OPTIMIZER_SGD:
        next = sgd(s, &u);
        break;
    case RAN_OPTIMIZER_ADAM:
    case RAN_OPTIMIZER_ADAMW:
        next = adam(s, &u);
        break;
    case RAN_OPTIMIZER_RMSPROP:
        next = rmsprop(s, &u);
        break;
    }
    if (decay > 0 && u.o->kind == RAN_OPTIMIZER_ADAMW)
        next = minus(s, next, mul(s, ran_step_scale(s, s->rate, decay), u.value));
    guarded(s, u.name, next, u.value);
    if (u.o->ema > 0)
        update_average(s, &u, next);
}

/* ---- All parameters ------------------------------------------------------------------------------------- */

static ran_value *square_norm(step *s)
{
    ran_value *total = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->gradients[i])
            continue;
        ran_value *sum = ran_step_sum(s, mul(s, s->gradients[i], s->gradients[i]));
        total = total ? add(s, total, sum) : sum;
    }
    return total ? total : ran_step_scalar(s, 0);
}

/* Gradients longer than clip_norm, all together, are scaled down to it (Pascanu et al. 2013). */
static void clip(step *s, ran_value *square)
{
    double limit = s->spec->optimizer.clip_norm;
    ran_value *norm = ran_step_unary(s, RAN_OP_SQRT, square);
    ran_value *factor = ran_step_binary(s, RAN_OP_DIV, ran_step_scalar(s, limit),
                                        ran_step_shift(s, norm, 1e-6));
    factor = ran_step_binary(s, RAN_OP_MIN, factor, ran_step_scalar(s, 1));
    for (size_t i = 0; i < s->count; i++) {
        if (s->gradients[i])
            s->gradients[i] = mul(s, s->gradients[i], factor);
    }
}

/* |loss| + |gradients|^2 is a number exactly when all of them are. */
void ran_step_finite(step *s, ran_value *loss)
{
    ran_value *square = square_norm(s), *all = square;
    if (loss)
        all = add(s, square, ran_step_unary(s, RAN_OP_ABS, loss));
    s->finite = ran_step_binary(s, RAN_OP_LESS_OR_EQUAL, all, ran_step_scalar(s, 0x1.fffffep127));
    if (s->spec->optimizer.clip_norm > 0 && !(loss && s->spec->accumulate))
        clip(s, square);
}

void ran_step_update(step *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->gradients[i])
            update_parameter(s, &s->parameters[i], s->gradients[i]);
    }
}
