/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sequences and optionals that the importer resolves, and those that it refuses. */
#include "tests/harness/onnx_unit.h"

static RanOnnx__Graph *graph_of_x(const char *dims)
{
    RanOnnx__Graph *graph = build_graph();
    build_input(graph, "x", 1, dims);
    build_output(graph, "y");
    return graph;
}

/* y of a model with the input x, 0, 1, 2, ..., in two rows of three. */
static ran_tensor *run(RanOnnx__Graph *graph)
{
    import_good(build_model(graph, 18));
    return evaluate(2, (int64_t[]){2, 3});
}

START_TEST(splits_and_picks)
{
    RanOnnx__Graph *graph = graph_of_x("2 3");
    build_int64s(graph, "last", "", "-1");
    build_int(build_node(graph, "SplitToSequence", "x", "s"), "axis", 1);
    build_node(graph, "SequenceAt", "s last", "y");
    expect_values(run(graph), VALUES(2, 5));
    done();
}
END_TEST

START_TEST(splits_without_the_axis)
{
    RanOnnx__Graph *graph = graph_of_x("2 3");
    build_int64s(graph, "one", "", "1");
    build_int(build_node(graph, "SplitToSequence", "x", "s"), "keepdims", 0);
    build_node(graph, "SequenceAt", "s one", "y");
    ran_tensor *y = run(graph);
    ck_assert_int_eq(ran_tensor_rank(y), 1);
    expect_values(y, VALUES(3, 4, 5));
    done();
}
END_TEST

/* Parts of two, the last of one; parts of given sizes. Swapped, they are put together again. */
START_TEST(splits_by_sizes)
{
    for (int listed = 0; listed < 2; listed++) {
        RanOnnx__Graph *graph = graph_of_x("2 3");
        build_int64s(graph, "sizes", listed ? "2" : "", listed ? "2 1" : "2");
        build_int64s(graph, "zero", "", "0");
        build_int(build_node(graph, "SplitToSequence", "x sizes", "s"), "axis", -1);
        build_node(graph, "SequenceAt", "s zero", "a");
        build_node(graph, "SequenceErase", "s zero", "t");
        build_node(graph, "SequenceInsert", "t a", "u");
        build_int(build_node(graph, "ConcatFromSequence", "u", "y"), "axis", 1);
        expect_values(run(graph), VALUES(2, 0, 1, 5, 3, 4));
        done();
    }
}
END_TEST

START_TEST(builds_and_stacks)
{
    RanOnnx__Graph *graph = graph_of_x("2 3");
    build_int64s(graph, "front", "", "0");
    build_node(graph, "SequenceEmpty", "", "none");
    build_node(graph, "SequenceInsert", "none x", "s");
    build_node(graph, "Neg", "x", "n");
    build_node(graph, "SequenceInsert", "s n front", "t");
    build_node(graph, "Identity", "t", "u");
    RanOnnx__Node *stack = build_node(graph, "ConcatFromSequence", "u", "y");
    build_int(stack, "axis", -1);
    build_int(stack, "new_axis", 1);
    ran_tensor *y = run(graph);
    ck_assert_int_eq(ran_tensor_rank(y), 3);
    expect_values(y, VALUES(0, 0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5));
    done();
}
END_TEST

START_TEST(counts_elements)
{
    RanOnnx__Graph *graph = graph_of_x("2 3");
    build_node(graph, "SequenceConstruct", "x x x", "s");
    build_node(graph, "SequenceLength", "s", "n");
    build_int(build_node(graph, "Cast", "n", "f"), "to", 1);
    build_node(graph, "Add", "x f", "y");
    expect_values(run(graph), VALUES(3, 4, 5, 6, 7, 8));
    done();
}
END_TEST

/* Which element is taken may depend on the data where all are alike. */
START_TEST(lets_data_choose)
{
    RanOnnx__Graph *graph = graph_of_x("2 3");
    build_node(graph, "Neg", "x", "n");
    build_int64s(graph, "all", "2", "0 1");
    build_int(build_node(graph, "ReduceSum", "x all", "sum"), "keepdims", 0); /* 15 */
    build_floats(graph, "fifteen", "", (float[]){15});
    build_node(graph, "Div", "sum fifteen", "q");
    build_int(build_node(graph, "Cast", "q", "i"), "to", 7);
    build_node(graph, "SequenceConstruct", "x n", "s");
    build_node(graph, "SequenceAt", "s i", "y");
    expect_values(run(graph), VALUES(0, -1, -2, -3, -4, -5));
    done();
}
END_TEST

/* A body, once for each element; what it captures and what is no sequence stay the same. */
START_TEST(maps_bodies)
{
    RanOnnx__Graph *graph = graph_of_x("2 3"), *body = build_graph();
    build_int64s(graph, "one", "", "1");
    build_input(body, "e", 1, "2 3");
    build_input(body, "z", 1, "2 3");
    build_node(body, "Sub", "e z", "d");
    build_node(body, "Add", "d c", "r");
    build_output(body, "r");
    build_node(graph, "Add", "x x", "c");
    build_node(graph, "SequenceConstruct", "x c", "s");
    build_subgraph(build_node(graph, "SequenceMap", "s x", "t"), "body", body);
    build_node(graph, "SequenceAt", "t one", "y");
    expect_values(run(graph), VALUES(0, 3, 6, 9, 12, 15));
    done();
}
END_TEST

/* A list that grows in a loop of three rounds: x, x + 1, x + 2; i + 1 goes out of each, too. */
static RanOnnx__Graph *growing(const char *count)
{
    RanOnnx__Graph *graph = graph_of_x("2 3"), *body = build_graph();
    build_input(body, "i", 7, "");
    build_input(body, "going", 9, "");
    build_input(body, "list", 1, "2 3");
    build_int(build_node(body, "Cast", "i", "f"), "to", 1);
    build_node(body, "Add", "x f", "e");
    build_node(body, "SequenceInsert", "list e", "longer");
    build_node(body, "Identity", "going", "on");
    build_output(body, "on");
    build_output(body, "longer");
    build_output(body, "f");
    build_int64s(graph, "three", "", "3");
    build_node(graph, "SequenceEmpty", "", "none");
    build_subgraph(build_node(graph, "Loop", count, "s numbers"), "body", body);
    build_int(build_node(graph, "ConcatFromSequence", "s", "c"), "axis", 0);
    build_int(build_node(graph, "ReduceSum", "numbers", "sum"), "keepdims", 0);
    build_node(graph, "Add", "c sum", "y");
    return graph;
}

START_TEST(unrolls_loops)
{
    expect_values(run(growing("three _ none")),
                  VALUES(3, 4, 5, 6, 7, 8, 4, 5, 6, 7, 8, 9, 5, 6, 7, 8, 9, 10));
    done();
    RanOnnx__Graph *graph = growing("rounds _ none");
    build_input(graph, "rounds", 7, "");
    refused(build_model(graph, 18), RAN_UNSUPPORTED, "the number of its iterations");
    graph = growing("many _ none");
    build_int64s(graph, "many", "", "1000000000000");
    refused(build_model(graph, 18), RAN_UNSUPPORTED, "more than");
}
END_TEST

START_TEST(opens_optionals)
{
    RanOnnx__Graph *graph = graph_of_x("2 3");
    build_node(graph, "Optional", "x", "o");
    build_node(graph, "OptionalHasElement", "o", "h");
    build_node(graph, "OptionalHasElement", "", "no");
    build_node(graph, "OptionalGetElement", "o", "e");
    build_node(graph, "Neg", "e", "n");
    build_node(graph, "Where", "h e n", "w");
    build_node(graph, "Where", "no w n", "y");
    expect_values(run(graph), VALUES(0, -1, -2, -3, -4, -5));
    done();
}
END_TEST

/* Lists that only the data know. */
START_TEST(refuses_what_data_decide)
{
    RanOnnx__Graph *graph = graph_of_x("N 3");
    build_int64s(graph, "zero", "", "0");
    build_node(graph, "SplitToSequence", "x", "s");
    build_node(graph, "SequenceAt", "s zero", "y");
    refused(build_model(graph, 18), RAN_UNSUPPORTED, "the number of parts depends on N");

    graph = graph_of_x("2 3");
    build_node(graph, "SequenceConstruct", "x x", "y");
    refused(build_model(graph, 18), RAN_UNSUPPORTED, "the graph output 'y' is a sequence");

    graph = graph_of_x("2 3");
    build_node(graph, "SequenceConstruct", "x x", "s");
    build_node(graph, "Relu", "s", "y");
    refused(build_model(graph, 18), RAN_UNSUPPORTED, "its input 's' is a sequence");
}
END_TEST

START_TEST(refuses_wrong_positions)
{
    RanOnnx__Graph *graph = graph_of_x("2 3");
    build_int64s(graph, "two", "", "2");
    build_node(graph, "SequenceConstruct", "x x", "s");
    build_node(graph, "SequenceAt", "s two", "y");
    refused(build_model(graph, 18), RAN_INVALID, "position 2 is not one of 2");

    graph = graph_of_x("2 3");
    build_int64s(graph, "zero", "", "0");
    build_node(graph, "SequenceAt", "x zero", "y");
    refused(build_model(graph, 18), RAN_INVALID, "input 0 must be a sequence");

    graph = graph_of_x("2 3");
    build_node(graph, "SequenceEmpty", "", "s");
    build_int(build_node(graph, "ConcatFromSequence", "s", "y"), "axis", 0);
    refused(build_model(graph, 18), RAN_INVALID, "at least one element");
}
END_TEST

/* A few bytes can't ask for more elements than a model may have nodes. */
START_TEST(bounds_elements)
{
    RanOnnx__Graph *graph = graph_of_x("2000000 3");
    build_int64s(graph, "zero", "", "0");
    build_node(graph, "SplitToSequence", "x", "s");
    build_node(graph, "SequenceAt", "s zero", "y");
    refused(build_model(graph, 18), RAN_UNSUPPORTED, "sequences have more than");
}
END_TEST

RAN_UNIT_TESTS(splits_and_picks, splits_without_the_axis, splits_by_sizes, builds_and_stacks,
               counts_elements, lets_data_choose, maps_bodies, unrolls_loops, opens_optionals,
               refuses_what_data_decide, refuses_wrong_positions, bounds_elements)
