#include "discard.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config_load.h"
#include "config/document.h"
#include "helper.h"

static void load(struct lb_document **doc, struct lb_config **cfg)
{
	static const char text[] = "{\"version\": 1, \"server_pools\": [{\"name\": \"a\"}]}";
	static struct lb_error_list errors, warnings;

	lb_error_list_init(&errors);
	lb_error_list_init(&warnings);
	cr_assert_eq(lb_config_load(text, sizeof(text) - 1, doc, cfg, &errors, &warnings), 0, "%s",
		     errors.item[0].what);
}

struct gate {
	struct lb_helper_job job;
	int entered[2];
	int leave[2];
};

static void wait_at_gate(struct lb_helper_job *job)
{
	struct gate *g = (struct gate *)job;
	char byte = 0;

	if (write(g->entered[1], &byte, 1) != 1 || read(g->leave[0], &byte, 1) != 1)
		abort();
}

static void on_job(struct lb_helper_job *job)
{
	(void)job;
}

/* What is lost here, or freed twice, the sanitized build tells. */
Test(discard, frees_by_the_helper_and_without_it)
{
	struct event_base *base = event_base_new();
	struct gate g = {.job = {.run = wait_at_gate, .done = on_job}};
	static struct lb_helper_job fill[LB_HELPER_JOBS_MAX];
	struct lb_document *doc;
	struct lb_helper *helper;
	struct lb_config *cfg;
	char byte = 0;

	cr_assert_eq(lb_helper_create(base, &helper), 0);
	cr_assert(pipe(g.entered) == 0 && pipe(g.leave) == 0);
	lb_discard(helper, NULL, NULL, NULL);
	load(&doc, &cfg);
	lb_discard(NULL, doc, cfg, NULL);
	load(&doc, &cfg);
	lb_discard(helper, doc, NULL, NULL);
	lb_discard(helper, NULL, cfg, NULL);
	/* The helper is held up and its queue is full: at once, then. */
	cr_assert_eq(lb_helper_submit(helper, &g.job), 0);
	cr_assert_eq(read(g.entered[0], &byte, 1), 1);
	for (uint32_t i = 0; i < LB_HELPER_JOBS_MAX; i++) {
		fill[i] = (struct lb_helper_job){.run = on_job, .done = on_job};
		cr_assert_eq(lb_helper_submit(helper, &fill[i]), 0);
	}
	load(&doc, &cfg);
	lb_discard(helper, doc, cfg, NULL);
	cr_assert_eq(write(g.leave[1], &byte, 1), 1);
	lb_helper_destroy(helper);
	event_base_free(base);
}
