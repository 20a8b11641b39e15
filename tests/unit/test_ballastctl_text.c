#include "ballastctl_text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(ballastctl_text, counts_have_separators)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {{0, "0"},
		     {7, "7"},
		     {999, "999"},
		     {1000, "1,000"},
		     {12345, "12,345"},
		     {123456, "123,456"},
		     {1234567, "1,234,567"},
		     {UINT64_MAX, "18,446,744,073,709,551,615"}};
	char text[LB_CTL_TEXT_MAX];

	for (size_t i = 0; i < N_OF(cases); i++)
		cr_expect_str_eq(lb_ctl_count(cases[i].n, text), cases[i].text);
}

Test(ballastctl_text, human_numbers_have_three_digits_and_round_into_the_next_unit)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {{0, "0 B"},
		     {999, "999 B"},
		     {1000, "1.00 kB"},
		     {1005, "1.00 kB"},
		     {9994, "9.99 kB"},
		     {9995, "10.0 kB"},
		     {99949, "99.9 kB"},
		     {99950, "100 kB"},
		     {999499, "999 kB"},
		     {999500, "1.00 MB"},
		     {1500000, "1.50 MB"},
		     {999499999, "999 MB"},
		     {999500000, "1.00 GB"},
		     {UINT64_C(999500000000), "1.00 TB"},
		     {UINT64_C(999500000000000), "1.00 PB"},
		     {UINT64_C(999500000000000000), "1.00 EB"},
		     {UINT64_MAX, "18.4 EB"}};
	char text[LB_CTL_TEXT_MAX];

	for (size_t i = 0; i < N_OF(cases); i++)
		cr_expect_str_eq(lb_ctl_human(cases[i].n, "B", text), cases[i].text, "%s for %s",
				 text, cases[i].text);
	cr_expect_str_eq(lb_ctl_human(12, "", text), "12");
	cr_expect_str_eq(lb_ctl_human(12345, "", text), "12.3 k");
}

/* However large: within half a unit of the last digit, and never four digits. */
Test(ballastctl_text, human_numbers_are_near_what_they_stand_for)
{
	struct test_random r = {test_seed("ballastctl_text human numbers")};

	for (int i = 0; i < 200000; i++) {
		uint64_t n = test_random(&r) >> (test_random(&r) % 64);
		char text[LB_CTL_TEXT_MAX], letter = 0;
		double value, scale = 1;
		const char *at;

		lb_ctl_human(n, "", text);
		cr_assert(sscanf(text, "%lf %c", &value, &letter) >= 1, "%s", text);
		if (letter != 0)
			for (at = "kMGTPE"; *at != '\0'; at++) {
				scale *= 1000;
				if (*at == letter)
					break;
			}
		cr_assert(value < 1000 && (n < 1000 || value >= 1), "%s", text);
		cr_assert(value * scale <= (double)n * 1.00501 &&
				  value * scale >= (double)n * 0.99499,
			  "%s for %llu", text, (unsigned long long)n);
	}
}

Test(ballastctl_text, durations_have_two_units)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {{-1, "0s"},         {0, "0s"},         {59.99, "59s"},
		     {60, "1m 0s"},      {3599, "59m 59s"}, {3600, "1h 0m"},
		     {86399, "23h 59m"}, {86400, "1d 0h"},  {864000 + 7200, "10d 2h"},
		     {1e300, "0s"},      {0.0 / 0.0, "0s"}};
	char text[LB_CTL_TEXT_MAX];

	for (size_t i = 0; i < N_OF(cases); i++)
		cr_expect_str_eq(lb_ctl_duration(cases[i].seconds, text), cases[i].text);
}

/* What the writer makes of `n` bytes; the caller frees. */
static char *written(const char *bytes, size_t n, bool is_json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	if (is_json)
		lb_ctl_put_json(out, bytes, n);
	else
		lb_ctl_put_text(out, bytes);
	fclose(out);
	return text;
}

Test(ballastctl_text, what_may_not_reach_a_terminal_is_escaped)
{
	static const struct {
		const char *name, *in, *text, *json;
	} cases[] = {
		{"plain", "cas1: up", "cas1: up", "cas1: up"},
		{"letters", "B\xc3\xa4r \xe2\x82\xac \xf0\x9f\x92\xa9",
		 "B\xc3\xa4r \xe2\x82\xac \xf0\x9f\x92\xa9",
		 "B\xc3\xa4r \xe2\x82\xac \xf0\x9f\x92\xa9"},
		{"escape", "\x1b[2J", "\\x1b[2J", "\\u001b[2J"},
		{"lines", "a\n\tb\r", "a\\x0a\\x09b\\x0d", "a\n\tb"},
		{"delete", "\x7f", "\\x7f", "\\u007f"},
		{"c1",
		 "\xc2\x9b"
		 "31m",
		 "\\u009b31m", "\\u009b31m"},
		{"direction", "\xe2\x80\xae", "\\u202e", "\\u202e"},
		{"no width", "\xe2\x80\x8b\xef\xbb\xbf\xc2\xad", "\\u200b\\ufeff\\u00ad",
		 "\\u200b\\ufeff\\u00ad"},
		{"tag", "\xf3\xa0\x80\x81", "\\U000e0001", "\\udb40\\udc01"},
		{"lone byte", "\x9b\xff", "\\x9b\\xff", "\\ufffd\\ufffd"},
		{"long form", "\xc0\x9b\xe0\x82\x9b", "\\xc0\\x9b\\xe0\\x82\\x9b",
		 "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd"},
		{"past the end", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
		 "\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"cut", "a\xe2\x82", "a\\xe2\\x82", "a\\ufffd\\ufffd"},
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		char *text = written(cases[i].in, 0, false);
		char *json = written(cases[i].in, strlen(cases[i].in), true);

		cr_expect_str_eq(text, cases[i].text, "case %s", cases[i].name);
		cr_expect_str_eq(json, cases[i].json, "case %s", cases[i].name);
		free(text);
		free(json);
	}
}

/* A table is aligned by it: the columns are those of what is written, byte soup included. */
Test(ballastctl_text, columns_are_those_of_the_written_text)
{
	struct test_random r = {test_seed("ballastctl_text columns")};

	for (int i = 0; i < 20000; i++) {
		char in[24] = "", *out;
		size_t n = test_random(&r) % (sizeof(in) - 1), columns = 0;

		for (size_t k = 0; k < n; k++)
			in[k] = (char)(1 + test_random(&r) % 255);
		out = written(in, 0, false);
		for (const char *s = out; *s != '\0'; s++) {
			cr_assert((unsigned char)*s >= 0x20 && *s != 0x7f);
			columns += ((unsigned char)*s & 0xc0) != 0x80;
		}
		cr_assert_eq(lb_ctl_columns(in), columns, "%s", out);
		free(out);
	}
}
