#include "ballast_replay_explain.h"

#include "trace_text.h"

#include <stdio.h>

static bool print_record(void *ctx, const struct lb_trace_record *r)
{
	const struct lb_explain *e = ctx;

	for (int pass = 0; pass < LB_PASS_N; pass++) {
		struct lb_text line = {0};

		if (lb_trace_text(&e->names, r, (enum lb_pass)pass, &line))
			printf("packet %llu %-8s %s\n", (unsigned long long)(e->numbers[r->idx]),
			       lb_pass_name[pass], line.data != NULL ? line.data : "");
		lb_text_free(&line);
	}
	return true;
}

void lb_explain_start(struct lb_explain *e, struct lb_pipeline *pl)
{
	static const struct lb_trace_filter all = {.count = UINT32_MAX, .slot = UINT32_MAX};

	e->tracer.tell = print_record;
	e->tracer.ctx = e;
	lb_tracer_start(&e->tracer, pl, &all);
}
