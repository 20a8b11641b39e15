/* schema.h - what the contract allows, as tables, and the check of a tree against them.
 *
 * Role     first of the two checks of a document: types, ranges, formats, unknown and missing keys
 * Shape    constant tables made from openapi.yaml by scripts/gen-schema (schema_tables.c)
 * Units    as each key's description says
 * Threads  constants; any thread
 * Memory   none
 * Limits   recursion ends with the tables, which are a tree
 * Errors   all of a document's, into an error list
 * Source   controlplane/api/openapi.yaml
 * Tests    tests/unit/test_schema.c, configs/bad/
 */
#ifndef LB_SCHEMA_H
#define LB_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "error_list.h"
#include "json.h"

enum lb_schema_type {
	LB_SCHEMA_OBJECT, /* the keys of the table and no others */
	LB_SCHEMA_MAP,    /* any keys, values of one kind */
	LB_SCHEMA_ARRAY,
	LB_SCHEMA_STRING,
	LB_SCHEMA_INTEGER,
	LB_SCHEMA_UNION, /* options of different JSON types */
};

enum lb_schema_format {
	LB_FORMAT_NONE,
	LB_FORMAT_NAME,
	LB_FORMAT_ADDRESS,
	LB_FORMAT_ADDRESS_IPV4,
	LB_FORMAT_ADDRESS_IPV6,
	LB_FORMAT_PREFIX,
	LB_FORMAT_MAC,
	LB_FORMAT_PORT_RANGE, /* "first-last" */
	LB_FORMAT_PORTS,      /* "first-last" or "any" */
	LB_FORMAT_DEVICE,
	LB_FORMAT_LISTEN, /* "address:port", IPv6 in brackets */
	LB_FORMAT_SOCKET_PATH,
	LB_FORMAT_TWIN, /* a network device's name, or "none" */
	LB_FORMAT_N,
};

struct lb_schema;

struct lb_schema_key {
	const char *name;
	const struct lb_schema *schema;
	bool is_required;
	bool is_boot; /* takes effect at the next start */
};

struct lb_schema {
	enum lb_schema_type type;
	enum lb_schema_format format;
	int64_t min; /* integer: value; string: characters; array: entries */
	int64_t max; /* also of a map: members */
	int64_t number_default;
	const char *word_default;
	const char *const *words; /* string: one of these */
	uint32_t n_words;
	uint32_t n_keys;
	const struct lb_schema_key *keys;
	const char *const *exactly_one; /* two keys, or NULL */
	const char *const *not_both;    /* two keys, or NULL */
	const struct lb_schema *items;  /* of an array or map */
	const struct lb_schema *const *options;
	uint32_t n_options;
	bool is_unique; /* array: no two entries are equal */
};

extern const struct lb_schema lb_schema_configuration;
extern const struct lb_schema lb_schema_node;
extern const struct lb_schema lb_schema_interface;
extern const struct lb_schema lb_schema_neighbor;
extern const struct lb_schema lb_schema_limits;
extern const struct lb_schema lb_schema_api;
extern const struct lb_schema lb_schema_nat_source;
extern const struct lb_schema lb_schema_persistence_group;
extern const struct lb_schema lb_schema_persistence;
extern const struct lb_schema lb_schema_health_monitor;
extern const struct lb_schema lb_schema_inline_monitor;
extern const struct lb_schema lb_schema_server_pool;
extern const struct lb_schema lb_schema_real_server;
extern const struct lb_schema lb_schema_virtual_service;

/* True when `value` is what the schema allows. `errors` NULL: stops at the first fault. */
bool lb_schema_check(const struct lb_schema *schema, const cJSON *value,
		     const struct lb_json_path *path, struct lb_error_list *errors);

/* Does `text` have the format? Otherwise *allowed is the sentence's end, "an IPv4 address". */
bool lb_schema_has_format(enum lb_schema_format format, const char *text, const char **allowed);

/* Reading an object that may be partly wrong: what is absent or not allowed reads as its default,
 * so that the cross checks can go on and all errors are reported together. `object` may be NULL. */

/* NULL when absent or not allowed. Of an object or a list only the type is looked at. */
const cJSON *lb_schema_get(const struct lb_schema *schema, const cJSON *object, const char *key);

/* The key's integer, else its default. */
int64_t lb_schema_int(const struct lb_schema *schema, const cJSON *object, const char *key);

/* The key's text, else its default, else "". */
const char *lb_schema_text(const struct lb_schema *schema, const cJSON *object, const char *key);

/* The position of the key's word in its list, else its default's, else 0. */
uint32_t lb_schema_word(const struct lb_schema *schema, const cJSON *object, const char *key);

/* The word at a position of the key's list. */
const char *lb_schema_word_at(const struct lb_schema *schema, const char *key, uint32_t position);

#endif
