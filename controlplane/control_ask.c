/* Questions to the control loop, and its start-up report. */
#include "control_state.h"
#include "lb/vlan.h"

#include <stdio.h>
#include <string.h>

struct event_base *lb_control_base(const struct lb_control *ctl)
{
	return ctl->base;
}

const struct lb_config *lb_control_config(const struct lb_control *ctl)
{
	return ctl->cfg;
}

const struct lb_document *lb_control_document(const struct lb_control *ctl)
{
	return ctl->doc;
}

const struct lb_error_list *lb_control_warnings(const struct lb_control *ctl)
{
	return &ctl->warnings;
}

const struct lb_error_list *lb_control_pending(const struct lb_control *ctl)
{
	return &ctl->pending_restart;
}

struct lb_dataplane *lb_control_dataplane(const struct lb_control *ctl)
{
	return ctl->dp;
}

struct lb_reconcile *lb_control_reconcile(const struct lb_control *ctl)
{
	return ctl->reconcile;
}

struct lb_courier *lb_control_courier(const struct lb_control *ctl)
{
	return ctl->courier;
}

struct lb_inquiries *lb_control_inquiries(const struct lb_control *ctl)
{
	return ctl->inquiries;
}

const struct lb_kernel_path *lb_control_kernel_path(const struct lb_control *ctl)
{
	return ctl->kernel;
}

uint64_t lb_control_uptime_ms(const struct lb_control *ctl)
{
	return lb_now_ms() - ctl->started_ms;
}

struct lb_shared_text *lb_control_text(struct lb_control *ctl)
{
	ctl->text->n_refs++;
	return ctl->text;
}

bool lb_control_is_active(const struct lb_control *ctl)
{
	return ctl->is_active;
}

bool lb_control_is_ready(const struct lb_control *ctl, uint32_t *n_checking)
{
	uint32_t n;

	lb_reconcile_probe_counts(ctl->reconcile, &n, n_checking);
	return ctl->is_active && *n_checking == 0;
}

/* Each packet of theirs crosses from one node's memory to the other's. */
static void report_far_workers(const struct lb_control *ctl, const char *port, int32_t node,
			       struct lb_text *out)
{
	for (uint32_t i = 0; node >= 0 && i < lb_dataplane_n_workers(ctl->dp); i++) {
		struct lb_worker_info info;

		lb_dataplane_worker_info(ctl->dp, i, &info);
		if (info.numa_node >= 0 && info.numa_node != node)
			lb_text_fmt(out,
				    "  warning: port %s is on NUMA node %d, core %u of worker %u "
				    "on node %d: name cores of the port's node in node.workers\n",
				    port, node, info.core, i, info.numa_node);
	}
}

static void report_tags(uint32_t tags, struct lb_text *out)
{
	if (tags != 0)
		lb_text_fmt(out, ", VLAN %u", tags & LB_VLAN_ID_MASK);
	if (lb_vlan_n(tags) == 2)
		lb_text_fmt(out, " in %u", tags >> 16 & LB_VLAN_ID_MASK);
}

/* Without the end of the line. */
static void report_port(const struct lb_cfg_interface *cfg, const struct lb_port_info *info,
			struct lb_text *out)
{
	lb_text_fmt(out,
		    "  port %s: %s, driver %s, %02x:%02x:%02x:%02x:%02x:%02x, mtu %u, "
		    "%u queue%s, link %s",
		    cfg->name, cfg->device, info->driver, info->mac[0], info->mac[1], info->mac[2],
		    info->mac[3], info->mac[4], info->mac[5], info->mtu, info->n_rx_queues,
		    info->n_rx_queues == 1 ? "" : "s", info->link_up ? "up" : "down");
	if (info->link_mbps != 0)
		lb_text_fmt(out, " with %u Mb/s", info->link_mbps);
	if (info->numa_node >= 0)
		lb_text_fmt(out, ", NUMA node %d", info->numa_node);
}

static void report_ports(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_cfg_node *node = &ctl->cfg->node;

	if (node->n_interfaces == 0)
		lb_text_str(out, "  no interfaces: nothing is forwarded\n");
	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		const struct lb_cfg_interface *cfg = &node->interfaces[i];
		struct lb_port_info info;

		if (lb_dataplane_port_info(ctl->dp, i, &info) < 0)
			continue;
		if (cfg->port == i)
			report_port(cfg, &info, out);
		else
			lb_text_fmt(out, "  port %s: that of %s", cfg->name,
				    node->interfaces[cfg->port].name);
		report_tags(cfg->tags, out);
		lb_text_str(out, "\n");
		if (cfg->port != i)
			continue;
		lb_text_fmt(out, "  replies %s: %s\n", cfg->name, info.replies);
		report_far_workers(ctl, cfg->name, info.numa_node, out);
	}
}

static void report_workers(const struct lb_control *ctl, struct lb_text *out)
{
	uint32_t n = lb_dataplane_n_workers(ctl->dp);
	uint64_t bytes = 0;

	lb_text_fmt(out, "  %u worker%s, cores", n, n == 1 ? "" : "s");
	for (uint32_t i = 0; i < n; i++) {
		struct lb_worker_info info;

		lb_dataplane_worker_info(ctl->dp, i, &info);
		bytes += info.memory_bytes;
		lb_text_fmt(out, " %u", info.core);
	}
	lb_text_fmt(out, "; %u connections, %u persistence records, %llu MiB of tables\n",
		    ctl->cfg->node.connections, ctl->cfg->node.persistence_records,
		    (unsigned long long)(bytes >> 20));
}

/* Lines of the data plane's own, indented like the rest. */
static void report_notes(const char *notes, struct lb_text *out)
{
	while (*notes != '\0') {
		size_t n = strcspn(notes, "\n");

		if (n > 0)
			lb_text_fmt(out, "  %.*s\n", (int)n, notes);
		notes += n;
		notes += *notes == '\n';
	}
}

void lb_control_report(const struct lb_control *ctl, struct lb_text *out)
{
	char line[LB_ERROR_LINE_MAX];

	lb_text_fmt(out, "ballastd %s\n", LB_VERSION);
	report_ports(ctl, out);
	report_workers(ctl, out);
	report_notes(lb_dataplane_notes(ctl->dp), out);
	lb_kernel_path_report(ctl->kernel, out);
	lb_text_fmt(out, "  %u virtual service%s, %u server pool%s\n", ctl->cfg->n_services,
		    ctl->cfg->n_services == 1 ? "" : "s", ctl->cfg->n_pools,
		    ctl->cfg->n_pools == 1 ? "" : "s");
	if (ctl->store == NULL)
		lb_text_str(out, "  configuration: in memory only; off because there is neither "
				 "--config nor --state-dir\n");
	else
		lb_text_fmt(out, "  configuration: %s%s\n", lb_store_path(ctl->store),
			    ctl->params.is_read_only_config ? ", writes off because of "
							      "--read-only-config"
							    : "");
	for (uint32_t i = 0; i < ctl->warnings.n; i++)
		lb_text_fmt(out, "  warning: %s\n", lb_error_format(&ctl->warnings.item[i], line));
}
