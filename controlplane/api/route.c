#include "route.h"

#include <stdio.h>
#include <string.h>

#define BIT(method) (1u << (method))
#define READ (BIT(LB_HTTP_GET) | BIT(LB_HTTP_HEAD))
#define LIST (READ | BIT(LB_HTTP_POST) | BIT(LB_HTTP_PUT))
#define OBJECT (READ | BIT(LB_HTTP_PUT) | BIT(LB_HTTP_PATCH) | BIT(LB_HTTP_DELETE))

static const struct lb_api_route routes[] = {
	{LB_ROUTE_HEALTHZ, "/healthz", READ},
	{LB_ROUTE_READYZ, "/readyz", READ},
	{LB_ROUTE_METRICS, "/metrics", READ},
	{LB_ROUTE_OPENAPI, "/api/v1/openapi.json", READ},
	{LB_ROUTE_CONFIG, "/api/v1/config", READ | BIT(LB_HTTP_PUT)},
	{LB_ROUTE_STATUS, "/api/v1/status", READ},
	{LB_ROUTE_STATS, "/api/v1/stats", READ},
	{LB_ROUTE_WORKERS, "/api/v1/workers", READ},
	{LB_ROUTE_EXPLAIN, "/api/v1/explain", READ},
	{LB_ROUTE_CONNECTIONS, "/api/v1/connections", READ},
	{LB_ROUTE_PERSISTENCE, "/api/v1/persistence", READ | BIT(LB_HTTP_DELETE)},
	{LB_ROUTE_TRACE, "/api/v1/trace", BIT(LB_HTTP_POST)},
	{LB_ROUTE_MACHINES, "/api/v1/real-servers", READ},
	{LB_ROUTE_MACHINE, "/api/v1/real-servers/*", READ | BIT(LB_HTTP_PATCH)},
	{LB_ROUTE_DOCUMENT, "/api/v1/virtual-services", LIST},
	{LB_ROUTE_DOCUMENT, "/api/v1/virtual-services/*", OBJECT},
	{LB_ROUTE_DOCUMENT, "/api/v1/nat-sources", LIST},
	{LB_ROUTE_DOCUMENT, "/api/v1/nat-sources/*", OBJECT},
	{LB_ROUTE_DOCUMENT, "/api/v1/persistence-groups", LIST},
	{LB_ROUTE_DOCUMENT, "/api/v1/persistence-groups/*", OBJECT},
	{LB_ROUTE_DOCUMENT, "/api/v1/health-monitors", LIST},
	{LB_ROUTE_DOCUMENT, "/api/v1/health-monitors/*", OBJECT},
	{LB_ROUTE_DOCUMENT, "/api/v1/server-pools", LIST},
	{LB_ROUTE_DOCUMENT, "/api/v1/server-pools/*", OBJECT},
	{LB_ROUTE_DOCUMENT, "/api/v1/server-pools/*/real-servers", LIST},
	{LB_ROUTE_DOCUMENT, "/api/v1/server-pools/*/real-servers/*", OBJECT},
};

/* Copies the path to `out` on the way, its names unescaped. */
static bool matches(const char *pattern, const char *path, char out[LB_ROUTE_RESOURCE_MAX])
{
	size_t n_out = 0;

	while (*pattern != '\0' && *path != '\0') {
		size_t n;

		if (n_out + 1 >= LB_ROUTE_RESOURCE_MAX)
			return false;
		if (*pattern != '*') {
			if (*pattern++ != *path)
				return false;
			out[n_out++] = *path++;
			continue;
		}
		n = strcspn(path, "/");
		if (n == 0 ||
		    lb_http_unescape(path, n, out + n_out, LB_ROUTE_RESOURCE_MAX - n_out) < 0 ||
		    strchr(out + n_out, '/') != NULL)
			return false;
		n_out += strlen(out + n_out);
		pattern++;
		path += n;
	}
	out[n_out] = '\0';
	return *pattern == '\0' && *path == '\0';
}

const struct lb_api_route *lb_route_find(const char *path, char resource[LB_ROUTE_RESOURCE_MAX])
{
	const size_t n_prefix = strlen(LB_ROUTE_PREFIX);
	char whole[LB_ROUTE_RESOURCE_MAX];

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!matches(routes[i].path, path, whole))
			continue;
		resource[0] = '\0';
		if (strncmp(whole, LB_ROUTE_PREFIX, n_prefix) == 0)
			memcpy(resource, whole + n_prefix, strlen(whole + n_prefix) + 1);
		return &routes[i];
	}
	return NULL;
}

const char *lb_route_allow(const struct lb_api_route *route, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (int m = 0; m < LB_HTTP_OTHER; m++)
		if ((route->methods & BIT(m)) != 0 && n < size)
			n += (size_t)snprintf(text + n, size - n, "%s%s", n > 0 ? ", " : "",
					      lb_http_method_name((enum lb_http_method)m));
	return text;
}
