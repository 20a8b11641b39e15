#include "ballastctl_trace.h"

#include "ballastctl_json.h"
#include "ballastctl_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEX_COLUMNS 16u

/* A number as a number; what is none goes as it is, for the daemon to complain of. */
static void add_number(cJSON *body, const char *key, const char *value)
{
	char *end;
	double number;

	if (value == NULL)
		return;
	number = strtod(value, &end);
	if (*value != '\0' && *end == '\0')
		cJSON_AddNumberToObject(body, key, number);
	else
		cJSON_AddStringToObject(body, key, value);
}

static void add_string(cJSON *body, const char *key, const char *value)
{
	if (value != NULL)
		cJSON_AddStringToObject(body, key, value);
}

static char *make_body(const struct lb_ctl_options *o)
{
	const struct lb_ctl_filter *t = &o->filter;
	cJSON *body = cJSON_CreateObject();
	char *text;

	add_string(body, "protocol", t->protocol);
	add_string(body, "source", t->source);
	add_number(body, "source_port", t->source_port);
	add_string(body, "destination", t->destination);
	add_number(body, "destination_port", t->destination_port);
	add_string(body, "virtual_service", t->service);
	if (t->only_drops)
		cJSON_AddTrueToObject(body, "only_drops");
	add_number(body, "count", t->count);
	add_number(body, "timeout_s", t->seconds);
	text = cJSON_PrintUnformatted(body);
	cJSON_Delete(body);
	return text;
}

static void put_frame(const struct lb_ctl_view *view, const cJSON *p, const char *name,
		      const char *iface_key, const char *bytes_key, const char *frame_key)
{
	const char *hex = lb_ctl_json_str(p, frame_key);
	size_t n = strspn(hex, "0123456789abcdef") / 2;

	if (!cJSON_IsString(lb_ctl_json_get(p, frame_key)))
		return;
	fprintf(view->out, "  %-8s %llu bytes, ", name,
		(unsigned long long)lb_ctl_json_u64(p, bytes_key));
	lb_ctl_put_text(view->out, lb_ctl_json_str(p, iface_key));
	for (size_t i = 0; view->options->filter.has_frames && i < n; i++) {
		if (i % HEX_COLUMNS == 0)
			fprintf(view->out, "\n    %04zx ", i);
		fprintf(view->out, " %.2s", hex + 2 * i);
	}
	fputc('\n', view->out);
}

static void put_packet(const struct lb_ctl_view *view, const cJSON *p, unsigned number)
{
	const cJSON *pass;

	fprintf(view->out, "packet %u at %.3f s, worker %llu%s%s\n", number,
		lb_ctl_json_double(p, "at_s"), (unsigned long long)lb_ctl_json_u64(p, "worker"),
		lb_ctl_json_bool(p, "is_handed_over") ? ", handed over" : "",
		lb_ctl_json_bool(p, "is_known_connection") ? ", known connection" : "");
	put_frame(view, p, "in", "interface_in", "bytes_in", "frame_in");
	cJSON_ArrayForEach(pass, lb_ctl_json_get(p, "passes"))
	{
		fputs("  ", view->out);
		lb_ctl_put_text(view->out, pass->string);
		fprintf(view->out, "%*s ", 8 - (int)strlen(pass->string), "");
		lb_ctl_put_text(view->out, cJSON_IsString(pass) ? pass->valuestring : "-");
		fputc('\n', view->out);
	}
	put_frame(view, p, "out", "interface_out", "bytes_out", "frame_out");
	fputc('\n', view->out);
}

static void put_packets(const struct lb_ctl_view *view, const cJSON *answer)
{
	uint64_t n_lost = lb_ctl_json_u64(answer, "n_lost");
	const cJSON *p;
	unsigned n = 0;

	cJSON_ArrayForEach(p, lb_ctl_json_get(answer, "packets")) put_packet(view, p, ++n);
	fprintf(view->out, "%u packet%s; ended by ", n, n == 1 ? "" : "s");
	lb_ctl_put_text(view->out, lb_ctl_json_str(answer, "ended_by"));
	if (n_lost != 0)
		fprintf(view->out, "; %llu more came too fast to be told",
			(unsigned long long)n_lost);
	fputc('\n', view->out);
}

int lb_ctl_trace(const struct lb_ctl_view *view)
{
	char *body = make_body(view->options);
	struct lb_ctl_request request = {
		.method = "POST", .path = "trace", .content_type = "application/json"};
	struct lb_ctl_answer answer;
	int rc;

	if (body == NULL) {
		fputs("ballastctl: out of memory\n", stderr);
		return LB_CTL_USAGE;
	}
	request.body = body;
	request.n_body = strlen(body);
	rc = lb_ctl_call(view->client, &request, &answer);
	if (rc == LB_CTL_OK && view->options->is_json)
		rc = lb_ctl_show_tree(view, answer.json, NULL);
	else if (rc == LB_CTL_OK)
		put_packets(view, answer.json);
	lb_ctl_answer_free(&answer);
	cJSON_free(body);
	return rc;
}
