/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The language that selects activations: what it parses to, and where it says that text is wrong. */
#include "passes/approx/approx.h"
#include "tests/harness/unit.h"

#include <string.h>

static ran_context *context;
static ran_arena *arena;

static ran_spec parse(const char *text)
{
    ran_spec spec;
    context = ran_context_create();
    arena = ran_arena_create();
    ck_assert_int_eq(ran_spec_parse(context, arena, text, &spec), RAN_OK);
    return spec;
}

static void refuse(const char *text, const char *message)
{
    ran_spec spec;
    ran_context *c = ran_context_create();
    ran_arena *a = ran_arena_create();
    ck_assert_msg(ran_spec_parse(c, a, text, &spec) == RAN_USAGE, "'%s' is taken", text);
    ck_assert_int_eq(ran_diagnostic_count(c), 1);
    const char *said = ran_diagnostic_at(c, 0)->message;
    ck_assert_msg(strstr(said, message), "'%s' says: %s", text, said);
    ran_arena_destroy(a);
    ran_context_destroy(c);
}

START_TEST(parses_each_term)
{
    ran_spec s = parse("all,name:/a/*/Relu*,stage:2,stage:2-4,slope,slope:f.txt,keep:50k,cheapest:5");
    ck_assert_uint_eq(s.count, 8);
    ck_assert_int_eq(s.unit, RAN_UNIT_LAYER);
    ck_assert_int_eq(s.terms[0].kind, RAN_TERM_ALL);
    ck_assert_int_eq(s.terms[1].kind, RAN_TERM_NAME);
    ck_assert_str_eq(s.terms[1].text, "/a/*/Relu*");
    ck_assert_int_eq(s.terms[2].first, 2);
    ck_assert_int_eq(s.terms[2].last, 2);
    ck_assert_int_eq(s.terms[3].last, 4);
    ck_assert_ptr_null(s.terms[4].text);
    ck_assert_str_eq(s.terms[5].text, "f.txt");
    ck_assert_int_eq(s.terms[6].first, 50000);
    ck_assert_int_eq(s.terms[7].first, 5);
}
END_TEST

START_TEST(parses_counts)
{
    ck_assert_int_eq(parse("keep:0").terms[0].first, 0);
    ck_assert_int_eq(parse("keep:1.5M").terms[0].first, 1500000);
    ck_assert_int_eq(parse("keep:434.18K").terms[0].first, 434180);
    ck_assert_int_eq(parse("keep:12345678901").terms[0].first, 12345678901);
}
END_TEST

START_TEST(parses_units)
{
    ck_assert_int_eq(parse("all/channel").unit, RAN_UNIT_CHANNEL);
    ck_assert_int_eq(parse("slope,keep:5/element").unit, RAN_UNIT_ELEMENT);
    ck_assert_int_eq(parse("slope/element,keep:5").unit, RAN_UNIT_ELEMENT);
    ck_assert_str_eq(parse("name:/a/b/channel").terms[0].text, "/a/b");
    ck_assert_str_eq(parse("name:/a/[c]hannel").terms[0].text, "/a/[c]hannel");
}
END_TEST

START_TEST(keeps_escaped_commas)
{
    ran_spec s = parse("name:a\\,b,all");
    ck_assert_uint_eq(s.count, 2);
    ck_assert_str_eq(s.terms[0].text, "a,b");
}
END_TEST

START_TEST(refuses_what_is_wrong)
{
    refuse("", "column 1: a term is missing");
    refuse("all,", "column 5: a term is missing");
    refuse("all,,all", "column 5: a term is missing");
    refuse("every", "column 1: unknown term every");
    refuse("all:5", "no value belongs behind all");
    refuse("name", "a value is missing behind name");
    refuse("name:", "name: needs a glob");
    refuse("all,stage:0", "column 5: stage: takes N or N-M");
    refuse("stage:3-2", "stage: takes N or N-M");
    refuse("stage:1-", "stage: takes N or N-M");
    refuse("stage:1x", "stage: takes N or N-M");
    refuse("slope:", "slope: needs a file");
    refuse("keep:-1", "keep: takes a count");
    refuse("keep:5q", "keep: takes a count");
    refuse("keep:1e40", "keep: takes a count");
    refuse("cheapest:0", "cheapest: takes how many");
    refuse("slope/channel,keep:5/element", "column 15: /channel and /element don't mix");
    refuse("/channel", "a term is missing");
}
END_TEST

RAN_UNIT_TESTS(parses_each_term, parses_counts, parses_units, keeps_escaped_commas,
               refuses_what_is_wrong)
