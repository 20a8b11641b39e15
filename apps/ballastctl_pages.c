#include "ballastctl_pages.h"

#include "ballastctl_json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 1000u
#define CURSOR_MAX 41

bool lb_ctl_query_add(char query[LB_CTL_QUERY_MAX], const char *name, const char *value)
{
	size_t n = strlen(query);

	if (value == NULL)
		return true;
	if (n + strlen(name) + 3 > LB_CTL_QUERY_MAX)
		return false;
	n += (size_t)snprintf(query + n, LB_CTL_QUERY_MAX - n, "%s%s=", n > 0 ? "&" : "", name);
	for (; *value != '\0' && n + 4 < LB_CTL_QUERY_MAX; value++)
		n += (size_t)snprintf(
			query + n, LB_CTL_QUERY_MAX - n,
			isalnum((unsigned char)*value) || strchr(".:-_", *value) ? "%c" : "%%%02X",
			(unsigned char)*value);
	return *value == '\0';
}

static int get_page(const struct lb_ctl_view *view, const struct lb_ctl_pages *what,
		    const char *query, unsigned wanted, char cursor[CURSOR_MAX], cJSON *all)
{
	struct lb_ctl_request request = {.method = "GET", .path = what->path, .query = query};
	struct lb_ctl_answer answer;
	int rc = lb_ctl_call(view->client, &request, &answer);
	cJSON *list;

	if (rc == LB_CTL_OK) {
		list = cJSON_GetObjectItemCaseSensitive(answer.json, what->key);
		while (cJSON_GetArraySize(list) > 0 && (unsigned)cJSON_GetArraySize(all) < wanted)
			cJSON_AddItemToArray(all, cJSON_DetachItemFromArray(list, 0));
		snprintf(cursor, CURSOR_MAX, "%s",
			 cJSON_IsString(lb_ctl_json_get(answer.json, "cursor"))
				 ? lb_ctl_json_str(answer.json, "cursor")
				 : "");
	}
	lb_ctl_answer_free(&answer);
	return rc;
}

int lb_ctl_pages_get(const struct lb_ctl_view *view, const struct lb_ctl_pages *what,
		     const char *filter, cJSON **all)
{
	const char *count = view->options->filter.count;
	unsigned long wanted = count != NULL ? strtoul(count, NULL, 10) : LB_CTL_LISTED_DEFAULT;
	char query[LB_CTL_QUERY_MAX], cursor[CURSOR_MAX] = "", limit[16];
	int rc = LB_CTL_OK;

	*all = NULL;
	if (wanted == 0 || wanted > LB_CTL_LISTED_MAX) {
		fputs("ballastctl: --count: 1 to 1000000 are possible\n", stderr);
		return LB_CTL_USAGE;
	}
	*all = cJSON_CreateArray();
	do {
		unsigned left = (unsigned)wanted - (unsigned)cJSON_GetArraySize(*all);
		unsigned n = left < what->least ? what->least : left < PAGE_MAX ? left : PAGE_MAX;

		snprintf(limit, sizeof(limit), "%u", n);
		snprintf(query, sizeof(query), "%s", filter);
		if (*all == NULL || !lb_ctl_query_add(query, "limit", limit) ||
		    !lb_ctl_query_add(query, "cursor", cursor[0] != '\0' ? cursor : NULL)) {
			fprintf(stderr, "ballastctl: show %s: the filter is too long\n",
				what->path);
			return LB_CTL_USAGE;
		}
		rc = get_page(view, what, query, (unsigned)wanted, cursor, *all);
	} while (rc == LB_CTL_OK && cursor[0] != '\0' &&
		 (unsigned)cJSON_GetArraySize(*all) < wanted);
	return rc;
}
