#include "installation.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAT_FIRST 20000u
#define NAT_LAST 49999u

static const char *const eal_args[] = {"--no-huge", "--no-pci"};

static struct lb_addr addr(const char *text)
{
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

/* The process's cores from the last one on, so that one worker is beside the control thread. */
static void choose_cores(uint32_t *cores, uint32_t n)
{
	cpu_set_t set;
	int c = CPU_SETSIZE;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	for (uint32_t i = 0; i < n; i++) {
		do
			c--;
		while (c >= 0 && !CPU_ISSET(c, &set));
		cr_assert_geq(c, 0, "too few cores");
		cores[i] = (uint32_t)c;
	}
}

int installation_try(struct installation *in, const struct installation_options *options,
		     struct lb_error *err)
{
	struct lb_dataplane_port ports[2] = {{.name = "lan"}, {.name = "wan"}};
	uint32_t cores[LB_WORKERS_MAX];
	struct lb_dataplane_params params = {
		.ports = ports,
		.n_ports = options->device2 == NULL ? 1 : 2,
		.worker_cores = cores,
		.n_workers = options->n_workers == 0 ? 1 : options->n_workers,
		.n_connections = options->n_connections == 0 ? 10000 : options->n_connections,
		.n_records = options->n_records == 0 ? 1000 : options->n_records,
		.has_seed = true,
		.seed = INSTALLATION_SEED,
		.program = "ballast-test",
		.eal_args = eal_args,
		.n_eal_args = sizeof(eal_args) / sizeof(eal_args[0]),
	};

	memset(in, 0, sizeof(*in));
	in->forwarding = options->forwarding;
	in->mtu = options->mtu == 0 ? 1500 : options->mtu;
	snprintf(ports[0].device, sizeof(ports[0].device), "%s", options->device);
	if (options->device2 != NULL)
		snprintf(ports[1].device, sizeof(ports[1].device), "%s", options->device2);
	choose_cores(cores, (uint32_t)params.n_workers);
	if (options->is_auto)
		params.n_workers = 0;
	return lb_dataplane_start(&params, &in->dp, err);
}

void installation_start(struct installation *in, const char *device)
{
	struct installation_options options = {.device = device};
	struct lb_error err = {0};

	cr_assert_eq(installation_try(in, &options, &err), 0, "%s: %s", err.where, err.what);
}

static void build_service(struct installation *in)
{
	struct lb_port_range ports = {INSTALLATION_PORT, INSTALLATION_PORT};
	struct lb_service_server servers[INSTALLATION_REALS];
	struct lb_service_params params = {
		.vip = addr(INSTALLATION_VIP),
		.protocol = IPPROTO_TCP,
		.epoch = 1,
		.gue_port = 6080,
		.forwarding = (uint8_t)in->forwarding,
		.scheduler = LB_SCHED_ROUND_ROBIN,
		.nat_source_id = 0,
		.idle_timeout_ms = 900000,
		.ports = &ports,
		.n_ports = 1,
		.servers = servers,
		.n_servers = INSTALLATION_REALS,
	};
	struct lb_error err;

	for (uint32_t i = 0; i < INSTALLATION_REALS; i++)
		servers[i] = (struct lb_service_server){.real_id = i,
							.machine_id = i,
							.target_id = i,
							.group_target_id = i,
							.weight = 1};
	cr_assert_eq(lb_service_build(&params, &in->service, &err), 0, "%s", err.what);
}

static void build_objects(struct installation *in)
{
	struct lb_route on_link = {.prefix = {.len = 0}, .next_hop = LB_NEXT_HOP_NONE, .iface = 0};

	build_service(in);
	on_link.prefix.addr = addr("0.0.0.0");
	cr_assert_eq(lb_route_table_build(&on_link, 1, &in->routes), 0);
	in->nat_source = calloc(1, sizeof(*in->nat_source));
	cr_assert_not_null(in->nat_source);
	in->nat_source->first_port = NAT_FIRST;
	in->nat_source->last_port = NAT_LAST;
	in->nat_source->n_v4 = 1;
	in->nat_source->v4[0] = (struct lb_nat_addr){.addr = addr(INSTALLATION_VIP), .id = 1};
	in->iface = (struct lb_iface){
		.mac = {2, 0, 0, 0, 0, 1}, .mtu = in->mtu, .tunnel_source = {addr("192.0.2.2")}};
	for (uint32_t i = 0; i < INSTALLATION_REALS; i++) {
		char text[LB_ADDR_TEXT_MAX];

		snprintf(text, sizeof(text), "192.0.2.%u", 11 + i);
		in->reals[i] = (struct lb_real){.addr = addr(text),
						.epoch = 1,
						.in_use = 1,
						.machine_id = i,
						.next_hop = i + 1};
		in->next_hops[i] = (struct lb_next_hop){
			.mac = {2, 0, 0, 0, 1, (uint8_t)(11 + i)}, .iface = 0, .resolved = 1};
	}
}

void installation_publish(struct installation *in)
{
	struct lb_cmd cmds[4 + 3 * INSTALLATION_REALS];
	size_t n = 0;

	build_objects(in);
	cmds[n++] = (struct lb_cmd){.type = LB_CMD_IFACE, .object = &in->iface};
	cmds[n++] = (struct lb_cmd){.type = LB_CMD_ROUTES, .object = in->routes};
	cmds[n++] = (struct lb_cmd){.type = LB_CMD_NAT_SOURCE, .object = in->nat_source};
	for (uint32_t i = 0; i < INSTALLATION_REALS; i++) {
		cmds[n++] = (struct lb_cmd){
			.type = LB_CMD_NEXT_HOP, .idx = i + 1, .object = &in->next_hops[i]};
		cmds[n++] = (struct lb_cmd){.type = LB_CMD_REAL, .idx = i, .object = &in->reals[i]};
		cmds[n++] = (struct lb_cmd){
			.type = LB_CMD_TARGET, .idx = i, .value = LB_TARGET_NEW | LB_TARGET_KEEP};
	}
	cmds[n++] = (struct lb_cmd){.type = LB_CMD_SERVICE, .object = in->service};
	cr_assert_eq(lb_dataplane_publish(in->dp, cmds, n, ++in->generation), 0);
}

void installation_await(struct installation *in,
			bool (*is_there)(struct installation *in, uint64_t arg), uint64_t arg)
{
	struct lb_event events[8];

	while (!is_there(in, arg)) {
		lb_dataplane_poll(in->dp, events, 8);
		sched_yield();
	}
}

bool installation_is_acked(struct installation *in, uint64_t generation)
{
	return lb_dataplane_acked(in->dp) >= generation;
}

bool installation_has_received(struct installation *in, uint64_t n)
{
	return installation_count(in, LB_COUNT_rx) >= n;
}

uint64_t installation_count(struct installation *in, enum lb_counter counter)
{
	uint64_t values[LB_COUNTER_N], sum = 0;

	for (uint32_t i = 0; i < lb_dataplane_n_workers(in->dp); i++) {
		lb_dataplane_counters(in->dp, i, values);
		sum += values[counter];
	}
	return sum;
}

void installation_halt(struct installation *in)
{
	uint64_t values[LB_COUNTER_N];

	lb_dataplane_halt(in->dp);
	for (uint32_t i = 0; i < lb_dataplane_n_workers(in->dp); i++) {
		lb_dataplane_counters(in->dp, i, values);
		cr_expect_eq(lb_counters_imbalance(values), 0, "worker %u", i);
	}
}

void installation_stop(struct installation *in)
{
	lb_dataplane_stop(in->dp);
	lb_service_free(in->service);
	lb_route_table_free(in->routes);
	free(in->nat_source);
}
