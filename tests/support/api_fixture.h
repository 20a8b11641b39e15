/* api_fixture.h - the control plane over a data plane of the test, asked on a unix socket.
 *
 * Role     starts and stops it in a folder of its own, sends requests, hears answers
 * Shape    api_start(&f); api_get(&f, path, text) == 200; api_stop(&f)
 * Threads  one: the loop turns in the test's own thread while an answer is awaited
 * Memory   a folder below /tmp that is gone after api_stop
 * Limits   answers of API_ANSWER_MAX bytes
 * Errors   what goes wrong ends the test
 */
#ifndef API_FIXTURE_H
#define API_FIXTURE_H

#include "api/api.h"
#include "fake_dataplane.h"

#include <string.h>

#define API_ANSWER_MAX (1u << 20)

struct api_fixture {
	char folder[64];
	char config[96];
	char socket[96];
	struct lb_control *ctl;
	struct lb_api *api;
};

/* One service www with servers a and b. */
extern const char api_document[];

void api_start(struct api_fixture *f);
/* Not acknowledged: worker 1 stays stuck. */
void api_start_with(struct api_fixture *f, const char *text, bool is_acked);
void api_stop(struct api_fixture *f);

/* One turn of the loop. */
void api_turn(const struct api_fixture *f);

/* Sends a request and returns its connection; `body` and `headers` may be NULL. */
int api_ask(const struct api_fixture *f, const char *method, const char *path, const char *body,
	    const char *headers);

/* The same for a question to the workers: it has reached them. */
int api_begin(const struct api_fixture *f, const char *method, const char *path, const char *body);
/* To the last question, told at the next turn; the test fills in the rest. */
struct lb_report *api_add_report(uint32_t worker, bool is_last);

/* The status; `answer` gets everything. */
int api_hear(const struct api_fixture *f, int fd, char answer[API_ANSWER_MAX]);
int api_get(const struct api_fixture *f, const char *path, char answer[API_ANSWER_MAX]);

/* The text of a file. */
char *api_contents(const char *path);

#endif
