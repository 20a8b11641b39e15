#include "api.h"

#include "api_explain.h"
#include "api_listing.h"
#include "api_records.h"
#include "api_trace.h"
#include "api_write.h"
#include "config/document_edit.h"
#include "config/json.h"
#include "log.h"
#include "openapi_json.h"
#include "problem.h"
#include "route.h"
#include "state_json.h"
#include "write.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORKER_PATIENCE_MS 1000u

struct lb_api {
	struct lb_control *ctl;
	struct lb_http *http;
	/* What /healthz saw of the workers last, at least WORKER_PATIENCE_MS ago when it judges. */
	uint64_t seen_ms;
	uint64_t seen_loops[LB_WORKERS_MAX];
	bool is_moving;
};

static void set_etag(const struct lb_control *ctl, struct lb_http_response *r)
{
	char etag[LB_ETAG_MAX];

	snprintf(r->etag, sizeof(r->etag), "\"%s\"",
		 lb_document_etag(lb_control_document(ctl), etag));
}

static void answer_plain(struct lb_http_exchange *x, int status, const char *text)
{
	struct lb_text body = {0};

	lb_text_str(&body, text);
	lb_answer_text(x, status, LB_TYPE_TEXT, &body, NULL);
}

static void get_config(struct lb_api *api, struct lb_http_exchange *x)
{
	struct lb_shared_text *text = lb_control_text(api->ctl);
	struct lb_http_response r = {.status = 200,
				     .content_type = LB_TYPE_JSON,
				     .body = text->text,
				     .n_body = text->n,
				     .release = lb_control_text_release,
				     .body_ctx = text};

	set_etag(api->ctl, &r);
	lb_http_reply(x, &r);
}

/* A list that the document does not have is empty. */
static void get_resource(struct lb_api *api, struct lb_http_exchange *x, const char *resource)
{
	struct lb_http_response r = {.status = 200, .content_type = LB_TYPE_JSON, .release = free};
	const cJSON *found;
	char *text;
	int rc = lb_document_find(lb_control_document(api->ctl), resource, &found);

	if (rc < 0) {
		lb_answer_problem(x, 404, "there is no such object", NULL, NULL);
		return;
	}
	if (found == NULL) {
		text = strdup("[]\n");
		r.n_body = 3;
		rc = text == NULL ? -ENOMEM : 0;
	} else {
		rc = lb_json_print(found, &text, &r.n_body);
	}
	if (rc < 0) {
		lb_answer_problem(x, 503, "out of memory", NULL, NULL);
		return;
	}
	r.body = text;
	r.body_ctx = text;
	set_etag(api->ctl, &r);
	lb_http_reply(x, &r);
}

static void get_machine(struct lb_api *api, struct lb_http_exchange *x, const char *resource)
{
	const char *slash = strchr(resource, '/');
	struct lb_http_response r = {0};
	struct lb_text body = {0};

	if (slash == NULL || !lb_state_machine(api->ctl, slash + 1, &body)) {
		lb_text_free(&body);
		lb_answer_problem(x, 404, "no server pool lists such a real server", NULL, NULL);
		return;
	}
	lb_text_str(&body, "\n");
	set_etag(api->ctl, &r);
	lb_answer_text(x, 200, LB_TYPE_JSON, &body, &r);
}

static void get_array(struct lb_api *api, struct lb_http_exchange *x,
		      void (*add)(const struct lb_control *ctl, struct lb_text *out))
{
	struct lb_text body = {0};

	lb_text_json_open(&body, NULL, '[');
	add(api->ctl, &body);
	lb_text_json_close(&body, ']');
	lb_text_str(&body, "\n");
	lb_answer_text(x, 200, LB_TYPE_JSON, &body, NULL);
}

static void get_state(struct lb_api *api, struct lb_http_exchange *x, const char *type,
		      void (*add)(const struct lb_control *ctl, struct lb_text *out))
{
	struct lb_text body = {0};

	add(api->ctl, &body);
	lb_answer_text(x, 200, type, &body, NULL);
}

/* An idle worker turns at least once a millisecond, so one that has not turned for a second is
 * stuck. */
static bool workers_move(struct lb_api *api)
{
	const struct lb_dataplane *dp = lb_control_dataplane(api->ctl);
	uint64_t now_ms = lb_now_us() / 1000;
	uint32_t n = lb_dataplane_n_workers(dp);

	if (api->seen_ms != 0 && now_ms - api->seen_ms < WORKER_PATIENCE_MS)
		return api->is_moving;
	api->is_moving = true;
	for (uint32_t i = 0; i < n; i++) {
		struct lb_worker_info info;

		lb_dataplane_worker_info(dp, i, &info);
		if (api->seen_ms != 0 && info.loops == api->seen_loops[i])
			api->is_moving = false;
		api->seen_loops[i] = info.loops;
	}
	api->seen_ms = now_ms;
	return api->is_moving;
}

static void get_readyz(struct lb_api *api, struct lb_http_exchange *x)
{
	struct lb_text body = {0};
	uint32_t n_checking;
	bool is_ready = lb_control_is_ready(api->ctl, &n_checking);

	if (is_ready)
		lb_text_str(&body, "ready\n");
	else if (!lb_control_is_active(api->ctl))
		lb_text_str(&body, "the configuration is not in force yet\n");
	else
		lb_text_fmt(&body, "%u probes have no verdict yet\n", n_checking);
	lb_answer_text(x, is_ready ? 200 : 503, LB_TYPE_TEXT, &body, NULL);
}

static void get_openapi(struct lb_http_exchange *x)
{
	struct lb_http_response r = {.status = 200,
				     .content_type = LB_TYPE_JSON,
				     .body = lb_openapi_json,
				     .n_body = lb_openapi_json_bytes};

	lb_http_reply(x, &r);
}

static void handle_read(struct lb_api *api, struct lb_http_exchange *x, enum lb_route_id id,
			const char *resource)
{
	switch (id) {
	case LB_ROUTE_HEALTHZ:
		if (workers_move(api))
			answer_plain(x, 200, "ok\n");
		else
			answer_plain(x, 503, "a worker does not move\n");
		break;
	case LB_ROUTE_READYZ:
		get_readyz(api, x);
		break;
	case LB_ROUTE_METRICS:
		get_state(api, x, "application/openmetrics-text; version=1.0.0; charset=utf-8",
			  lb_state_metrics);
		break;
	case LB_ROUTE_OPENAPI:
		get_openapi(x);
		break;
	case LB_ROUTE_CONFIG:
		get_config(api, x);
		break;
	case LB_ROUTE_STATUS:
		get_state(api, x, LB_TYPE_JSON, lb_state_status);
		break;
	case LB_ROUTE_STATS:
		get_state(api, x, LB_TYPE_JSON, lb_state_stats);
		break;
	case LB_ROUTE_WORKERS:
		get_array(api, x, lb_state_workers);
		break;
	case LB_ROUTE_CONNECTIONS:
		lb_api_listing(api->ctl, x);
		break;
	case LB_ROUTE_PERSISTENCE:
		lb_api_records(api->ctl, x);
		break;
	case LB_ROUTE_EXPLAIN:
		lb_api_explain(api->ctl, x);
		break;
	case LB_ROUTE_MACHINES:
		get_array(api, x, lb_state_machines);
		break;
	case LB_ROUTE_MACHINE:
		get_machine(api, x, resource);
		break;
	default:
		get_resource(api, x, resource);
	}
}

/* A browser that was led to us by a name that an attacker controls says that name: on TCP only
 * addresses and localhost are us. */
static bool is_own_host(const struct lb_http_head *head)
{
	struct in6_addr addr;
	char host[LB_HTTP_VALUE_MAX];
	size_t n;

	if (!head->has_host || head->host[0] == '\0')
		return true;
	if (head->host[0] == '[') {
		n = strcspn(head->host + 1, "]");
		snprintf(host, sizeof(host), "%.*s", (int)n, head->host + 1);
		return inet_pton(AF_INET6, host, &addr) == 1;
	}
	n = strcspn(head->host, ":");
	snprintf(host, sizeof(host), "%.*s", (int)n, head->host);
	return inet_pton(AF_INET, host, &addr) == 1 || strcasecmp(host, "localhost") == 0;
}

static void on_request(void *ctx, struct lb_http_exchange *x)
{
	const struct lb_http_head *head = lb_http_exchange_head(x);
	char resource[LB_ROUTE_RESOURCE_MAX];
	const struct lb_api_route *route = lb_route_find(head->path, resource);
	struct lb_http_response r = {0};
	struct lb_api *api = ctx;

	lb_log(LB_LOG_DEBUG, "api", "request method=%s path=%s", lb_http_method_name(head->method),
	       head->path);
	if (lb_http_exchange_is_tcp(x) && !is_own_host(head)) {
		lb_answer_problem(x, 421, "call this by address or as localhost", NULL, NULL);
		return;
	}
	if (lb_control_dataplane(api->ctl) == NULL) {
		lb_answer_problem(x, 503, "the daemon is starting or ending", NULL, NULL);
		return;
	}
	if (route == NULL) {
		lb_answer_problem(x, 404, "there is no such path; see /api/v1/openapi.json", NULL,
				  NULL);
		return;
	}
	if ((route->methods & (1u << head->method)) == 0) {
		lb_route_allow(route, r.allow, sizeof(r.allow));
		lb_answer_problem(x, 405, "the resource does not take this method", NULL, &r);
		return;
	}
	if (head->method == LB_HTTP_GET || head->method == LB_HTTP_HEAD)
		handle_read(api, x, route->id, resource);
	else if (route->id == LB_ROUTE_TRACE)
		lb_api_trace(api->ctl, x);
	else if (route->id == LB_ROUTE_PERSISTENCE)
		lb_api_records(api->ctl, x);
	else
		lb_api_write(api->ctl, x, resource);
}

int lb_api_create(struct lb_control *ctl, struct lb_api **out)
{
	struct lb_api *api = calloc(1, sizeof(*api));
	int rc;

	if (api == NULL)
		return -ENOMEM;
	api->ctl = ctl;
	api->is_moving = true;
	rc = lb_http_create(lb_control_base(ctl), &LB_HTTP_LIMITS_DEFAULT, on_request, api,
			    &api->http);
	if (rc < 0) {
		free(api);
		return rc;
	}
	*out = api;
	return 0;
}

void lb_api_destroy(struct lb_api *api)
{
	if (api == NULL)
		return;
	lb_http_destroy(api->http);
	free(api);
}

struct lb_http *lb_api_http(struct lb_api *api)
{
	return api->http;
}
