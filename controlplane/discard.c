#include "discard.h"

#include <stdlib.h>

#include "config/config_load.h"
#include "config/document.h"
#include "helper.h"
#include "lb/config.h"

struct discard {
	struct lb_helper_job job;
	struct lb_document *doc;
	struct lb_config *cfg;
};

static void run(struct lb_helper_job *job)
{
	struct discard *d = (struct discard *)job;

	lb_document_free(d->doc);
	lb_config_free(d->cfg);
}

static void on_done(struct lb_helper_job *job)
{
	free(job);
}

void lb_discard(struct lb_helper *helper, struct lb_document *doc, struct lb_config *cfg)
{
	struct discard *d;

	if (doc == NULL && cfg == NULL)
		return;
	d = helper == NULL ? NULL : malloc(sizeof(*d));
	if (d != NULL) {
		*d = (struct discard){{.run = run, .done = on_done}, doc, cfg};
		if (lb_helper_submit(helper, &d->job) == 0)
			return;
	}
	free(d);
	lb_document_free(doc);
	lb_config_free(cfg);
}
