/* What changes the workers' world: a configuration, a verdict, news of the kernel. Each goes to
 * reconcile, which appends commands to the open list; a flush publishes them. */
#include "control_state.h"

#include "discard.h"
#include "health/health.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>

struct lb_shared_text *lb_shared_text_create(char *text, size_t n)
{
	struct lb_shared_text *shared = malloc(sizeof(*shared));

	if (shared == NULL)
		return NULL;
	*shared = (struct lb_shared_text){.n_refs = 1, .n = n, .text = text};
	return shared;
}

void lb_control_text_release(void *ctx)
{
	struct lb_shared_text *shared = ctx;

	if (shared == NULL || --shared->n_refs > 0)
		return;
	free(shared->text);
	free(shared);
}

static void log_if(int rc, const char *what)
{
	if (rc < 0)
		lb_log(LB_LOG_ERROR, "control", "%s failed error=%d", what, -rc);
}

static void start_probes(struct lb_control *ctl)
{
	struct lb_probe_spec spec;
	uint32_t cursor = 0;
	int rc = 0;

	lb_health_begin(ctl->health);
	while (lb_reconcile_next_probe(ctl->reconcile, &cursor, &spec)) {
		int one = lb_health_want(ctl->health, &spec);

		rc = one < 0 ? one : rc;
	}
	lb_health_end(ctl->health);
	log_if(rc, "starting probes");
}

static void plan_settle(struct lb_control *ctl);

void lb_control_settle(struct lb_control *ctl)
{
	log_if(lb_reconcile_settle(ctl->reconcile, lb_now_ms(), lb_courier_list(ctl->courier)),
	       "settling");
	lb_courier_flush(ctl->courier, 0);
	plan_settle(ctl);
}

/* The next write, or the end of this one, does what is due. */
static void on_settle(evutil_socket_t number, short what, void *ctx)
{
	struct lb_control *ctl = ctx;

	(void)number;
	(void)what;
	if (ctl->n_writes == 0)
		lb_control_settle(ctl);
	else
		plan_settle(ctl);
}

/* At most an hour ahead, so that no sum overflows; too early does nothing. */
static void plan_settle(struct lb_control *ctl)
{
	uint64_t now_ms = lb_now_ms(), due_ms = lb_reconcile_settle_due_ms(ctl->reconcile);
	uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
	struct timeval wait;

	if (due_ms == UINT64_MAX)
		return;
	if (wait_ms > 3600000)
		wait_ms = 3600000;
	/* What has failed for want of memory is tried again, not at once. */
	if (wait_ms == 0)
		wait_ms = 100;
	wait = (struct timeval){(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};
	if (ctl->settle == NULL)
		ctl->settle = evtimer_new(ctl->base, on_settle, ctl);
	if (ctl->settle == NULL || event_add(ctl->settle, &wait) < 0)
		log_if(-ENOMEM, "settling");
}

static int carry_out(struct lb_control *ctl, const struct lb_candidate *c, struct lb_error *err)
{
	struct lb_cmd_list *list = lb_courier_list(ctl->courier);

	if (c->plan == NULL)
		return lb_reconcile_config(ctl->reconcile, c->cfg, lb_now_ms(), list, err);
	return lb_reconcile_carry_out(ctl->reconcile, c->plan, lb_now_ms(), list, err);
}

int lb_control_apply(struct lb_control *ctl, struct lb_candidate *c, struct lb_error *err)
{
	struct lb_shared_text *shared = lb_shared_text_create(c->text, c->n_text);
	int rc;

	if (shared == NULL)
		return lb_error_set(err, -ENOMEM, "", "out of memory");
	rc = lb_kernel_path_before_publish(ctl->kernel, c->cfg, err);
	if (rc == 0) {
		rc = carry_out(ctl, c, err);
		/* The kernel has let go of what `c` does without: it gets that back. */
		if (rc < 0 && ctl->cfg != NULL &&
		    lb_kernel_path_before_publish(ctl->kernel, ctl->cfg, NULL) == 0 &&
		    ctl->is_extended)
			lb_kernel_path_after_ack(ctl->kernel);
	}
	if (rc < 0) {
		free(shared);
		return rc;
	}
	ctl->config_generation = lb_reconcile_generation(ctl->reconcile);
	ctl->is_extended = false;
	/* What the kernel knows already belongs to the first generation: workers poll their queues
	 * from then on, and no packet may meet a server that seems to have no route. */
	if (ctl->cfg == NULL)
		lb_kernel_path_start(ctl->kernel);
	lb_courier_flush(ctl->courier, 0);
	plan_settle(ctl);
	start_probes(ctl);
	lb_control_text_release(ctl->text);
	lb_discard(ctl->helper, ctl->doc, ctl->cfg, c->plan);
	ctl->text = shared;
	ctl->doc = c->doc;
	ctl->cfg = c->cfg;
	*c = (struct lb_candidate){0};
	return 0;
}

void lb_control_on_acked(void *ctx, uint64_t generation)
{
	struct lb_control *ctl = ctx;

	lb_reconcile_acked(ctl->reconcile, generation);
	if (generation < ctl->config_generation || ctl->is_extended)
		return;
	ctl->is_extended = true;
	lb_kernel_path_after_ack(ctl->kernel);
	if (ctl->is_active)
		return;
	ctl->is_active = true;
	lb_log(LB_LOG_INFO, "control", "active generation=%llu",
	       (unsigned long long)ctl->config_generation);
	if (ctl->params.on_ready != NULL)
		ctl->params.on_ready(ctl->params.ctx);
}

void lb_control_on_resolve(void *ctx, uint32_t next_hop)
{
	struct lb_control *ctl = ctx;

	lb_kernel_path_resolve(ctl->kernel, next_hop);
}

bool lb_control_on_tick(void *ctx)
{
	struct lb_control *ctl = ctx;

	return lb_kernel_path_punt(ctl->kernel, ctl->dp);
}

static void log_verdict(const struct lb_control *ctl, const struct lb_health_verdict *verdict)
{
	uint32_t cursor = verdict->probe;
	char address[LB_ADDR_TEXT_MAX], vip[LB_ADDR_TEXT_MAX];
	struct lb_probe_spec spec;

	if (!lb_reconcile_next_probe(ctl->reconcile, &cursor, &spec) || spec.id != verdict->probe)
		return;
	lb_log(verdict->state == LB_HEALTH_DOWN ? LB_LOG_WARNING : LB_LOG_INFO, "health",
	       "%s address=%s%s%s type=%s port=%u reason=\"%s\"",
	       lb_health_state_name[verdict->state], lb_addr_format(&spec.address, address),
	       spec.is_of_vip ? " vip=" : "", spec.is_of_vip ? lb_addr_format(&spec.vip, vip) : "",
	       spec.type == LB_MONITOR_TCP ? "tcp" : "icmp", spec.port,
	       verdict->reason != NULL ? verdict->reason : "");
}

void lb_control_on_verdict(void *ctx, const struct lb_health_verdict *verdict)
{
	struct lb_control *ctl = ctx;
	uint64_t since_us = lb_now_us();

	ctl->n_verdicts++;
	log_if(lb_reconcile_verdict(ctl->reconcile, verdict->probe, verdict->state, verdict->reason,
				    since_us / 1000, lb_courier_list(ctl->courier)),
	       "verdict");
	lb_courier_flush(ctl->courier, since_us);
	/* After the workers have been told: a terminal may be slow. */
	log_verdict(ctl, verdict);
}

struct lb_iface lb_control_iface(const struct lb_control *ctl, uint32_t i, const uint8_t mac[6],
				 uint16_t mtu)
{
	const struct lb_cfg_interface *cfg = &ctl->interfaces[i];
	struct lb_iface value = {.port = (uint8_t)cfg->port, .mtu = mtu, .tags = cfg->tags};

	if (cfg->mtu != 0 && (mtu == 0 || cfg->mtu < mtu))
		value.mtu = cfg->mtu;
	for (int b = 0; b < 6; b++)
		value.mac[b] = mac[b];
	for (int f = 0; f < 2; f++)
		value.tunnel_source[f] = cfg->tunnel_source[f];
	return value;
}

static void on_link(void *ctx, uint32_t iface, const struct lb_link *link)
{
	struct lb_control *ctl = ctx;
	struct lb_iface value;

	if (link->netdev[0] == '\0' && link->mtu == 0)
		return;
	lb_log(link->is_up && link->has_carrier ? LB_LOG_INFO : LB_LOG_WARNING, "netlink",
	       "link netdev=%s up=%d carrier=%d mtu=%u", link->netdev, link->is_up,
	       link->has_carrier, link->mtu);
	/* A netdev that went away keeps its last address in the workers. One without a name is that
	 * of the device below an interface in a VLAN. */
	if (link->ifindex == 0 && link->netdev[0] != '\0')
		return;
	value = lb_control_iface(ctl, iface, link->mac, link->mtu);
	lb_kernel_path_set_mac(ctl->kernel, iface, link->mac);
	log_if(lb_reconcile_iface(ctl->reconcile, iface, &value, lb_courier_list(ctl->courier)),
	       "link");
}

static void on_next_hop(void *ctx, uint32_t id, const struct lb_next_hop *next_hop)
{
	struct lb_control *ctl = ctx;

	log_if(lb_reconcile_next_hop(ctl->reconcile, id, next_hop, lb_now_ms(),
				     lb_courier_list(ctl->courier)),
	       "next hop");
}

static void on_routes(void *ctx, const struct lb_route *routes, size_t n)
{
	struct lb_control *ctl = ctx;

	log_if(lb_reconcile_routes(ctl->reconcile, routes, n, lb_courier_list(ctl->courier)),
	       "routes");
}

static void on_paths(void *ctx)
{
	struct lb_control *ctl = ctx;

	log_if(lb_reconcile_paths(ctl->reconcile, lb_now_ms(), lb_courier_list(ctl->courier)),
	       "paths");
}

static void on_settled(void *ctx)
{
	struct lb_control *ctl = ctx;

	lb_courier_flush(ctl->courier, 0);
}

struct lb_netlink_events lb_control_netlink_events(struct lb_control *ctl)
{
	return (struct lb_netlink_events){.ctx = ctl,
					  .on_link = on_link,
					  .on_next_hop = on_next_hop,
					  .on_routes = on_routes,
					  .on_paths = on_paths,
					  .on_settled = on_settled};
}
