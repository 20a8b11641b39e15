#include "ballastctl_diff.h"

#include "ballastctl_json.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *before, *after, *lines;
	int n;
} cases[] = {
	{"nothing", "{\"a\":[1,{\"b\":2}]}", "{\"a\":[1,{\"b\":2}]}", "", 0},
	{"order of keys", "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "", 0},
	{"order of names", "{\"l\":[{\"name\":\"x\"},{\"name\":\"y\"}]}",
	 "{\"l\":[{\"name\":\"y\"},{\"name\":\"x\"}]}", "", 0},
	{"order of values", "{\"l\":[1,2]}", "{\"l\":[2,1]}", "~ /l: [1,2] -> [2,1]\n", 1},
	{"value", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":\"1\"}}", "~ /a/b: 1 -> \"1\"\n", 1},
	{"key", "{\"a\":1,\"b\":null}", "{\"a\":1,\"c\":true}", "- /b\n+ /c: true\n", 2},
	{"type", "{\"a\":{\"b\":1}}", "{\"a\":[1]}", "~ /a: {\"b\":1} -> [1]\n", 1},
	{"names", "{\"l\":[{\"name\":\"x\",\"n\":1},{\"name\":\"y\"}]}",
	 "{\"l\":[{\"name\":\"z\"},{\"name\":\"x\",\"n\":2}]}",
	 "~ /l/x/n: 1 -> 2\n- /l/y\n+ /l/z: {\"name\":\"z\"}\n", 3},
	{"first name", "{\"l\":[]}", "{\"l\":[{\"name\":\"z\"}]}", "+ /l/z: {\"name\":\"z\"}\n", 1},
	{"some names", "{\"l\":[{\"name\":\"x\"}]}", "{\"l\":[{\"name\":\"x\"},\"tcp\"]}",
	 "~ /l: [{\"name\":\"x\"}] -> [{\"name\":\"x\"},\"tcp\"]\n", 1},
	{"control characters", "{}", "{\"\\u001b\":\"\\u009b\\n\"}", "+ /\\x1b: \"\\u009b\\n\"\n",
	 1},
	{"root", "{}", "[]", "~ : {} -> []\n", 1},
	{"long value", "{}",
	 "{\"a\":\"0123456789012345678901234567890123456789012345678901234567890\"}",
	 "+ /a: \"01234567890123456789012345678901234567890123456789012345678...\n", 1},
	{"cut before a letter", "{}",
	 "{\"a\":\"0123456789012345678901234567890123456789012345678901234567\xe2\x82\xac\"}",
	 "+ /a: \"0123456789012345678901234567890123456789012345678901234567...\n", 1},
};

Test(ballastctl_diff, changes_are_named_by_their_place)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cJSON *before = lb_ctl_json_parse(cases[i].before, strlen(cases[i].before));
		cJSON *after = lb_ctl_json_parse(cases[i].after, strlen(cases[i].after));
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		int n;

		cr_assert(before != NULL && after != NULL, "case %s", cases[i].name);
		n = lb_ctl_diff(out, before, after);
		fclose(out);
		cr_expect_eq(n, cases[i].n, "case %s: %d", cases[i].name, n);
		cr_expect_str_eq(text, cases[i].lines, "case %s: %s", cases[i].name, text);
		free(text);
		cJSON_Delete(before);
		cJSON_Delete(after);
	}
}
