#include "ballastctl_change.h"

#include "ballastctl_diff.h"
#include "ballastctl_json.h"
#include "ballastctl_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the file ---- */

static int refuse_file(const char *path, const char *why)
{
	fputs("ballastctl: ", stderr);
	lb_ctl_put_text(stderr, path);
	fprintf(stderr, ": %s\n", why);
	return LB_CTL_USAGE;
}

static int read_stream(FILE *in, const char *path, char **text, size_t *n)
{
	size_t room = 65536, got;
	char *bigger;

	*n = 0;
	*text = malloc(room);
	while (*text != NULL && (got = fread(*text + *n, 1, room - *n, in)) > 0) {
		*n += got;
		if (*n > LB_CTL_BODY_MAX_BYTES)
			return refuse_file(path, "larger than 128 MiB");
		if (*n < room)
			continue;
		room *= 2;
		bigger = realloc(*text, room);
		if (bigger == NULL)
			free(*text);
		*text = bigger;
	}
	if (*text == NULL)
		return refuse_file(path, "out of memory");
	return ferror(in) != 0 ? refuse_file(path, strerror(errno)) : LB_CTL_OK;
}

/* `*text` is the caller's also after an error. */
static int read_file(const char *path, char **text, size_t *n)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int rc;

	*text = NULL;
	if (in == NULL)
		return refuse_file(path, strerror(errno));
	rc = read_stream(in, path, text, n);
	if (in != stdin)
		fclose(in);
	return rc;
}

/* ---- what a write came to ---- */

static const char *sentence_of(const char *change)
{
	static const struct {
		const char *word;
		const char *sentence;
	} known[] = {
		{"service_added", "virtual service is added"},
		{"service_changed", "virtual service changes"},
		{"service_removed", "virtual service is removed"},
		{"real_server_added", "real server is added"},
		{"real_server_removed", "real server is removed"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].word, change) == 0)
			return known[i].sentence;
	return change;
}

static void put_changes(const struct lb_ctl_view *view, const cJSON *changes)
{
	char text[LB_CTL_TEXT_MAX];
	const cJSON *change;

	cJSON_ArrayForEach(change, changes)
	{
		const cJSON *ended = lb_ctl_json_get(change, "connections_ended");

		lb_ctl_put_text(view->out, sentence_of(lb_ctl_json_str(change, "change")));
		fputs(": ", view->out);
		lb_ctl_put_text(view->out, lb_ctl_json_str(change, "name"));
		if (ended != NULL)
			fprintf(view->out, ", live connections that end: %s",
				lb_ctl_count(lb_ctl_json_value(ended), text));
		fputc('\n', view->out);
	}
}

/* Stored all the same: the workers get it as soon as they listen. */
static void put_laggards(const cJSON *result)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, lb_ctl_json_get(result, "waiting_for"))
		fprintf(stderr, "stored; worker %llu has not acknowledged it yet\n",
			(unsigned long long)lb_ctl_json_value(item));
}

static void put_notes(const cJSON *result)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, lb_ctl_json_get(result, "pending_restart"))
	{
		fputs("takes effect at the next start: ", stderr);
		lb_ctl_put_text(stderr, cJSON_IsString(item) ? item->valuestring : "-");
		fputc('\n', stderr);
	}
	lb_ctl_put_complaints(stderr, "warning: ", lb_ctl_json_get(result, "warnings"));
	put_laggards(result);
}

/* ---- apply ---- */

struct apply {
	const struct lb_ctl_view *view;
	char *text;
	size_t n;
	char etag[64];
	struct lb_ctl_answer config; /* what is in force */
};

static int put(const struct apply *a, bool is_dry_run, struct lb_ctl_answer *answer)
{
	bool restart = a->view->options->is_pending_restart;
	char query[64];
	struct lb_ctl_request request = {.method = "PUT", .path = "config"};

	snprintf(query, sizeof(query), "dry_run=%s&pending_restart=%s",
		 is_dry_run ? "true" : "false", restart ? "true" : "false");
	request.query = query;
	request.body = a->text;
	request.n_body = a->n;
	request.content_type = "application/json";
	request.if_match = a->etag[0] != '\0' ? a->etag : NULL;
	return lb_ctl_call(a->view->client, &request, answer);
}

/* From key to key, then what the daemon makes of it. */
static int put_preview(const struct apply *a, const cJSON *result)
{
	cJSON *wanted = lb_ctl_json_parse(a->text, a->n);
	int n = wanted != NULL ? lb_ctl_diff(a->view->out, a->config.json, wanted) : -ENOMEM;

	cJSON_Delete(wanted);
	if (n < 0) {
		fputs("ballastctl: out of memory\n", stderr);
		return LB_CTL_USAGE;
	}
	if (n == 0)
		fputs("no key has another value\n", a->view->out);
	put_changes(a->view, lb_ctl_json_get(result, "changes"));
	return LB_CTL_OK;
}

/* `result` of the dry run, or of the write. */
static int end_apply(const struct apply *a, const struct lb_ctl_answer *result)
{
	const struct lb_ctl_view *view = a->view;

	if (view->options->is_json)
		return lb_ctl_show_tree(view, result->json, NULL);
	fflush(view->out);
	put_notes(result->json);
	if (view->options->is_dry_run) {
		fputs("dry run: nothing was changed\n", view->out);
	} else {
		fputs("applied, the configuration is ", view->out);
		lb_ctl_put_text(view->out, result->etag);
		fputc('\n', view->out);
	}
	return LB_CTL_OK;
}

static int apply(struct apply *a)
{
	static const struct lb_ctl_request get_config = {.method = "GET", .path = "config"};
	const struct lb_ctl_options *options = a->view->options;
	struct lb_ctl_answer preview = {0}, result = {0};
	int rc = lb_ctl_call(a->view->client, &get_config, &a->config);

	if (rc != LB_CTL_OK)
		return rc;
	memcpy(a->etag, a->config.etag, sizeof(a->etag));
	rc = put(a, true, &preview);
	if (rc == LB_CTL_OK && !options->is_json)
		rc = put_preview(a, preview.json);
	if (rc == LB_CTL_OK && !options->is_dry_run) {
		fflush(a->view->out);
		rc = put(a, false, &result);
	}
	if (rc == LB_CTL_OK)
		rc = end_apply(a, options->is_dry_run ? &preview : &result);
	lb_ctl_answer_free(&preview);
	lb_ctl_answer_free(&result);
	return rc;
}

int lb_ctl_apply(const struct lb_ctl_view *view)
{
	struct apply a = {.view = view};
	int rc = read_file(view->options->argument, &a.text, &a.n);

	if (rc == LB_CTL_OK)
		rc = apply(&a);
	lb_ctl_answer_free(&a.config);
	free(a.text);
	return rc;
}

/* ---- admin state ---- */

int lb_ctl_set_admin_state(const struct lb_ctl_view *view, const char *state)
{
	static const struct {
		const char *state;
		const char *sentence;
	} sentences[] = {
		{"enabled", "is enabled: it gets new clients while it is up"},
		{"drain", "drains: its connections and known clients stay, no new clients come"},
		{"disabled", "is disabled: its connections stay, nothing else"},
	};
	struct lb_ctl_request request = {.method = "PATCH", .path = "real-servers/"};
	struct lb_ctl_answer answer;
	char body[64];
	int rc;

	request.name = view->options->argument;
	request.n_body = (size_t)snprintf(body, sizeof(body), "{\"admin_state\": \"%s\"}", state);
	request.body = body;
	request.content_type = "application/merge-patch+json";
	rc = lb_ctl_call(view->client, &request, &answer);
	if (rc == LB_CTL_OK && view->options->is_json) {
		rc = lb_ctl_show_tree(view, answer.json, NULL);
	} else if (rc == LB_CTL_OK) {
		lb_ctl_put_text(view->out, view->options->argument);
		for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
			if (strcmp(sentences[i].state, state) == 0)
				fprintf(view->out, " %s\n", sentences[i].sentence);
		fflush(view->out);
		put_laggards(answer.json);
	}
	lb_ctl_answer_free(&answer);
	return rc;
}
