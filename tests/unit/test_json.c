#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "config/json.h"
#include "random.h"

static struct lb_error_list errors;

static cJSON *parse(const char *text)
{
	cJSON *value;

	lb_error_list_init(&errors);
	lb_json_parse(text, strlen(text), &value, &errors);
	return value;
}

Test(json, what_the_grammar_allows_is_taken)
{
	static const char *const texts[] = {
		"0",
		"-0",
		"10.5e-3",
		"1E+2",
		"\"\"",
		"true",
		"false",
		"null",
		"[]",
		"{}",
		" [ ] ",
		"\t\r\n{ \"a\" : [ 1 , 2 ] }\n",
		"\"\\u00e9\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\ud83d\\ude00\"",
		"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf\"",
		"\"\x7f\"",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		"{\"a\": 1, \"A\": 2}",
		"12345678901234567890123456789012",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cJSON *value = parse(texts[i]);

		cr_expect_not_null(value, "%s: %s", texts[i], errors.item[0].what);
		cr_expect_eq(errors.n, 0);
		cJSON_Delete(value);
	}
}

Test(json, what_the_grammar_does_not_allow_is_refused_with_its_place)
{
	static const struct {
		const char *text;
		const char *where;
	} cases[] = {
		{"", "line 1 column 1"},
		{"  ", "line 1 column 3"},
		{"01", "line 1 column 2"},
		{"+1", "line 1 column 1"},
		{".5", "line 1 column 1"},
		{"1.", "line 1 column 3"},
		{"1e", "line 1 column 3"},
		{"-", "line 1 column 2"},
		{"0x10", "line 1 column 2"},
		{"NaN", "line 1 column 1"},
		{"Infinity", "line 1 column 1"},
		{"tru", "line 1 column 1"},
		{"TRUE", "line 1 column 1"},
		{"truee", "line 1 column 5"},
		{"'a'", "line 1 column 1"},
		{"\"a", "line 1 column 3"},
		{"\"a\nb\"", "line 1 column 3"},
		{"\"\\x41\"", "line 1 column 3"},
		{"\"\\u12g4\"", "line 1 column 6"},
		{"\"\\u0000\"", "line 1 column 8"},
		{"\"\\udc00\"", "line 1 column 8"},
		{"\"\\ud800\\u0041\"", "line 1 column 14"},
		{"\"\\ud800x\"", "line 1 column 8"},
		{"\"\xff\"", "line 1 column 2"},
		{"\"\xc0\x80\"", "line 1 column 2"},
		{"\"\xe0\x80\x80\"", "line 1 column 3"},
		{"\"\xed\xa0\x80\"", "line 1 column 3"},
		{"\"\xf4\x90\x80\x80\"", "line 1 column 3"},
		{"\"\xe2\x82\"", "line 1 column 4"},
		{"[1,]", "line 1 column 4"},
		{"[1 2]", "line 1 column 4"},
		{"[,1]", "line 1 column 2"},
		{"[1", "line 1 column 3"},
		{"{\"a\":1,}", "line 1 column 8"},
		{"{a:1}", "line 1 column 2"},
		{"{\"a\" 1}", "line 1 column 6"},
		{"{\"a\":}", "line 1 column 6"},
		{"{\"a\":1", "line 1 column 7"},
		{"{} {}", "line 1 column 4"},
		{"1\n\n,", "line 3 column 1"},
		{"// no\n1", "line 1 column 1"},
		{"\xef\xbb\xbf{}", "line 1 column 1"},
		{"\v1", "line 1 column 1"},
		{"123456789012345678901234567890123", "line 1 column 34"},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		 "line 1 column 33"},
		{"{\"a\": 1, \"b\": 2, \"\\u0061\": 3}", "/a"},
		{"[0, 1e999]", "/1"},
		{"[0, {\"x/y\": {\"k\": 1, \"k\": 1}}]", "/1/x~1y/k"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cJSON *value = parse(cases[i].text);

		cr_expect_null(value, "%s", cases[i].text);
		cr_expect_eq(errors.n, 1, "%s", cases[i].text);
		cr_expect_str_eq(errors.item[0].where, cases[i].where, "%s: %s", cases[i].text,
				 errors.item[0].where);
	}
}

Test(json, a_nul_byte_is_no_end)
{
	static const char text[] = "{}\0{}";
	struct lb_error err;
	cJSON *value;

	lb_error_list_init(&errors);
	cr_expect_eq(lb_json_scan(text, 2, &err), 0);
	cr_expect_eq(lb_json_parse(text, sizeof(text) - 1, &value, &errors), -EINVAL);
	cr_expect_null(value);
}

Test(json, a_key_that_is_repeated_among_many_is_found)
{
	char text[4096] = "{", *at = text + 1;

	for (int i = 0; i < 200; i++)
		at += snprintf(at, 16, "\"k%d\": 0, ", i);
	snprintf(at, 16, "\"k77\": 0}");
	cr_expect_null(parse(text));
	cr_expect_str_eq(errors.item[0].where, "/k77");
	snprintf(at, 16, "\"k777\": 0}");
	cJSON_Delete(parse(text));
	cr_expect_eq(errors.n, 0);
}

Test(json, equal_values_have_equal_hashes)
{
	static const struct {
		const char *one;
		const char *other;
		bool is_equal;
	} cases[] = {
		{"{\"a\": 1, \"b\": 2}", "{\"b\":2,\"a\":1.0}", true},
		{"{\"a\": {\"x\": [], \"y\": 0}}", "{\"a\": {\"y\": -0, \"x\": [ ]}}", true},
		{"\"\\u00e9\"", "\"\xc3\xa9\"", true},
		{"1e3", "1000", true},
		{"[1, 2]", "[2, 1]", false},
		{"[]", "{}", false},
		{"[]", "[[]]", false},
		{"\"1\"", "1", false},
		{"null", "false", false},
		{"true", "false", false},
		{"{\"a\": \"b\"}", "{\"b\": \"a\"}", false},
		{"{\"a\": 1, \"b\": 2}", "{\"a\": 2, \"b\": 1}", false},
		{"{\"a\": {\"b\": 1}}", "{\"a\": {}, \"b\": 1}", false},
		{"{\"a\": 1}", "{\"a\": 1, \"b\": null}", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cJSON *one = parse(cases[i].one), *other = parse(cases[i].other);

		cr_assert(one != NULL && other != NULL, "%s", cases[i].one);
		cr_expect_eq(lb_json_hash(one, NULL) == lb_json_hash(other, NULL),
			     cases[i].is_equal, "%s and %s", cases[i].one, cases[i].other);
		cJSON_Delete(one);
		cJSON_Delete(other);
	}
}

Test(json, one_key_can_be_left_out_of_the_hash)
{
	cJSON *one = parse("{\"a\": 1, \"node\": {\"x\": 1}}");
	cJSON *other = parse("{\"a\": 1, \"node\": {\"x\": 2}}");
	cJSON *without = parse("{\"a\": 1}");

	cr_expect_eq(lb_json_hash(one, "node"), lb_json_hash(other, "node"));
	cr_expect_eq(lb_json_hash(one, "node"), lb_json_hash(without, NULL));
	cr_expect_neq(lb_json_hash(one, NULL), lb_json_hash(other, NULL));
	cJSON_Delete(one);
	cJSON_Delete(other);
	cJSON_Delete(without);
}

Test(json, text_is_printed_for_people)
{
	cJSON *value = parse(
		"{\"n\":[1,2.5,\"x\"],\"e\":{},\"l\":[],\"o\":[{\"a\":null,\"b\":true},[]],"
		"\"t\":\"\\u0001\\n\\\"\\\\\xc3\xa9\",\"big\":268435456,\"z\":-0}");
	size_t len;
	char *text;

	cr_assert_not_null(value);
	cr_assert_eq(lb_json_print(value, &text, &len), 0);
	cr_expect_eq(len, strlen(text));
	cr_expect_str_eq(
		text,
		"{\n  \"n\": [1, 2.5, \"x\"],\n  \"e\": {},\n  \"l\": [],\n  \"o\": [\n    {\n"
		"      \"a\": null,\n      \"b\": true\n    },\n    []\n  ],\n"
		"  \"t\": \"\\u0001\\n\\\"\\\\\xc3\xa9\",\n  \"big\": 268435456,\n  \"z\": 0\n"
		"}\n",
		"%s", text);
	free(text);
	cJSON_Delete(value);
}

/* Damages a text that is JSON. What the scan still takes, cJSON must take as well, and printing it
 * must not lose anything. */
Test(json, damaged_text_is_refused_or_survives_a_round_trip)
{
	static const char seed_text[] =
		"{\"a\": [1, -2.5e3, true, null, \"\\u00e9\\n\\ud83d\\ude00\"], \"b\": {\"c\": {}, "
		"\"d\": [[], [0]]}, \"\xe2\x82\xac\": \"x\"}";
	static const char pieces[] = "{}[],:\"\\u0123 \n.eE+-abtfn\x80\xc3\xf0";
	uint64_t seed = test_seed("json");
	struct test_random random = {seed};
	unsigned int n_taken = 0;

	for (int round = 0; round < 20000; round++) {
		char text[sizeof(seed_text) + 8];
		size_t len = sizeof(seed_text) - 1;
		struct lb_error err;
		cJSON *value, *again;
		char *printed;

		memcpy(text, seed_text, len);
		for (uint64_t n = 1 + test_random(&random) % 2; n > 0; n--)
			text[test_random(&random) % len] =
				pieces[test_random(&random) % (sizeof(pieces) - 1)];
		lb_error_list_init(&errors);
		lb_json_parse(text, len, &value, &errors);
		cr_assert_eq(value == NULL, errors.n > 0, "seed %llu", (unsigned long long)seed);
		if (value == NULL)
			continue;
		n_taken++;
		cr_assert_eq(lb_json_print(value, &printed, &len), 0);
		cr_assert_eq(lb_json_scan(printed, len, &err), 0, "seed %llu: %s",
			     (unsigned long long)seed, printed);
		cr_assert_eq(lb_json_parse(printed, len, &again, &errors), 0);
		cr_assert_eq(lb_json_hash(value, NULL), lb_json_hash(again, NULL), "seed %llu: %s",
			     (unsigned long long)seed, printed);
		free(printed);
		cJSON_Delete(again);
		cJSON_Delete(value);
	}
	cr_expect_gt(n_taken, 100, "seed %llu", (unsigned long long)seed);
}

Test(json, complaints_stay_one_line_of_whole_characters)
{
	char line[LB_ERROR_LINE_MAX], text[LB_ERROR_WHAT_MAX * 2] = "";

	lb_error_list_init(&errors);
	lb_error_list_add(&errors, "/a\nb", "x\ty");
	cr_expect_str_eq(lb_error_format(&errors.item[0], line), "/a?b: x?y");
	lb_error_list_add(&errors, "", "x");
	cr_expect_str_eq(lb_error_format(&errors.item[1], line), "x");
	for (size_t i = 0; i < 4; i++) {
		struct lb_error_list *list = &errors;

		/* 319 bytes fit: the cut falls at each place inside the last character. */
		memset(text, 'a', i);
		for (size_t at = i; at + 4 < sizeof(text); at += 4)
			memcpy(text + at, "\xf0\x9f\x98\x80", 5);
		lb_error_list_init(list);
		lb_error_list_add(list, "", "%s", text);
		cr_expect_eq((strlen(list->item[0].what) - i) % 4, 0, "case %zu", i);
		cr_expect_gt(strlen(list->item[0].what), LB_ERROR_WHAT_MAX - 6, "case %zu", i);
	}
	for (size_t i = 0; i < LB_ERRORS_MAX + 7; i++)
		lb_error_list_add(&errors, "", "x");
	cr_expect_eq(errors.n, LB_ERRORS_MAX);
	cr_expect_eq(errors.n_more, 8);
}
