#include "ballastctl_json.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static cJSON *parse(const char *text)
{
	return lb_ctl_json_parse(text, strlen(text));
}

static char *printed(const cJSON *tree)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	lb_ctl_json_put(out, tree);
	fclose(out);
	return text;
}

Test(ballastctl_json, only_json_is_taken)
{
	static const struct {
		const char *text;
		bool is_json;
	} cases[] = {{"", false},       {"{", false},        {"{} x", false}, {"{}{}", false},
		     {"{} \n\t", true}, {"[1]", true},       {"1", true},     {"\"a", false},
		     {"nul", false},    {" {\"a\":1}", true}};

	for (size_t i = 0; i < N_OF(cases); i++) {
		cJSON *tree = parse(cases[i].text);

		cr_expect_eq(tree != NULL, cases[i].is_json, "%s", cases[i].text);
		cJSON_Delete(tree);
	}
	/* A NUL is no white space, and the text need not end with one. */
	cr_expect_null(lb_ctl_json_parse("{}\0", 3));
}

Test(ballastctl_json, large_counters_stay_exact_between_strings_and_keys_with_digits)
{
	static const char text[] =
		"{\"k1\": 18446744073709551615, \"12\": \"34\\\"56\", \"s\": \"\\\\\", "
		"\"list\": [1, 9007199254740993, -9007199254740993, 2.5], \"last\": "
		"9007199254740995}";
	cJSON *tree = parse(text);
	const cJSON *list = lb_ctl_json_get(tree, "list");
	char *out;

	cr_expect_eq(lb_ctl_json_u64(tree, "k1"), UINT64_MAX);
	cr_expect_eq(lb_ctl_json_value(cJSON_GetArrayItem(list, 0)), 1);
	cr_expect_eq(lb_ctl_json_value(cJSON_GetArrayItem(list, 1)), UINT64_C(9007199254740993));
	cr_expect_eq(lb_ctl_json_value(cJSON_GetArrayItem(list, 2)), 0);
	cr_expect_eq(lb_ctl_json_u64(tree, "last"), UINT64_C(9007199254740995));
	out = printed(tree);
	cr_expect_str_eq(out, "{\n  \"k1\": 18446744073709551615,\n  \"12\": \"34\\\"56\",\n"
			      "  \"s\": \"\\\\\",\n  \"list\": [\n    1,\n    9007199254740993,\n"
			      "    -9007199254740993,\n    2.5\n  ],\n"
			      "  \"last\": 9007199254740995\n}\n");
	free(out);
	cJSON_Delete(tree);
}

Test(ballastctl_json, any_number_comes_back)
{
	struct test_random r = {test_seed("ballastctl_json any_number_comes_back")};

	for (int i = 0; i < 20000; i++) {
		uint64_t n[3];
		char text[128], *out;
		cJSON *tree;

		for (int k = 0; k < 3; k++)
			n[k] = test_random(&r) >> test_random_below(&r, 64);
		snprintf(text, sizeof(text),
			 "[\n  %" PRIu64 ",\n  {\n    \"%" PRIu64 "\": %" PRIu64
			 "\n  },\n  %" PRIu64 "\n]\n",
			 n[0], n[1], n[1], n[2]);
		tree = parse(text);
		cr_assert_eq(lb_ctl_json_value(cJSON_GetArrayItem(tree, 0)), n[0]);
		cr_assert_eq(lb_ctl_json_value(cJSON_GetArrayItem(tree, 2)), n[2]);
		out = printed(tree);
		cr_assert_str_eq(out, text);
		free(out);
		cJSON_Delete(tree);
	}
}

Test(ballastctl_json, what_is_missing_or_of_another_type_has_a_value)
{
	cJSON *tree = parse("{\"s\": \"x\", \"n\": -1, \"b\": true, \"z\": null}");

	cr_expect_str_eq(lb_ctl_json_str(tree, "s"), "x");
	cr_expect_str_eq(lb_ctl_json_str(tree, "n"), "-");
	cr_expect_str_eq(lb_ctl_json_str(tree, "none"), "-");
	cr_expect_str_eq(lb_ctl_json_str(NULL, "s"), "-");
	cr_expect_eq(lb_ctl_json_u64(tree, "n"), 0);
	cr_expect_eq(lb_ctl_json_u64(tree, "s"), 0);
	cr_expect_eq(lb_ctl_json_u64(NULL, "n"), 0);
	cr_expect_eq(lb_ctl_json_double(tree, "n"), -1);
	cr_expect_eq(lb_ctl_json_double(tree, "z"), 0);
	cr_expect(lb_ctl_json_bool(tree, "b"));
	cr_expect_not(lb_ctl_json_bool(tree, "n"));
	cJSON_Delete(tree);
}

Test(ballastctl_json, strings_come_out_as_json_that_a_terminal_bears)
{
	cJSON *tree = parse("[\"a\\\"b\\\\c\\n\\t\\r\\u001b\\u009b\\u20ac\"]");
	char *out = printed(tree), *again;
	cJSON *twice;

	cr_expect_str_eq(
		out, "[\n  \"a\\\"b\\\\c\\u000a\\u0009\\u000d\\u001b\\u009b\xe2\x82\xac\"\n]\n");
	twice = parse(out);
	cr_expect(cJSON_Compare(tree, twice, true));
	again = printed(twice);
	cr_expect_str_eq(again, out);
	free(again);
	free(out);
	cJSON_Delete(tree);
	cJSON_Delete(twice);
}

Test(ballastctl_json, members_are_found_by_name_and_port)
{
	cJSON *list = parse(
		"[{\"name\":\"b\",\"port\":2,\"id\":1},{\"name\":\"a\",\"id\":2},7,"
		"{\"port\":3},{\"name\":\"b\",\"id\":3},{\"name\":\"b\",\"port\":1,\"id\":4}]");
	static const struct {
		const char *like;
		uint64_t id; /* 0: not there */
	} cases[] = {{"{\"name\":\"a\"}", 2},
		     {"{\"name\":\"b\"}", 3},
		     {"{\"name\":\"b\",\"port\":1}", 4},
		     {"{\"name\":\"b\",\"port\":2}", 1},
		     {"{\"name\":\"b\",\"port\":3}", 0},
		     {"{\"name\":\"c\"}", 0}};
	struct lb_ctl_index index;

	cr_assert_eq(lb_ctl_index_init(&index, list), 0);
	cr_expect_eq(index.n, 4);
	for (size_t i = 0; i < N_OF(cases); i++) {
		cJSON *like = parse(cases[i].like);

		cr_expect_eq(lb_ctl_json_u64(lb_ctl_index_find(&index, like), "id"), cases[i].id,
			     "%s", cases[i].like);
		cJSON_Delete(like);
	}
	lb_ctl_index_fini(&index);
	cr_assert_eq(lb_ctl_index_init(&index, NULL), 0);
	cr_expect_null(lb_ctl_index_find(&index, list->child));
	lb_ctl_index_fini(&index);
	cJSON_Delete(list);
}
