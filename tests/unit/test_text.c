#include "text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(text, json_gets_its_commas_and_escapes)
{
	struct lb_text t = {0};
	size_t n;
	char *text;

	lb_text_json_open(&t, NULL, '{');
	lb_text_json_str(&t, "a\"b", "line\nend\\ \x01");
	lb_text_json_u64(&t, "max", UINT64_MAX);
	lb_text_json_open(&t, "list", '[');
	lb_text_json_open(&t, NULL, '{');
	lb_text_json_close(&t, '}');
	lb_text_json_i64(&t, NULL, INT64_MIN);
	lb_text_json_bool(&t, NULL, true);
	lb_text_json_close(&t, ']');
	lb_text_json_seconds(&t, "s", 1005);
	lb_text_json_raw(&t, "raw", "[]", 2);
	lb_text_json_close(&t, '}');
	text = lb_text_take(&t, &n);
	cr_assert(text != NULL);
	cr_expect(strcmp(text,
			 "{\"a\\\"b\":\"line\\u000aend\\\\ \\u0001\","
			 "\"max\":18446744073709551615,"
			 "\"list\":[{},-9223372036854775808,true],\"s\":1.005,\"raw\":[]}") == 0,
		  "%s", text);
	cr_expect(n == strlen(text));
	free(text);
}

Test(text, it_grows_as_it_is_written)
{
	struct lb_text t = {0};
	char *text;
	size_t n;

	for (int i = 0; i < 10000; i++)
		lb_text_fmt(&t, "%d,", i % 10);
	text = lb_text_take(&t, &n);
	cr_assert(text != NULL && n == 20000);
	for (size_t i = 0; i < n; i += 2)
		cr_assert(text[i] == (char)('0' + i / 2 % 10) && text[i + 1] == ',', "at %zu", i);
	free(text);
	text = lb_text_take(&t, &n);
	cr_expect(text != NULL && n == 0 && text[0] == '\0', "an empty text is a text");
	free(text);
}
