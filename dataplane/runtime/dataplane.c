#include "runtime/dataplane_state.h"

#include "runtime/memory.h"
#include "runtime/rss.h"
#include "runtime/worker_block.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#define EAL_OWN_MIB 24u /* EAL's and the drivers' own use beside the pools */

static int settle_seed(struct lb_dataplane *dp, const struct lb_dataplane_params *params,
		       struct lb_error *err)
{
	dp->seed = params->seed;
	if (params->has_seed)
		return 0;
	if (getrandom(&dp->seed, sizeof(dp->seed), 0) != (ssize_t)sizeof(dp->seed))
		return lb_error_set(err, -EIO, "seed", "the kernel gives no random numbers");
	return 0;
}

/* The first interface of a device has the port; the others' stay empty. */
static uint32_t find_port(const struct lb_dataplane_params *params, uint32_t iface)
{
	uint32_t port = 0;

	while (port < iface && strcmp(params->ports[port].device, params->ports[iface].device) != 0)
		port++;
	return port;
}

/* The largest of the device's interfaces. One that states no MTU has the device's own: a smaller
 * one of another interface is no reason to take that away. */
static struct lb_dataplane_port widest(const struct lb_dataplane_params *params, uint32_t port)
{
	struct lb_dataplane_port cfg = params->ports[port];
	bool is_stated = true;

	for (uint32_t i = port; i < params->n_ports; i++) {
		if (find_port(params, i) != port)
			continue;
		if (params->ports[i].mtu > cfg.mtu)
			cfg.mtu = params->ports[i].mtu;
		is_stated &= params->ports[i].mtu != 0;
	}
	if (!is_stated && cfg.mtu <= RTE_ETHER_MTU)
		cfg.mtu = 0;
	return cfg;
}

static int plan_ports(struct lb_dataplane *dp, const struct lb_dataplane_params *params,
		      uint32_t n_workers, struct lb_error *err)
{
	int rc = 0;

	/* None at all is how a daemon without a configuration starts. */
	if (params->n_ports > LB_IFACES_MAX)
		return lb_error_set(err, -EINVAL, "/node/interfaces",
				    "%zu interfaces; up to %u are served", params->n_ports,
				    LB_IFACES_MAX);
	for (uint32_t i = 0; i < params->n_ports && rc == 0; i++) {
		struct lb_dataplane_port cfg = widest(params, i);

		dp->port_of[i] = find_port(params, i);
		if (dp->port_of[i] == i)
			rc = lb_port_plan(&dp->ports[i], &cfg, i, n_workers, err);
		if (rc == 0)
			dp->n_ports++;
	}
	return rc;
}

static int boot_eal(struct lb_dataplane *dp, const struct lb_dataplane_params *params,
		    const struct lb_eal_machine *machine, struct lb_error *err)
{
	const char *pci[LB_IFACES_MAX];
	struct lb_eal_request req = {
		.program = params->program,
		.user_args = params->eal_args,
		.n_user_args = params->n_eal_args,
		.worker_cores = params->worker_cores,
		.n_worker_cores = params->n_workers,
		.pci = pci,
	};
	uint64_t bytes = 0;
	int rc;

	for (uint32_t i = 0; i < dp->n_ports; i++) {
		bytes += lb_port_pool_bytes(&dp->ports[i]);
		if (dp->port_of[i] == i && lb_port_pci(&dp->ports[i]) != NULL)
			pci[req.n_pci++] = lb_port_pci(&dp->ports[i]);
	}
	req.memory_mib = EAL_OWN_MIB + (uint32_t)(bytes >> 20) + 1;
	rc = lb_eal_plan(&req, machine, &dp->eal, err);
	if (rc != 0)
		return rc;
	rc = lb_eal_start(&dp->eal, err);
	if (rc != 0) {
		lb_eal_plan_free(&dp->eal);
		return rc;
	}
	dp->is_eal_running = true;
	snprintf(dp->notes, sizeof(dp->notes), "%s", dp->eal.notes);
	return 0;
}

/* Opens the ports and settles the number of workers: where it is ours to choose, as many as can
 * transmit without asking another. */
static int open_ports(struct lb_dataplane *dp, bool is_auto, struct lb_error *err)
{
	int rc = 0;

	dp->n_workers = dp->eal.n_workers;
	for (uint32_t i = 0; i < dp->n_ports && rc == 0; i++) {
		struct lb_port *port = &dp->ports[i];
		uint32_t max;

		if (dp->port_of[i] != i)
			continue;
		rc = lb_port_open(port, err);
		if (rc != 0)
			return rc;
		max = lb_port_tx_max(port);
		if (!is_auto || max >= dp->n_workers)
			continue;
		dp->n_workers = max;
		snprintf(dp->notes + strlen(dp->notes), sizeof(dp->notes) - strlen(dp->notes),
			 "%u worker(s), because interface %s has no more transmit queues\n", max,
			 port->name);
	}
	return rc;
}

static struct lb_pipeline_params pipeline_params(const struct lb_dataplane *dp, uint32_t worker,
						 uint32_t n_connections)
{
	return (struct lb_pipeline_params){
		.worker = worker,
		.n_workers = dp->n_workers,
		.n_connections = (n_connections + dp->n_workers - 1) / dp->n_workers,
		.seed = dp->seed,
		.persist = dp->persist,
		.rss = &dp->rss,
	};
}

/* Only what grows with the stated limits counts: the other tables are touched where used. */
static int check_memory(const struct lb_dataplane *dp, const struct lb_dataplane_params *params,
			struct lb_error *err)
{
	struct lb_pipeline_params full = pipeline_params(dp, 0, params->n_connections);
	struct lb_pipeline_params least = pipeline_params(dp, 0, 1);
	uint64_t conns, records = lb_persist_bytes(params->n_records);
	uint64_t available = lb_memory_available();
	int rc;

	conns = (lb_pipeline_bytes(&full) - lb_pipeline_bytes(&least)) * dp->n_workers;
	rc = lb_memory_check("/node/limits/connections", params->n_connections, conns, available,
			     err);
	if (rc != 0)
		return rc;
	return lb_memory_check("/node/limits/persistence_records", params->n_records, records,
			       available - conns, err);
}

static int make_persist_table(struct lb_dataplane *dp, uint32_t n_records, struct lb_error *err)
{
	int rc;

	dp->persist_bytes = lb_persist_bytes(n_records);
	dp->persist_mem = lb_memory_map(dp->persist_bytes);
	if (dp->persist_mem == NULL)
		return lb_error_set(err, -ENOMEM, "/node/limits/persistence_records",
				    "%u records need %zu bytes and cannot be mapped", n_records,
				    dp->persist_bytes);
	rc = lb_persist_init(dp->persist_mem, n_records, dp->seed, &dp->persist);
	if (rc != 0)
		return lb_error_set(err, rc, "/node/limits/persistence_records",
				    "%u is no possible number of records", n_records);
	return 0;
}

static int make_workers(struct lb_dataplane *dp, uint32_t n_connections, struct lb_error *err)
{
	for (uint32_t i = 0; i < dp->n_workers; i++) {
		struct lb_pipeline_params params = pipeline_params(dp, i, n_connections);
		int rc = lb_worker_block_create(&params, &dp->workers[i]);

		if (rc != 0)
			return lb_error_set(err, rc, "/node/limits/connections",
					    "%u connections: no worker can be made with its share "
					    "(%s)",
					    n_connections, strerror(-rc));
	}
	for (uint32_t from = 0; from < dp->n_workers; from++)
		for (uint32_t to = 0; to < dp->n_workers; to++)
			dp->workers[from]->hand_out[to] = dp->workers[to]->hand_in[from];
	return 0;
}

static int make_publisher(struct lb_dataplane *dp, struct lb_error *err)
{
	struct lb_mailbox mailboxes[LB_WORKERS_MAX];

	for (uint32_t i = 0; i < dp->n_workers; i++)
		mailboxes[i] = dp->workers[i]->mailbox;
	if (lb_publisher_create(mailboxes, dp->n_workers, &dp->publisher) != 0)
		return lb_error_set(err, -ENOMEM, "", "no memory for the command queues");
	return 0;
}

static int start_ports(struct lb_dataplane *dp, struct lb_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < dp->n_ports && rc == 0; i++) {
		dp->ports[i].seed = dp->seed;
		if (dp->port_of[i] == i)
			rc = lb_port_start(&dp->ports[i], dp->n_workers, err);
	}
	if (rc == 0)
		lb_rss_settle(dp->ports, dp->n_ports, dp->n_workers, &dp->rss);
	return rc;
}

static int launch_workers(struct lb_dataplane *dp, struct lb_error *err)
{
	dp->start_tsc = rte_rdtsc();
	for (uint32_t i = 0; i < dp->n_workers; i++) {
		struct lb_worker *w = dp->workers[i];
		int rc;

		w->core = dp->eal.cores[i];
		w->ports = dp->ports;
		w->n_ports = dp->n_ports;
		w->stop = &dp->stop;
		w->start_tsc = dp->start_tsc;
		w->tsc_per_ms = rte_get_tsc_hz() / 1000;
		lb_worker_assign_queues(w);
		rc = rte_eal_remote_launch(lb_worker_main, w, i + 1);
		if (rc != 0)
			return lb_error_set(err, rc, "/node/workers",
					    "the worker on core %u did not start", w->core);
		dp->n_launched++;
	}
	return 0;
}

static int start(struct lb_dataplane *dp, const struct lb_dataplane_params *params,
		 struct lb_error *err)
{
	struct lb_eal_machine machine;
	uint32_t n_workers = (uint32_t)params->n_workers;
	int rc;

	lb_eal_look_at_machine(&machine);
	if (n_workers == 0)
		n_workers = RTE_MIN((uint32_t)CPU_COUNT(&machine.cores), LB_WORKERS_MAX);
	rc = settle_seed(dp, params, err);
	if (rc == 0)
		rc = plan_ports(dp, params, n_workers, err);
	if (rc == 0)
		rc = boot_eal(dp, params, &machine, err);
	if (rc == 0)
		rc = open_ports(dp, params->n_workers == 0, err);
	if (rc == 0)
		rc = check_memory(dp, params, err);
	if (rc == 0)
		rc = make_persist_table(dp, params->n_records, err);
	if (rc == 0)
		rc = make_workers(dp, params->n_connections, err);
	if (rc == 0)
		rc = make_publisher(dp, err);
	if (rc == 0)
		rc = start_ports(dp, err);
	if (rc == 0)
		rc = launch_workers(dp, err);
	return rc;
}

int lb_dataplane_start(const struct lb_dataplane_params *params, struct lb_dataplane **out,
		       struct lb_error *err)
{
	struct lb_dataplane *dp = calloc(1, sizeof(*dp));
	int rc;

	*out = NULL;
	if (dp == NULL)
		return lb_error_set(err, -ENOMEM, "", "no memory for the data plane");
	rc = start(dp, params, err);
	if (rc != 0) {
		lb_dataplane_stop(dp);
		return rc;
	}
	*out = dp;
	return 0;
}

void lb_dataplane_halt(struct lb_dataplane *dp)
{
	atomic_store_explicit(&dp->stop, true, memory_order_release);
	while (dp->n_launched > 0)
		rte_eal_wait_lcore(dp->n_launched--);
}

void lb_dataplane_stop(struct lb_dataplane *dp)
{
	if (dp == NULL)
		return;
	lb_dataplane_halt(dp);
	for (uint32_t i = dp->n_ports; i > 0; i--)
		lb_port_close(&dp->ports[i - 1]);
	lb_publisher_destroy(dp->publisher);
	for (uint32_t i = 0; i < dp->n_workers; i++)
		lb_worker_block_destroy(dp->workers[i]);
	lb_memory_unmap(dp->persist_mem, dp->persist_bytes);
	if (dp->is_eal_running)
		lb_eal_end(&dp->eal);
	free(dp);
}
