#include "query.h"

#include "http_parse.h"
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX LB_HTTP_VALUE_MAX
#define WORDS_TEXT_MAX 160

static bool is_known(const char *name, size_t n, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strlen(*known) == n && memcmp(*known, name, n) == 0)
			return true;
	return false;
}

static bool is_repeated(const char *query, const char *pair, size_t n)
{
	while (query < pair) {
		if (strcspn(query, "=&") == n && memcmp(query, pair, n) == 0)
			return true;
		query += strcspn(query, "&") + 1;
	}
	return false;
}

void lb_query_check(const char *query, const char *const *known, struct lb_error_list *errors)
{
	const char *pair = query;

	while (*pair != '\0') {
		size_t n_pair = strcspn(pair, "&"), n = strcspn(pair, "=&");
		char name[VALUE_MAX], value[VALUE_MAX];

		snprintf(name, sizeof(name), "%.*s", (int)n, pair);
		if (n > 0 && !is_known(pair, n, known))
			lb_error_list_add(errors, name, "is no parameter of this resource");
		else if (n > 0 && is_repeated(query, pair, n))
			lb_error_list_add(errors, name, "is given twice");
		else if (n < n_pair &&
			 lb_http_unescape(pair + n + 1, n_pair - n - 1, value, sizeof(value)) < 0)
			lb_error_list_add(errors, name, "has a value that cannot be read");
		pair += n_pair + (pair[n_pair] == '&');
	}
}

void lb_query_end(const char *query, const char *name, struct lb_addr *addr, rte_be16_t *port_be,
		  struct lb_error_list *errors)
{
	char value[VALUE_MAX];

	if (!lb_http_query_get(query, name, value, sizeof(value)) ||
	    lb_end_parse(value, addr, port_be) < 0)
		lb_error_list_add(errors, name,
				  "must be an address with its port: 192.0.2.10:443 or "
				  "[2001:db8::10]:443");
}

bool lb_query_prefix(const char *query, const char *name, struct lb_prefix *out,
		     struct lb_error_list *errors)
{
	char value[VALUE_MAX];

	if (!lb_http_query_get(query, name, value, sizeof(value)))
		return false;
	if (lb_prefix_parse(value, out) < 0)
		lb_error_list_add(errors, name,
				  "must be an address or a prefix: 192.0.2.0/24 or 2001:db8::/32");
	return true;
}

static void complain_of_word(const char *name, const char *const *words,
			     struct lb_error_list *errors)
{
	char text[WORDS_TEXT_MAX];
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; words[i] != NULL && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? ", " : "",
				      words[i]);
	lb_error_list_add(errors, name, "must be one of: %s", text);
}

uint32_t lb_query_word(const char *query, const char *name, const char *const *words,
		       uint32_t absent, struct lb_error_list *errors)
{
	char value[VALUE_MAX];

	if (!lb_http_query_get(query, name, value, sizeof(value)))
		return absent;
	for (uint32_t i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	complain_of_word(name, words, errors);
	return 0;
}

bool lb_query_flag(const char *query, const char *name, struct lb_error_list *errors)
{
	char value[VALUE_MAX];

	if (!lb_http_query_get(query, name, value, sizeof(value)) || strcmp(value, "false") == 0)
		return false;
	if (value[0] != '\0' && strcmp(value, "true") != 0)
		lb_error_list_add(errors, name, "must be true or false");
	return true;
}

uint32_t lb_query_number(const char *query, const char *name, uint32_t min, uint32_t max,
			 uint32_t absent, struct lb_error_list *errors)
{
	char value[VALUE_MAX], *end;
	unsigned long number;

	if (!lb_http_query_get(query, name, value, sizeof(value)))
		return absent;
	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == '\0' && number >= min &&
	    number <= max)
		return (uint32_t)number;
	lb_error_list_add(errors, name, "must be a number of %u to %u", min, max);
	return min;
}
