/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A greedy and random selections under the same limit, to compare with. */
#include <string.h>

#include "ir/ir.h"
#include "search/hant.h"

enum { RANDOM_CHOICES = 5 };

const ran_hant_choice *ran_hant_find_equal(const ran_hant *h, const ran_hant_result *r,
                                           const ran_hant_choice *c)
{
    size_t bytes = h->problem.layer_count * sizeof *c->choice;
    if (!memcmp(r->chosen.choice, c->choice, bytes))
        return &r->chosen;
    for (size_t i = 0; i < r->baseline_count && &r->baselines[i] != c; i++)
        if (!memcmp(r->baselines[i].choice, c->choice, bytes))
            return &r->baselines[i];
    return NULL;
}

static ran_status add_baseline(const ran_hant *h, const char *method, const size_t *choice,
                               ran_hant_result *r)
{
    ran_hant_choice *c = &r->baselines[r->baseline_count++];
    *c = (ran_hant_choice){.method = method,
                           .choice = ran_hant_copy_choice(h, choice),
                           .predicted = ran_ilp_cost(&h->problem, 0, choice) + r->correction};
    const ran_hant_choice *equal = ran_hant_find_equal(h, r, c);
    if (equal) {
        *c = *equal;
        c->method = method;
        return RAN_OK;
    }
    return ran_hant_evaluate(h, true, c);
}

ran_status ran_hant_choose_baselines(const ran_hant *h, ran_hant_result *r)
{
    ran_status status = RAN_OK;
    uint64_t seed = h->options.pretrain.seed;
    size_t *choice = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1);
    r->baselines = RAN_ARENA_ARRAY(h->arena, ran_hant_choice, RANDOM_CHOICES + 1);
    ran_ilp_options ilp = h->options.ilp;
    ilp.max_drop = r->prefilter;
    /* Under the limit that the measured latency left to the selection. */
    ran_ilp_problem problem = r->problem;
    problem.budgets[0].limit = r->sum_limit;
    if (ran_ilp_greedy(&problem, &ilp, choice))
        status = add_baseline(h, "greedy", choice, r);
    for (int i = 0; i < RANDOM_CHOICES && status == RAN_OK; i++)
        if (ran_ilp_random(&problem, &ilp, &seed, choice))
            status = add_baseline(h, "random", choice, r);
    return status;
}
