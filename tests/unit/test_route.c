#include "api/route.h"

#include <criterion/criterion.h>
#include <string.h>

Test(route, paths_lead_to_resources)
{
	static const struct {
		const char *path;
		enum lb_route_id id; /* LB_ROUTE_N: none */
		const char *resource;
	} cases[] = {
		{"/healthz", LB_ROUTE_HEALTHZ, ""},
		{"/metrics", LB_ROUTE_METRICS, ""},
		{"/api/v1/config", LB_ROUTE_CONFIG, "config"},
		{"/api/v1/real-servers", LB_ROUTE_MACHINES, "real-servers"},
		{"/api/v1/real-servers/a.b", LB_ROUTE_MACHINE, "real-servers/a.b"},
		{"/api/v1/server-pools/p", LB_ROUTE_DOCUMENT, "server-pools/p"},
		{"/api/v1/server-pools/%70", LB_ROUTE_DOCUMENT, "server-pools/p"},
		{"/api/v1/server-pools/p/real-servers/r", LB_ROUTE_DOCUMENT,
		 "server-pools/p/real-servers/r"},
		{"/api/v1/health-monitors", LB_ROUTE_DOCUMENT, "health-monitors"},
		{"/api/v1/nat-sources/n", LB_ROUTE_DOCUMENT, "nat-sources/n"},
		{"/api/v1/persistence-groups/g", LB_ROUTE_DOCUMENT, "persistence-groups/g"},
		{"/api/v1/health-monitors/m/type", LB_ROUTE_N, NULL},
		{"/", LB_ROUTE_N, NULL},
		{"", LB_ROUTE_N, NULL},
		{"/healthz/", LB_ROUTE_N, NULL},
		{"/api/v1/configs", LB_ROUTE_N, NULL},
		{"/api/v1/server-pools/", LB_ROUTE_N, NULL},
		{"/api/v1/server-pools//real-servers", LB_ROUTE_N, NULL},
		{"/api/v1/server-pools/a%2Fb", LB_ROUTE_N, NULL},
		{"/api/v1/server-pools/a%00", LB_ROUTE_N, NULL},
		{"/api/v1/server-pools/a%", LB_ROUTE_N, NULL},
		{"/api/v1/server-pools/p/real-servers/r/x", LB_ROUTE_N, NULL},
	};
	char resource[LB_ROUTE_RESOURCE_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct lb_api_route *r = lb_route_find(cases[i].path, resource);

		cr_expect((r != NULL ? r->id : LB_ROUTE_N) == cases[i].id, "case %s",
			  cases[i].path);
		if (r != NULL && cases[i].resource != NULL)
			cr_expect(strcmp(resource, cases[i].resource) == 0, "case %s: %s",
				  cases[i].path, resource);
	}
}

Test(route, names_that_are_too_long_lead_nowhere)
{
	char path[4 * LB_ROUTE_RESOURCE_MAX] = "/api/v1/server-pools/";
	char resource[LB_ROUTE_RESOURCE_MAX];
	size_t n = strlen(path);

	while (n < sizeof(path) - 1) {
		path[n++] = 'x';
		cr_expect((lb_route_find(path, resource) != NULL) == (n < LB_ROUTE_RESOURCE_MAX),
			  "%zu", n);
	}
}

Test(route, allow_lists_the_methods)
{
	char resource[LB_ROUTE_RESOURCE_MAX], text[64];

	lb_route_allow(lb_route_find("/api/v1/status", resource), text, sizeof(text));
	cr_expect(strcmp(text, "GET, HEAD") == 0, "%s", text);
	lb_route_allow(lb_route_find("/api/v1/virtual-services/x", resource), text, sizeof(text));
	cr_expect(strcmp(text, "GET, HEAD, PUT, PATCH, DELETE") == 0, "%s", text);
}
