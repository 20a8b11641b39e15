#include "http_parse.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define CHUNK_LINE_MAX 1024u
#define CHUNK_TRAILERS_MAX 32u

static const char *const method_names[LB_HTTP_METHOD_N] = {
	[LB_HTTP_GET] = "GET",         [LB_HTTP_HEAD] = "HEAD",   [LB_HTTP_POST] = "POST",
	[LB_HTTP_PUT] = "PUT",         [LB_HTTP_PATCH] = "PATCH", [LB_HTTP_DELETE] = "DELETE",
	[LB_HTTP_OPTIONS] = "OPTIONS", [LB_HTTP_OTHER] = "OTHER",
};

const char *lb_http_method_name(enum lb_http_method method)
{
	return method_names[method];
}

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int copy_text(char *out, size_t size, const char *from, size_t n)
{
	if (n >= size)
		return -E2BIG;
	memcpy(out, from, n);
	out[n] = '\0';
	return 0;
}

static bool is_word(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(text, word, n) == 0;
}

static int parse_target(const char *target, size_t n, struct lb_http_head *out)
{
	const char *question;
	size_t n_path;

	/* The absolute form is for proxies; we are none. */
	if (n == 0 || target[0] != '/')
		return -400;
	for (size_t i = 0; i < n; i++)
		if (target[i] <= ' ' || target[i] == 0x7f || target[i] == '#')
			return -400;
	question = memchr(target, '?', n);
	n_path = question != NULL ? (size_t)(question - target) : n;
	if (copy_text(out->path, sizeof(out->path), target, n_path) < 0)
		return -414;
	if (question == NULL)
		return 0;
	if (copy_text(out->query, sizeof(out->query), question + 1, n - n_path - 1) < 0)
		return -414;
	return 0;
}

static int parse_request_line(const char *line, size_t n, struct lb_http_head *out)
{
	const char *first = memchr(line, ' ', n);
	const char *last = memrchr(line, ' ', n);
	const char *version;
	size_t n_method;

	if (first == NULL || last == first)
		return -400;
	n_method = (size_t)(first - line);
	for (size_t i = 0; i < n_method; i++)
		if (!is_token_char(line[i]))
			return -400;
	if (n_method == 0)
		return -400;
	out->method = LB_HTTP_OTHER;
	for (int m = 0; m < LB_HTTP_OTHER; m++)
		if (strlen(method_names[m]) == n_method &&
		    memcmp(line, method_names[m], n_method) == 0)
			out->method = (enum lb_http_method)m;
	version = last + 1;
	if (n - (size_t)(version - line) != 8 || memcmp(version, "HTTP/", 5) != 0)
		return -400;
	if (memcmp(version + 5, "1.1", 3) == 0)
		out->keep_alive = true;
	else if (memcmp(version + 5, "1.0", 3) != 0)
		return -505;
	return parse_target(first + 1, (size_t)(last - first - 1), out);
}

static int parse_length(const char *value, size_t n, uint64_t *out)
{
	uint64_t length = 0;

	if (n == 0 || n > 18)
		return -400;
	for (size_t i = 0; i < n; i++) {
		if (value[i] < '0' || value[i] > '9')
			return -400;
		length = length * 10 + (uint64_t)(value[i] - '0');
	}
	*out = length;
	return 0;
}

static void parse_connection(const char *value, size_t n, struct lb_http_head *out)
{
	while (n > 0) {
		const char *comma = memchr(value, ',', n);
		size_t len = comma != NULL ? (size_t)(comma - value) : n;
		size_t from = 0, to = len;

		while (from < to && (value[from] == ' ' || value[from] == '\t'))
			from++;
		while (to > from && (value[to - 1] == ' ' || value[to - 1] == '\t'))
			to--;
		if (is_word(value + from, to - from, "close"))
			out->keep_alive = false;
		else if (is_word(value + from, to - from, "keep-alive"))
			out->keep_alive = true;
		if (comma == NULL)
			return;
		n -= len + 1;
		value += len + 1;
	}
}

struct head_state {
	bool has_length;
};

static int parse_framing(const char *name, size_t n_name, const char *value, size_t n,
			 struct head_state *state, struct lb_http_head *out)
{
	if (is_word(name, n_name, "content-length")) {
		if (state->has_length)
			return -400;
		state->has_length = true;
		return parse_length(value, n, &out->content_length);
	}
	if (out->is_chunked)
		return -400;
	if (!is_word(value, n, "chunked"))
		return -501;
	out->is_chunked = true;
	return 0;
}

static int keep_value(char out[LB_HTTP_VALUE_MAX], const char *value, size_t n)
{
	if (out[0] != '\0')
		return -400;
	return copy_text(out, LB_HTTP_VALUE_MAX, value, n) < 0 ? -431 : 0;
}

static int take_header(const char *name, size_t n_name, const char *value, size_t n,
		       struct head_state *state, struct lb_http_head *out)
{
	if (is_word(name, n_name, "content-length") || is_word(name, n_name, "transfer-encoding"))
		return parse_framing(name, n_name, value, n, state, out);
	if (is_word(name, n_name, "connection"))
		parse_connection(value, n, out);
	if (is_word(name, n_name, "content-type"))
		return keep_value(out->content_type, value, n);
	if (is_word(name, n_name, "if-match"))
		return keep_value(out->if_match, value, n);
	if (is_word(name, n_name, "if-none-match"))
		return keep_value(out->if_none_match, value, n);
	if (is_word(name, n_name, "host")) {
		if (out->has_host)
			return -400;
		out->has_host = true;
		return keep_value(out->host, value, n);
	}
	if (is_word(name, n_name, "expect")) {
		if (!is_word(value, n, "100-continue"))
			return -417;
		out->expect_continue = true;
	}
	return 0;
}

static int parse_header(const char *line, size_t n, struct head_state *state,
			struct lb_http_head *out)
{
	const char *colon = memchr(line, ':', n);
	const char *value;
	size_t n_name, n_value;

	if (colon == NULL || colon == line)
		return -400;
	n_name = (size_t)(colon - line);
	/* This also refuses folded lines and a space before the colon. */
	for (size_t i = 0; i < n_name; i++)
		if (!is_token_char(line[i]))
			return -400;
	value = colon + 1;
	n_value = n - n_name - 1;
	while (n_value > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		n_value--;
	}
	while (n_value > 0 && (value[n_value - 1] == ' ' || value[n_value - 1] == '\t'))
		n_value--;
	for (size_t i = 0; i < n_value; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return -400;
	return take_header(line, n_name, value, n_value, state, out);
}

int lb_http_head_parse(const char *bytes, size_t n, struct lb_http_head *out)
{
	struct head_state state = {0};
	uint32_t n_lines = 0;

	memset(out, 0, sizeof(*out));
	for (;;) {
		const char *end = memmem(bytes, n, "\r\n", 2);
		size_t len;
		int rc;

		if (end == NULL)
			return -400;
		len = (size_t)(end - bytes);
		if (len == 0)
			break;
		rc = n_lines == 0 ? parse_request_line(bytes, len, out)
				  : parse_header(bytes, len, &state, out);
		if (rc < 0)
			return rc;
		if (n_lines++ > LB_HTTP_HEADERS_MAX)
			return -431;
		n -= len + 2;
		bytes = end + 2;
	}
	if (n_lines == 0)
		return -400;
	/* Two framings in one request are how requests are smuggled past proxies. */
	if (state.has_length && out->is_chunked)
		return -400;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int lb_http_unescape(const char *text, size_t n, char *out, size_t size)
{
	size_t n_out = 0;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '%') {
			int high = i + 2 < n ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < n ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -400;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0' || n_out + 1 >= size)
			return -400;
		out[n_out++] = c;
	}
	out[n_out] = '\0';
	return 0;
}

bool lb_http_query_get(const char *query, const char *name, char *out, size_t size)
{
	size_t n_name = strlen(name);

	while (*query != '\0') {
		size_t len = strcspn(query, "&");
		const char *equals = memchr(query, '=', len);
		size_t n_key = equals != NULL ? (size_t)(equals - query) : len;

		if (n_key == n_name && memcmp(query, name, n_name) == 0) {
			if (equals == NULL) {
				out[0] = '\0';
				return true;
			}
			return lb_http_unescape(equals + 1, len - n_key - 1, out, size) == 0;
		}
		query += len;
		if (*query == '&')
			query++;
	}
	return false;
}

enum chunk_state {
	CHUNK_SIZE,      /* hex digits */
	CHUNK_EXTENSION, /* up to the line's end, ignored */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* a line after the last chunk */
	CHUNK_TRAILER_LF,
};

/* One byte of a size line. */
static int chunk_size_byte(struct lb_http_chunked *c, char byte)
{
	int digit = hex_digit(byte);

	if (++c->line_bytes > CHUNK_LINE_MAX)
		return -400;
	if (c->state == CHUNK_SIZE && digit >= 0) {
		if (c->line_bytes > 15)
			return -400;
		c->left = c->left * 16 + (uint64_t)digit;
		return 0;
	}
	if (c->line_bytes == 1)
		return -400;
	if (byte == '\r')
		c->state = CHUNK_SIZE_LF;
	else if (c->state == CHUNK_SIZE && byte != ';' && byte != ' ' && byte != '\t')
		return -400;
	else
		c->state = CHUNK_EXTENSION;
	return 0;
}

/* One byte after the last chunk. */
static int chunk_trailer_byte(struct lb_http_chunked *c, char byte)
{
	if (c->state == CHUNK_TRAILER_LF) {
		if (byte != '\n')
			return -400;
		c->is_done = c->line_bytes == 0;
		c->line_bytes = 0;
		c->state = CHUNK_TRAILER;
		return ++c->n_trailers > CHUNK_TRAILERS_MAX ? -400 : 0;
	}
	if (byte == '\r')
		c->state = CHUNK_TRAILER_LF;
	else if (++c->line_bytes > CHUNK_LINE_MAX)
		return -400;
	return 0;
}

static int chunk_byte(struct lb_http_chunked *c, char byte)
{
	switch (c->state) {
	case CHUNK_SIZE:
	case CHUNK_EXTENSION:
		return chunk_size_byte(c, byte);
	case CHUNK_SIZE_LF:
		c->line_bytes = 0;
		c->state = c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
		return byte == '\n' ? 0 : -400;
	case CHUNK_DATA_CR:
		c->state = CHUNK_DATA_LF;
		return byte == '\r' ? 0 : -400;
	case CHUNK_DATA_LF:
		c->state = CHUNK_SIZE;
		return byte == '\n' ? 0 : -400;
	default:
		return chunk_trailer_byte(c, byte);
	}
}

ssize_t lb_http_chunked_decode(struct lb_http_chunked *c, char *bytes, size_t n, size_t *n_data)
{
	size_t used = 0;

	*n_data = 0;
	while (used < n && !c->is_done) {
		if (c->state == CHUNK_DATA) {
			size_t len = n - used < c->left ? n - used : (size_t)c->left;

			memmove(bytes + *n_data, bytes + used, len);
			*n_data += len;
			used += len;
			c->left -= len;
			if (c->left == 0)
				c->state = CHUNK_DATA_CR;
		} else if (chunk_byte(c, bytes[used++]) < 0) {
			return -400;
		}
	}
	return (ssize_t)used;
}
