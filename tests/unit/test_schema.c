#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "api/openapi_json.h"
#include "config/json.h"
#include "config/port_text.h"
#include "config/schema.h"

static const struct {
	enum lb_schema_format format;
	const char *text;
	bool is_allowed;
} formats[] = {
	{LB_FORMAT_NAME, "a", true},
	{LB_FORMAT_NAME, "0.a_b-C", true},
	{LB_FORMAT_NAME, "", false},
	{LB_FORMAT_NAME, ".a", false},
	{LB_FORMAT_NAME, "a/b", false},
	{LB_FORMAT_NAME, "a b", false},
	{LB_FORMAT_NAME, "\xc3\xa9", false},
	{LB_FORMAT_ADDRESS, "192.0.2.1", true},
	{LB_FORMAT_ADDRESS, "2001:db8::1", true},
	{LB_FORMAT_ADDRESS, "192.0.2.1/24", false},
	{LB_FORMAT_ADDRESS, "", false},
	{LB_FORMAT_ADDRESS, "fe80::1%eth0", false},
	{LB_FORMAT_ADDRESS, " 192.0.2.1", false},
	{LB_FORMAT_ADDRESS_IPV4, "192.0.2.1", true},
	{LB_FORMAT_ADDRESS_IPV4, "2001:db8::1", false},
	{LB_FORMAT_ADDRESS_IPV6, "2001:db8::1", true},
	{LB_FORMAT_ADDRESS_IPV6, "192.0.2.1", false},
	{LB_FORMAT_PREFIX, "192.0.2.1/0", true},
	{LB_FORMAT_PREFIX, "2001:db8::1/128", true},
	{LB_FORMAT_PREFIX, "192.0.2.1", false},
	{LB_FORMAT_PREFIX, "192.0.2.1/33", false},
	{LB_FORMAT_PREFIX, "192.0.2.1/", false},
	{LB_FORMAT_PREFIX, "192.0.2.1/ 8", false},
	{LB_FORMAT_MAC, "02:00:00:00:00:ff", true},
	{LB_FORMAT_MAC, "02:00:00:00:00:FF", true},
	{LB_FORMAT_MAC, "2:0:0:0:0:f", false},
	{LB_FORMAT_MAC, "ff:ff:ff:ff:ff:ff", false},
	{LB_FORMAT_MAC, "02:00:00:00:00:0", false},
	{LB_FORMAT_MAC, "", false},
	{LB_FORMAT_PORT_RANGE, "1-65535", true},
	{LB_FORMAT_PORT_RANGE, "5-5", true},
	{LB_FORMAT_PORT_RANGE, "any", false},
	{LB_FORMAT_PORT_RANGE, "0-5", false},
	{LB_FORMAT_PORT_RANGE, "5-", false},
	{LB_FORMAT_PORT_RANGE, "-5", false},
	{LB_FORMAT_PORT_RANGE, "05-6", false},
	{LB_FORMAT_PORT_RANGE, "5 - 6", false},
	{LB_FORMAT_PORT_RANGE, "1-65536", false},
	{LB_FORMAT_PORT_RANGE, "1-655350", false},
	{LB_FORMAT_PORTS, "any", true},
	{LB_FORMAT_PORTS, "ANY", false},
	{LB_FORMAT_DEVICE, "af_xdp:eth1", true},
	{LB_FORMAT_DEVICE, "af_xdp:a b", false},
	{LB_FORMAT_DEVICE, "af_xdp:eth1,queue_count=2", false},
	{LB_FORMAT_DEVICE, "af_xdp:exactly15bytes_", true},
	{LB_FORMAT_DEVICE, "af_xdp:sixteen_bytes__x", false},
	{LB_FORMAT_DEVICE, "0000:03:00.0", true},
	{LB_FORMAT_DEVICE, "03:00.0", true},
	{LB_FORMAT_DEVICE, "0000:03:00", false},
	{LB_FORMAT_DEVICE, "0000:03:00.01", false},
	{LB_FORMAT_DEVICE, "vdev:net_null0", true},
	{LB_FORMAT_DEVICE, "vdev:a b", false},
	{LB_FORMAT_LISTEN, "127.0.0.1:1", true},
	{LB_FORMAT_LISTEN, "[::1]:65535", true},
	{LB_FORMAT_LISTEN, "::1:80", false},
	{LB_FORMAT_LISTEN, "[127.0.0.1]:80", false},
	{LB_FORMAT_LISTEN, "127.0.0.1:0", false},
	{LB_FORMAT_LISTEN, "127.0.0.1", false},
	{LB_FORMAT_LISTEN, "127.0.0.1:80x", false},
	{LB_FORMAT_LISTEN, ":80", false},
	{LB_FORMAT_LISTEN, "[]:80", false},
	{LB_FORMAT_LISTEN, "[:80", false},
	{LB_FORMAT_SOCKET_PATH, "/run/x", true},
	{LB_FORMAT_SOCKET_PATH, "run/x", false},
	{LB_FORMAT_SOCKET_PATH, "/", false},
};

Test(schema, formats_take_what_they_say)
{
	const char *allowed;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		cr_expect_eq(lb_schema_has_format(formats[i].format, formats[i].text, &allowed),
			     formats[i].is_allowed, "case %d \"%s\"", formats[i].format,
			     formats[i].text);
}

/* Walks the tables: a default that its own schema refuses would be refused when written down. */
static unsigned int check_defaults(const struct lb_schema *schema)
{
	const struct lb_json_path root = {0};
	unsigned int n = 0;
	cJSON *value = NULL;

	if (schema->word_default != NULL)
		value = cJSON_CreateString(schema->word_default);
	else if (schema->type == LB_SCHEMA_INTEGER && schema->number_default != 0)
		value = cJSON_CreateNumber((double)schema->number_default);
	if (value != NULL) {
		n++;
		cr_expect(lb_schema_check(schema, value, &root, NULL), "%s %lld",
			  schema->word_default, (long long)schema->number_default);
	}
	cJSON_Delete(value);
	for (uint32_t i = 0; i < schema->n_keys; i++)
		n += check_defaults(schema->keys[i].schema);
	for (uint32_t i = 0; i < schema->n_options; i++)
		n += check_defaults(schema->options[i]);
	if (schema->items != NULL)
		n += check_defaults(schema->items);
	return n;
}

Test(schema, every_default_is_allowed)
{
	cr_expect_gt(check_defaults(&lb_schema_configuration), 20);
}

Test(schema, what_is_absent_or_not_allowed_reads_as_its_default)
{
	cJSON *real = cJSON_Parse(
		"{\"name\": \"a b\", \"weight\": 70000, \"admin_state\": \"drain\"}");
	const struct lb_schema *schema = &lb_schema_real_server;

	cr_expect_eq(lb_schema_int(schema, real, "weight"), 1);
	cr_expect_eq(lb_schema_int(schema, NULL, "weight"), 1);
	cr_expect_eq(lb_schema_int(schema, real, "port"), 0);
	cr_expect_str_eq(lb_schema_text(schema, real, "name"), "");
	cr_expect_eq(lb_schema_word(schema, real, "admin_state"), 1);
	cr_expect_eq(lb_schema_word(schema, NULL, "admin_state"), 0);
	cr_expect_null(lb_schema_get(schema, real, "address"));
	cJSON_Delete(real);
}

Test(schema, the_embedded_contract_is_json)
{
	struct lb_error_list *errors = calloc(1, sizeof(*errors));
	cJSON *contract;

	cr_assert_not_null(errors);
	cr_expect_eq(strlen(lb_openapi_json), lb_openapi_json_bytes);
	cr_assert_eq(lb_json_parse(lb_openapi_json, lb_openapi_json_bytes, &contract, errors), 0,
		     "%s", errors->item[0].what);
	cr_expect_str_eq(cJSON_GetObjectItemCaseSensitive(contract, "openapi")->valuestring,
			 "3.1.0");
	cJSON_Delete(contract);
	free(errors);
}
