#include "discard.h"

#include <stdlib.h>

#include "config/config_load.h"
#include "config/document.h"
#include "helper.h"
#include "lb/config.h"
#include "reconcile.h"

struct discard {
	struct lb_helper_job job;
	struct lb_document *doc;
	struct lb_config *cfg;
	struct lb_plan *plan;
};

static void run(struct lb_helper_job *job)
{
	struct discard *d = (struct discard *)job;

	lb_document_free(d->doc);
	lb_config_free(d->cfg);
	lb_reconcile_plan_free(d->plan);
}

static void on_done(struct lb_helper_job *job)
{
	free(job);
}

void lb_discard(struct lb_helper *helper, struct lb_document *doc, struct lb_config *cfg,
		struct lb_plan *plan)
{
	struct discard *d;

	if (doc == NULL && cfg == NULL && plan == NULL)
		return;
	d = helper == NULL ? NULL : malloc(sizeof(*d));
	if (d != NULL) {
		*d = (struct discard){{.run = run, .done = on_done}, doc, cfg, plan};
		if (lb_helper_submit(helper, &d->job) == 0)
			return;
	}
	free(d);
	lb_document_free(doc);
	lb_config_free(cfg);
	lb_reconcile_plan_free(plan);
}
