#include "api_fixture.h"

#include "text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

const char api_document[] =
	"{\"version\": 1, \"server_pools\": [{\"name\": \"web\", \"real_servers\": ["
	"{\"name\": \"a\", \"address\": \"192.0.2.11\"}, {\"name\": \"b\", \"address\": "
	"\"192.0.2.12\"}]}], \"virtual_services\": [{\"name\": \"www\", \"address\": "
	"\"192.0.2.10\", "
	"\"protocol\": \"tcp\", \"ports\": [80], \"forwarding\": \"fullnat\", \"server_pool\": "
	"\"web\"}]}\n";

/* As root the control plane would look after this machine's addresses: it gets its own network. */
static void leave_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert(ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	close(fd);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

char *api_contents(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	cr_assert(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

void api_turn(const struct api_fixture *f)
{
	event_base_loop(lb_control_base(f->ctl), EVLOOP_NONBLOCK);
}

void api_start_with(struct api_fixture *f, const char *text, bool is_acked)
{
	static struct lb_error_list errors;
	struct lb_control_params params = {.program = "test"};
	struct lb_error err;

	leave_network();
	snprintf(f->folder, sizeof(f->folder), "/tmp/ballast-api-XXXXXX");
	cr_assert(mkdtemp(f->folder) != NULL);
	snprintf(f->config, sizeof(f->config), "%s/config.json", f->folder);
	snprintf(f->socket, sizeof(f->socket), "%s/s", f->folder);
	put(f->config, text);
	params.config_path = f->config;
	cr_assert(lb_control_create(&params, &f->ctl, &errors) == 0, "%s", errors.item[0].what);
	cr_assert(lb_control_start(f->ctl, &err) == 0, "%s: %s", err.where, err.what);
	cr_assert(lb_api_create(f->ctl, &f->api) == 0);
	cr_assert(lb_http_listen_unix(lb_api_http(f->api), f->socket, &err) == 0, "%s", err.what);
	fake_dataplane()->is_stuck[1] = !is_acked;
	while (is_acked && !lb_control_is_active(f->ctl))
		api_turn(f);
}

void api_start(struct api_fixture *f)
{
	api_start_with(f, api_document, true);
}

void api_stop(struct api_fixture *f)
{
	lb_control_stop(f->ctl, NULL);
	lb_api_destroy(f->api);
	lb_control_destroy(f->ctl);
	unlink(f->config);
	cr_expect(rmdir(f->folder) == 0, "something was left behind");
}

static int dial(const struct api_fixture *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->socket);
	cr_assert(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

int api_ask(const struct api_fixture *f, const char *method, const char *path, const char *body,
	    const char *headers)
{
	struct lb_text request = {0};
	int fd = dial(f);

	lb_text_fmt(&request, "%s %s HTTP/1.1\r\nConnection: close\r\n%s", method, path,
		    headers != NULL ? headers : "");
	if (body != NULL)
		lb_text_fmt(&request,
			    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			    strlen(body), body);
	else
		lb_text_str(&request, "\r\n");
	cr_assert(send(fd, request.data, request.n, 0) == (ssize_t)request.n);
	lb_text_free(&request);
	return fd;
}

int api_begin(const struct api_fixture *f, const char *method, const char *path, const char *body)
{
	uint32_t n = fake_dataplane()->n_asked;
	int fd = api_ask(f, method, path, body, NULL);

	while (fake_dataplane()->n_asked == n)
		api_turn(f);
	return fd;
}

struct lb_report *api_add_report(uint32_t worker, bool is_last)
{
	struct lb_dataplane *dp = fake_dataplane();
	struct lb_report *r = &dp->reports[dp->n_reports++];

	*r = (struct lb_report){
		.type = dp->asked.type, .id = dp->asked.id, .worker = worker, .is_last = is_last};
	return r;
}

/* The status; `answer` gets everything. */
int api_hear(const struct api_fixture *f, int fd, char answer[API_ANSWER_MAX])
{
	size_t n = 0;

	for (;;) {
		ssize_t got = recv(fd, answer + n, API_ANSWER_MAX - 1 - n, 0);

		if (got == 0)
			break;
		cr_assert(got > 0 || errno == EAGAIN);
		if (got > 0)
			n += (size_t)got;
		else
			api_turn(f);
	}
	close(fd);
	answer[n] = '\0';
	cr_assert(strncmp(answer, "HTTP/1.1 ", 9) == 0, "%s", answer);
	return (int)strtol(answer + 9, NULL, 10);
}

int api_get(const struct api_fixture *f, const char *path, char answer[API_ANSWER_MAX])
{
	return api_hear(f, api_ask(f, "GET", path, NULL, NULL), answer);
}
