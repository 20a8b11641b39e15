/* Any bytes as a packet that came in while probes of VIPs are under way: read, looked up, and at
 * most the probe that it names is answered. */
#include <stdio.h>
#include <stdlib.h>

#include "health/vip_marks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static struct lb_vip_marks *ask(struct lb_vip_question *question)
{
	struct lb_vip_marks *marks;

	require(lb_vip_marks_create(1, &marks) == 0, "memory");
	require(lb_vip_marks_take(marks, question) != 0, "a number");
	return marks;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lb_vip_question question = {.port = 80};
	struct lb_probe_answer answer;
	const struct lb_vip_question *found;
	enum lb_probe_outcome outcome;
	struct lb_vip_marks *marks;
	const char *reason;

	if (!lb_probe_packet_read(data, size, &answer))
		return 0;
	require(answer.type <= LB_PROBE_ECHOED, "type");
	require((answer.type == LB_PROBE_ECHOED) <= (answer.port == 0), "an echo has no port");
	/* The first number that is given out: what the corpus answers. */
	question.way.packet.vip = answer.from;
	question.way.packet.source = answer.to;
	question.port = answer.port;
	marks = ask(&question);
	found = lb_vip_marks_match(marks, &answer, &outcome, &reason);
	/* A question without a port is an echo. */
	require((found != NULL) == ((answer.port == 0) == (answer.type == LB_PROBE_ECHOED) &&
				    answer.mark.number == question.mark.number &&
				    answer.mark.token == question.mark.token),
		"only what fits in type, number and token is an answer");
	lb_vip_marks_destroy(marks);
	return 0;
}
