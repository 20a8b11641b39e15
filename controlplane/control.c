#include "control_state.h"

#include "config/document_node.h"
#include "health/health.h"
#include "log.h"
#include "privileges.h"
#include "state_json.h"
#include "vip_way.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define STATE_CONFIG_NAME "config.json"

static int open_store(struct lb_control *ctl, struct lb_error_list *errors)
{
	const struct lb_control_params *p = &ctl->params;
	char path[PATH_MAX];
	struct lb_error err;
	int rc;

	if (p->config_path == NULL && p->state_dir == NULL)
		return 0;
	if (p->config_path != NULL)
		snprintf(path, sizeof(path), "%s", p->config_path);
	else
		snprintf(path, sizeof(path), "%s/%s", p->state_dir, STATE_CONFIG_NAME);
	rc = lb_store_open(path, p->is_read_only_config, &ctl->store, &err);
	if (rc < 0)
		lb_error_list_add(errors, err.where, "%s", err.what);
	return rc;
}

/* The file; or, for a daemon that was given none, an empty document. */
static int load_document(struct lb_control *ctl, struct lb_error_list *errors)
{
	struct lb_error err = {0};
	char *text = NULL;
	size_t n = 0;
	int rc = -ENOENT;

	if (ctl->store != NULL)
		rc = lb_store_load(ctl->store, &text, &n, &err);
	if (rc == 0) {
		lb_store_adopt(ctl->store);
		rc = lb_config_load(text, n, &ctl->doc, &ctl->cfg, errors, &ctl->warnings);
	} else if (rc == -ENOENT && ctl->params.config_path == NULL) {
		if (ctl->store != NULL)
			lb_store_adopt(ctl->store);
		ctl->doc = lb_document_create_empty();
		rc = ctl->doc == NULL
			     ? -ENOMEM
			     : lb_config_build(ctl->doc, &ctl->cfg, errors, &ctl->warnings);
		if (rc == 0)
			rc = lb_document_print(ctl->doc, &text, &n);
	} else {
		lb_error_list_add(errors, err.where, "%s", err.what);
	}
	if (rc == 0) {
		ctl->text = lb_shared_text_create(text, n);
		rc = ctl->text == NULL ? -ENOMEM : 0;
	}
	if (rc < 0)
		free(text);
	return rc;
}

int lb_control_create(const struct lb_control_params *params, struct lb_control **out,
		      struct lb_error_list *errors)
{
	struct lb_control *ctl = calloc(1, sizeof(*ctl));
	int rc;

	lb_error_list_init(errors);
	if (ctl == NULL)
		return -ENOMEM;
	ctl->params = *params;
	ctl->started_ms = lb_now_ms();
	TAILQ_INIT(&ctl->writes);
	lb_error_list_init(&ctl->warnings);
	rc = open_store(ctl, errors);
	if (rc == 0)
		rc = load_document(ctl, errors);
	if (rc == 0) {
		ctl->booted = lb_document_copy_node(ctl->doc);
		rc = ctl->booted == NULL ? -ENOMEM : 0;
	}
	if (rc < 0) {
		lb_control_destroy(ctl);
		return rc;
	}
	*out = ctl;
	return 0;
}

static void on_end_signal(evutil_socket_t number, short what, void *ctx)
{
	struct lb_control *ctl = ctx;

	(void)what;
	lb_log(LB_LOG_INFO, "control", "ending signal=%d", number);
	/* The second one is not for us to think about: it ends the process at once. */
	for (uint32_t i = 0; i < LB_CONTROL_SIGNALS; i++)
		if (ctl->signals[i] != NULL)
			event_del(ctl->signals[i]);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	event_base_loopbreak(ctl->base);
}

static void on_hup(evutil_socket_t number, short what, void *ctx)
{
	(void)number;
	(void)what;
	lb_control_reload(ctx);
}

static int add_signals(struct lb_control *ctl)
{
	static const struct {
		int number;
		event_callback_fn on_signal;
	} wanted[LB_CONTROL_SIGNALS] = {
		{SIGTERM, on_end_signal}, {SIGINT, on_end_signal}, {SIGHUP, on_hup}};

	for (uint32_t i = 0; i < LB_CONTROL_SIGNALS; i++) {
		ctl->signals[i] = evsignal_new(ctl->base, wanted[i].number, wanted[i].on_signal,
					       ctl);
		if (ctl->signals[i] == NULL || event_add(ctl->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int create_loop(struct lb_control *ctl)
{
	struct event_config *cfg = event_config_new();

	if (cfg == NULL)
		return -ENOMEM;
	/* Acknowledgements are looked for every millisecond. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
	ctl->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return ctl->base == NULL ? -ENOMEM : add_signals(ctl);
}

static int start_dataplane(struct lb_control *ctl, struct lb_error *err)
{
	const struct lb_cfg_node *node = &ctl->cfg->node;
	struct lb_dataplane_port ports[LB_IFACES_MAX];
	struct lb_dataplane_params params = {
		.ports = ports,
		.n_ports = node->n_interfaces,
		.worker_cores = node->workers,
		.n_workers = node->n_workers,
		.n_connections = node->connections,
		.n_records = node->persistence_records,
		.has_seed = ctl->params.has_seed,
		.seed = ctl->params.seed,
		.program = ctl->params.program,
		.eal_args = ctl->params.eal_args,
		.n_eal_args = ctl->params.n_eal_args,
	};

	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		memcpy(ports[i].name, node->interfaces[i].name, sizeof(ports[i].name));
		memcpy(ports[i].device, node->interfaces[i].device, sizeof(ports[i].device));
		ports[i].mtu = node->interfaces[i].mtu;
	}
	return lb_dataplane_start(&params, &ctl->dp, err);
}

/* What the ports say of themselves; the kernel's news of its netdevs follow. */
static int tell_interfaces(struct lb_control *ctl, struct lb_error *err)
{
	for (uint32_t i = 0; i < ctl->cfg->node.n_interfaces; i++) {
		struct lb_port_info info;
		struct lb_iface value;
		int rc = lb_dataplane_port_info(ctl->dp, i, &info);

		if (rc < 0)
			return lb_error_set(err, rc, ctl->cfg->node.interfaces[i].name,
					    "the port does not answer");
		value = lb_control_iface(ctl, i, info.mac, info.mtu);
		rc = lb_reconcile_iface(ctl->reconcile, i, &value, lb_courier_list(ctl->courier));
		if (rc < 0)
			return lb_error_set(err, rc, "", "%s", strerror(-rc));
	}
	return 0;
}

/* The jitter of probes; without --seed every start has its own. */
static uint64_t seed_of(const struct lb_control *ctl)
{
	uint64_t seed = ctl->params.seed;

	if (!ctl->params.has_seed && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = lb_now_us();
	return seed;
}

static int create_parts(struct lb_control *ctl, struct lb_error *err)
{
	const struct lb_courier_events events = {.ctx = ctl,
						 .on_acked = lb_control_on_acked,
						 .on_resolve = lb_control_on_resolve,
						 .on_tick = lb_control_on_tick};
	const struct lb_kernel_path_params kernel = {.base = ctl->base,
						     .node = &ctl->cfg->node,
						     .state_dir = ctl->params.state_dir,
						     .events = lb_control_netlink_events(ctl)};
	struct lb_reconcile_params reconcile = {.next_hop_of = lb_kernel_path_next_hop_of,
						.is_on_link = lb_kernel_path_is_on_link,
						.has_neighbor_discovery = true};
	int rc = lb_kernel_path_open(&kernel, &ctl->kernel, err);

	if (rc < 0)
		return rc;
	reconcile.ctx = ctl->kernel;
	rc = lb_reconcile_create(&reconcile, &ctl->reconcile);
	if (rc == 0)
		rc = lb_courier_create(ctl->base, &events, &ctl->courier);
	if (rc == 0)
		rc = lb_inquiries_create(ctl->base, &ctl->inquiries);
	if (rc == 0)
		rc = lb_helper_create(ctl->base, &ctl->helper);
	if (rc == 0)
		rc = lb_health_create(ctl->base, seed_of(ctl), lb_control_on_verdict, ctl,
				      &ctl->health);
	if (rc == 0)
		lb_health_set_vip_way(ctl->health, lb_vip_way_find, ctl);
	return rc < 0 ? lb_error_set(err, rc, "", "%s", strerror(-rc)) : 0;
}

/* The configuration that create() read goes the way of every other. */
static int publish_first(struct lb_control *ctl, struct lb_error *err)
{
	struct lb_candidate first = {ctl->doc, ctl->cfg, NULL, ctl->text->text, ctl->text->n};
	int rc;

	ctl->doc = NULL;
	ctl->cfg = NULL;
	ctl->text->text = NULL;
	rc = lb_control_apply(ctl, &first, err);
	if (rc == 0)
		return 0;
	ctl->doc = first.doc;
	ctl->cfg = first.cfg;
	ctl->text->text = first.text;
	return rc;
}

int lb_control_start(struct lb_control *ctl, struct lb_error *err)
{
	int rc = create_loop(ctl);

	if (rc < 0)
		return lb_error_set(err, rc, "", "%s", strerror(-rc));
	memcpy(ctl->interfaces, ctl->cfg->node.interfaces, sizeof(ctl->interfaces));
	rc = create_parts(ctl, err);
	if (rc == 0)
		rc = start_dataplane(ctl, err);
	if (rc < 0)
		return rc;
	lb_courier_attach(ctl->courier, ctl->dp);
	rc = lb_kernel_path_join(ctl->kernel, ctl->dp, err);
	if (rc == 0)
		rc = tell_interfaces(ctl, err);
	return rc == 0 ? publish_first(ctl, err) : rc;
}

static void drop_privileges(struct lb_helper_job *job)
{
	(void)job;
	if (lb_privileges_for_run() < 0)
		lb_log(LB_LOG_WARNING, "control", "capabilities could not be dropped");
}

static void free_job(struct lb_helper_job *job)
{
	free(job);
}

void lb_control_drop_privileges(struct lb_control *ctl)
{
	struct lb_helper_job *job = calloc(1, sizeof(*job));

	drop_privileges(NULL);
	if (job == NULL)
		return;
	job->run = drop_privileges;
	job->done = free_job;
	if (lb_helper_submit(ctl->helper, job) < 0)
		free(job);
}

void lb_control_run(struct lb_control *ctl)
{
	event_base_dispatch(ctl->base);
}

void lb_control_stop(struct lb_control *ctl, struct lb_text *counters)
{
	ctl->is_stopping = true;
	lb_health_destroy(ctl->health);
	ctl->health = NULL;
	lb_helper_destroy(ctl->helper);
	ctl->helper = NULL;
	lb_kernel_path_release(ctl->kernel);
	lb_inquiries_destroy(ctl->inquiries);
	ctl->inquiries = NULL;
	if (ctl->dp != NULL)
		lb_dataplane_halt(ctl->dp);
	/* Halted, they are final: whoever reads them can check the law. */
	if (counters != NULL && ctl->dp != NULL && lb_state_counters(ctl->dp, counters) < 0)
		lb_log(LB_LOG_ERROR, "control", "the counters do not balance");
	if (ctl->courier != NULL)
		lb_courier_attach(ctl->courier, NULL);
	lb_dataplane_stop(ctl->dp);
	ctl->dp = NULL;
	lb_courier_destroy(ctl->courier);
	ctl->courier = NULL;
	lb_kernel_path_close(ctl->kernel);
	ctl->kernel = NULL;
	if (ctl->settle != NULL)
		event_del(ctl->settle);
	lb_reconcile_destroy(ctl->reconcile);
	ctl->reconcile = NULL;
}

void lb_control_destroy(struct lb_control *ctl)
{
	if (ctl == NULL)
		return;
	if (!ctl->is_stopping)
		lb_control_stop(ctl, NULL);
	for (uint32_t i = 0; i < LB_CONTROL_SIGNALS; i++)
		if (ctl->signals[i] != NULL)
			event_free(ctl->signals[i]);
	if (ctl->settle != NULL)
		event_free(ctl->settle);
	if (ctl->base != NULL)
		event_base_free(ctl->base);
	lb_store_close(ctl->store);
	lb_control_text_release(ctl->text);
	lb_document_free(ctl->doc);
	lb_document_free(ctl->booted);
	lb_config_free(ctl->cfg);
	free(ctl);
}
