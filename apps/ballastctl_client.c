#include "ballastctl_client.h"

#include "ballastctl_json.h"
#include "ballastctl_text.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define CONNECT_TIMEOUT_S 5L
#define ERRORS_SHOWN_MAX 1000u

struct lb_ctl_client {
	CURL *curl;
	const char *socket;
	long timeout_s;
};

struct lb_ctl_client *lb_ctl_client_create(const char *socket, long timeout_s)
{
	struct lb_ctl_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->curl = curl_easy_init();
	client->socket = socket;
	client->timeout_s = timeout_s;
	if (client->curl == NULL) {
		free(client);
		return NULL;
	}
	return client;
}

void lb_ctl_client_destroy(struct lb_ctl_client *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->curl);
	free(client);
}

void lb_ctl_answer_free(struct lb_ctl_answer *answer)
{
	cJSON_Delete(answer->json);
	free(answer->body);
	*answer = (struct lb_ctl_answer){0};
}

/* ---- what went wrong ---- */

static void complain(const struct lb_ctl_client *client, const char *what)
{
	fputs("ballastctl: ", stderr);
	lb_ctl_put_text(stderr, client->socket);
	fprintf(stderr, ": %s\n", what);
}

void lb_ctl_put_complaints(FILE *out, const char *before, const cJSON *list)
{
	const cJSON *item;
	unsigned n = 0;

	if (!cJSON_IsArray(list))
		return;
	cJSON_ArrayForEach(item, list)
	{
		const cJSON *pointer = lb_ctl_json_get(item, "pointer");

		if (n++ == ERRORS_SHOWN_MAX) {
			fprintf(out, "%sand more\n", before);
			return;
		}
		fputs(before, out);
		if (cJSON_IsString(pointer) && pointer->valuestring[0] != '\0') {
			lb_ctl_put_text(out, pointer->valuestring);
			fputs(": ", out);
		}
		lb_ctl_put_text(out, lb_ctl_json_str(item, "detail"));
		fputc('\n', out);
	}
}

static void print_problem(const struct lb_ctl_answer *answer)
{
	const cJSON *detail = lb_ctl_json_get(answer->json, "detail");
	uint64_t n_more = lb_ctl_json_u64(answer->json, "n_more_errors");
	char count[LB_CTL_TEXT_MAX];

	fputs("ballastctl: refused: ", stderr);
	if (cJSON_IsString(detail))
		lb_ctl_put_text(stderr, detail->valuestring);
	else
		fprintf(stderr, "HTTP status %ld", answer->status);
	fputc('\n', stderr);
	lb_ctl_put_complaints(stderr, "", lb_ctl_json_get(answer->json, "errors"));
	if (n_more > 0)
		fprintf(stderr, "and %s more errors\n", lb_ctl_count(n_more, count));
}

static void explain_curl(const struct lb_ctl_client *client, CURLcode code)
{
	char text[128];
	long os_error = 0;

	curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		snprintf(text, sizeof(text), "%s; is ballastd running, and is this its socket?",
			 os_error != 0 ? strerror((int)os_error) : "cannot be connected to");
		complain(client, text);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		snprintf(text, sizeof(text), "no whole answer within %ld s", client->timeout_s);
		complain(client, text);
		break;
	case CURLE_FILESIZE_EXCEEDED: /* announced */
	case CURLE_WRITE_ERROR:       /* or on the way */
		snprintf(text, sizeof(text), "the answer is larger than %zu MiB, or memory is out",
			 LB_CTL_ANSWER_MAX_BYTES >> 20);
		complain(client, text);
		break;
	case CURLE_OUT_OF_MEMORY:
		complain(client, "out of memory");
		break;
	default:
		complain(client, curl_easy_strerror(code));
	}
}

/* ---- one request ---- */

/* Also the bound for an answer whose length was not announced. */
static size_t on_body(char *bytes, size_t size, size_t n_items, void *ctx)
{
	struct lb_ctl_answer *answer = ctx;
	size_t n = size * n_items, room;
	char *body;

	if (n > LB_CTL_ANSWER_MAX_BYTES - answer->n)
		return 0;
	/* Powers of two: a piece that fits costs nothing, copying stays in proportion. */
	for (room = 4096; room < answer->n + n + 1; room *= 2)
		;
	body = realloc(answer->body, room);
	if (body == NULL)
		return 0;
	answer->body = body;
	memcpy(answer->body + answer->n, bytes, n);
	answer->n += n;
	answer->body[answer->n] = '\0';
	return n;
}

static size_t on_header(char *bytes, size_t size, size_t n_items, void *ctx)
{
	static const char name[] = "etag:";
	const size_t n_name = sizeof(name) - 1;
	struct lb_ctl_answer *answer = ctx;
	size_t n = size * n_items, from = n_name, to = n;

	if (n < n_name || strncasecmp(bytes, name, n_name) != 0)
		return n;
	while (from < to && (bytes[from] == ' ' || bytes[from] == '\t'))
		from++;
	while (to > from &&
	       (bytes[to - 1] == '\r' || bytes[to - 1] == '\n' || bytes[to - 1] == ' '))
		to--;
	if (to - from < sizeof(answer->etag)) {
		memcpy(answer->etag, bytes + from, to - from);
		answer->etag[to - from] = '\0';
	}
	return n;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct curl_slist *longer;
	char line[160];
	int n = snprintf(line, sizeof(line), "%s:%s%s", name, value[0] != '\0' ? " " : "", value);

	if (n < 0 || (size_t)n >= sizeof(line))
		return false;
	longer = curl_slist_append(*list, line);
	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

/* NULL: out of memory. An empty Expect saves the round trip before a large body. */
static struct curl_slist *make_headers(const struct lb_ctl_request *request)
{
	struct curl_slist *list = NULL;

	if (!add_header(&list, "Accept", "application/json, application/problem+json") ||
	    !add_header(&list, "Expect", "") ||
	    (request->body != NULL && !add_header(&list, "Content-Type", request->content_type)) ||
	    (request->if_match != NULL && !add_header(&list, "If-Match", request->if_match))) {
		curl_slist_free_all(list);
		return NULL;
	}
	return list;
}

/* NULL: out of memory. */
static char *make_url(CURL *curl, const struct lb_ctl_request *request)
{
	char *name = NULL, *url = NULL;

	if (request->name != NULL) {
		name = curl_easy_escape(curl, request->name, (int)strlen(request->name));
		if (name == NULL)
			return NULL;
	}
	if (asprintf(&url, "http://localhost/api/v1/%s%s%s%s", request->path,
		     name != NULL ? name : "", request->query != NULL ? "?" : "",
		     request->query != NULL ? request->query : "") < 0)
		url = NULL;
	curl_free(name);
	return url;
}

static CURLcode perform(const struct lb_ctl_client *client, const struct lb_ctl_request *request,
			const char *url, struct curl_slist *headers, struct lb_ctl_answer *answer)
{
	CURL *curl = client->curl;
	CURLcode code;

	curl_easy_reset(curl);
	code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
	if (code != CURLE_OK)
		return code;
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, client->timeout_s);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)LB_CTL_ANSWER_MAX_BYTES);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
	if (request->body != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->n_body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	return code;
}

int lb_ctl_call(struct lb_ctl_client *client, const struct lb_ctl_request *request,
		struct lb_ctl_answer *answer)
{
	char *url = make_url(client->curl, request);
	struct curl_slist *headers = make_headers(request);
	CURLcode code = CURLE_OUT_OF_MEMORY;

	*answer = (struct lb_ctl_answer){0};
	if (strlen(client->socket) >= sizeof((struct sockaddr_un){0}.sun_path)) {
		complain(client, "the path is too long for a unix socket");
		code = CURLE_OK;
	} else if (url != NULL && headers != NULL) {
		code = perform(client, request, url, headers, answer);
	}
	free(url);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		explain_curl(client, code);
	if (answer->status == 0)
		return LB_CTL_UNREACHABLE;
	if (answer->body != NULL)
		answer->json = lb_ctl_json_parse(answer->body, answer->n);
	if (answer->status >= 400) {
		print_problem(answer);
		return LB_CTL_REFUSED;
	}
	if (answer->status >= 300 || answer->json == NULL) {
		complain(client, "the answer is not ballastd's");
		return LB_CTL_UNREACHABLE;
	}
	return LB_CTL_OK;
}
