/* Services without an entry per connection: a farm whose servers come, go, drain and change their
 * weights while thousands of connections are open. What is asked of each packet is the promise
 * itself: it goes to the server that its connection was opened with. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/key.h"
#include "random.h"
#include "steer/maglev_table.h"
#include "steer/service_object.h"
#include "steer/settling_table.h"
#include "steer/stateless.h"
#include "world.h"

#define SERVERS 20u
#define SIZE 10007u
#define SETTLE_MS 300000u
#define SYN LB_TCP_SYN
#define ACK LB_TCP_ACK
#define FIN_ACK (LB_TCP_FIN | LB_TCP_ACK)
#define UP (LB_TARGET_NEW | LB_TARGET_KEEP)
#define NOBODY UINT32_MAX

struct farm {
	struct world w[2]; /* workers */
	uint32_t n_workers;
	struct test_random r;
	struct lb_service *svc;
	struct lb_service *replaced; /* kept for one change more, as by control */
	bool is_listed[SERVERS];
	uint32_t weight[SERVERS];
	uint32_t bits[SERVERS];
	uint8_t epoch[SERVERS];
	uint32_t size;
	uint8_t protocol;
	enum lb_scheduler scheduler;
};

static void tell(struct farm *f, enum lb_cmd_type type, uint32_t idx, const void *object,
		 uint64_t value)
{
	for (uint32_t i = 0; i < f->n_workers; i++)
		world_command(&f->w[i], type, idx, object, value);
}

/* What control does at a change, and when slots have settled. */
static void publish(struct farm *f)
{
	struct lb_maglev_server rows[SERVERS];
	struct lb_service_server servers[SERVERS];
	struct lb_port_range ports = {80, 80};
	struct lb_service_params params = {.protocol = f->protocol,
					   .forwarding = LB_FORWARD_DSR,
					   .scheduler = (uint8_t)f->scheduler,
					   .idle_timeout_ms = SETTLE_MS,
					   .is_stateless = true,
					   .settle_ms = SETTLE_MS,
					   .ports = &ports,
					   .n_ports = 1,
					   .servers = servers};
	uint32_t order[SERVERS], n = 0;
	struct lb_service *next;

	lb_addr_parse(WORLD_VIP, &params.vip);
	for (uint32_t i = 0; i < SERVERS; i++)
		if (f->is_listed[i])
			order[n++] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t other = test_random_below(&f->r, i), held = order[i - 1];

		order[i - 1] = order[other];
		order[other] = held;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = order[i];

		servers[i] = (struct lb_service_server){id, id, id, id, f->weight[id], 0};
		rows[i].addr = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000001 + id));
		rows[i].weight = f->weight[id];
	}
	params.n_servers = n;
	cr_assert_eq(lb_maglev_build(rows, n, f->size, &params.maglev), 0);
	cr_assert_eq(lb_settling_build(f->svc, &params, f->w[0].now_ms, &params.settling), 0);
	cr_assert_eq(lb_service_build(&params, &next, NULL), 0);
	lb_maglev_unref(params.maglev);
	tell(f, LB_CMD_SERVICE, 0, next, 0);
	lb_service_free(f->replaced);
	f->replaced = f->svc;
	f->svc = next;
}

static void set_real(struct farm *f, uint32_t i, bool in_use)
{
	struct lb_real real = {.addr = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000001 + i)),
			       .machine_id = i,
			       .next_hop = i + 1};

	f->epoch[i] = (uint8_t)(f->epoch[i] + in_use);
	real.epoch = f->epoch[i];
	real.in_use = in_use;
	tell(f, LB_CMD_REAL, i, &real, 0);
}

static void farm_open(struct farm *f, uint32_t n_workers, uint32_t n_connections, uint64_t seed)
{
	*f = (struct farm){.n_workers = n_workers,
			   .r = {seed},
			   .size = SIZE,
			   .protocol = IPPROTO_TCP,
			   .scheduler = LB_SCHED_MAGLEV};
	for (uint32_t i = 0; i < n_workers; i++)
		world_open(&f->w[i], &(struct world_options){.n_connections = n_connections,
							     .n_workers = n_workers,
							     .worker = i,
							     .seed = 1});
	for (uint32_t i = 0; i < SERVERS; i++) {
		struct lb_next_hop nh = {.mac = {2, 0, 0, 0, 2, (uint8_t)i}, .resolved = 1};

		f->is_listed[i] = true;
		f->weight[i] = 1;
		f->bits[i] = UP;
		set_real(f, i, true);
		tell(f, LB_CMD_NEXT_HOP, i + 1, &nh, 0);
		tell(f, LB_CMD_TARGET, i, NULL, UP);
	}
	publish(f);
}

static void farm_close(struct farm *f)
{
	for (uint32_t i = 0; i < f->n_workers; i++)
		world_close(&f->w[i]);
	lb_service_free(f->svc);
	lb_service_free(f->replaced);
}

static void set_bits(struct farm *f, uint32_t server, uint32_t bits)
{
	f->bits[server] = bits;
	tell(f, LB_CMD_TARGET, server, NULL, bits);
}

static void pass_time(struct farm *f, uint64_t ms)
{
	for (uint32_t i = 0; i < f->n_workers; i++)
		world_pass_time(&f->w[i], ms, 100);
	while (f->svc->settling != NULL &&
	       lb_settling_due_ms(f->svc->settling) <= f->w[0].now_ms)
		publish(f);
}

static uint32_t n_entries(const struct farm *f)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n_workers; i++)
		n += lb_pipeline_conns(f->w[i].pl);
	return n;
}

static uint64_t count(const struct farm *f, enum lb_counter counter)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < f->n_workers; i++)
		n += world_count(&f->w[i], counter);
	return n;
}

/* Sends at any worker; returns whose MAC the frame left with, NOBODY: it was not sent on. */
static uint32_t send_frame(struct farm *f, struct frame *frame)
{
	struct world *w = &f->w[test_random_below(&f->r, f->n_workers)];

	if (world_send(w, frame) == LB_VERDICT_HAND_OVER) {
		w = &f->w[w->last.owner];
		w->is_handed = true;
		world_send(w, frame);
		w->is_handed = false;
	}
	if (w->last.verdict != LB_VERDICT_TX || w->last.is_originated)
		return NOBODY;
	return *frame_at(frame, 5);
}

struct client {
	uint32_t number;
	uint16_t port;
	uint32_t server;
	uint64_t next_ms; /* when it speaks again */
	bool is_open;
};

static uint32_t speak(struct farm *f, const struct client *c, uint8_t flags)
{
	struct frame frame;
	char src[32];

	snprintf(src, sizeof(src), "198.18.%u.%u", c->number / 250, 1 + c->number % 250);
	if (f->protocol == IPPROTO_TCP)
		world_tcp(&frame, src, c->port, WORLD_VIP, 80, flags);
	else
		world_udp(&frame, src, c->port, WORLD_VIP, 80);
	return send_frame(f, &frame);
}

static struct lb_key key_of(const struct client *c)
{
	struct lb_tuple t = {.sport_be = rte_cpu_to_be_16(c->port), .dport_be = RTE_BE16(80)};
	struct lb_key key;
	char src[32];

	snprintf(src, sizeof(src), "198.18.%u.%u", c->number / 250, 1 + c->number % 250);
	lb_addr_parse(src, &t.src);
	lb_addr_parse(WORLD_VIP, &t.dst);
	lb_key_make(&t, IPPROTO_TCP, &key);
	return key;
}

/* The real id that the client's slot belongs to now. */
static uint32_t by_table(const struct farm *f, const struct client *c)
{
	struct lb_key key = key_of(c);
	uint64_t hash = lb_schedule_hash((uint8_t)f->scheduler, &key);
	uint32_t slot = (uint32_t)((hash >> 32) * f->svc->maglev->size >> 32);

	return f->svc->servers[lb_maglev_server_at(f->svc->maglev, slot)].real_id;
}

/* When it speaks next: sooner than slots settle (time goes on in steps), now and then hardly so. */
static void plan_next(struct farm *f, struct client *c)
{
	uint32_t most = test_random_below(&f->r, 4) != 0 ? SETTLE_MS / 4 : SETTLE_MS - 20000;

	c->next_ms = f->w[0].now_ms + 100 + test_random_below(&f->r, most - 100);
}

static void open_client(struct farm *f, struct client *c)
{
	uint32_t wanted;

	c->port = (uint16_t)(1024 + test_random_below(&f->r, 60000));
	c->server = speak(f, c, SYN);
	cr_assert_neq(c->server, NOBODY);
	wanted = by_table(f, c);
	cr_assert(f->is_listed[c->server] && f->bits[c->server] == UP);
	if (f->bits[wanted] == UP)
		cr_assert_eq(c->server, wanted, "a new client gets its slot's server of now");
	cr_assert_eq(speak(f, c, ACK), c->server);
	c->is_open = true;
	plan_next(f, c);
}

/* One of the changes that an operator, a monitor or a machine makes. */
static void change(struct farm *f, struct client *clients, uint32_t n_clients)
{
	uint32_t server = test_random_below(&f->r, SERVERS), n_up = 0;
	static const uint32_t states[] = {UP, UP, LB_TARGET_KEEP, 0};

	for (uint32_t i = 0; i < SERVERS; i++)
		n_up += f->is_listed[i] && f->bits[i] == UP && i != server;
	switch (test_random_below(&f->r, n_up < SERVERS / 2 ? 2 : 4)) {
	case 0: /* returns */
		if (!f->is_listed[server])
			set_real(f, server, true);
		f->is_listed[server] = true;
		set_bits(f, server, UP);
		publish(f);
		break;
	case 1:
		f->weight[server] = 1 + test_random_below(&f->r, 3);
		publish(f);
		break;
	case 2:
		set_bits(f, server, states[test_random_below(&f->r, 4)]);
		break;
	case 3: /* goes, and its connections with it */
		if (!f->is_listed[server])
			break;
		f->is_listed[server] = false;
		publish(f);
		set_real(f, server, false);
		for (uint32_t i = 0; i < n_clients; i++)
			if (clients[i].server == server)
				clients[i].is_open = false;
		break;
	}
}

struct story {
	uint32_t n_clients;
	uint32_t n_changes;
	uint32_t n_workers;
	uint32_t step_ms;
	uint32_t n_spoken, n_opened, most_entries;
};

static void run_step(struct farm *f, struct client *clients, struct story *s)
{
	for (uint32_t i = 0; i < s->n_clients; i++) {
		struct client *c = &clients[i];
		uint32_t server;

		if (!c->is_open) {
			open_client(f, c);
			s->n_opened++;
			continue;
		}
		if (c->next_ms > f->w[0].now_ms)
			continue;
		s->n_spoken++;
		if (test_random_below(&f->r, 100) == 0) {
			server = speak(f, c, FIN_ACK);
			c->is_open = false;
		} else {
			server = speak(f, c, ACK);
		}
		cr_assert_eq(server, c->server, "client %u has moved from %u to %u", i, c->server,
			     server);
		plan_next(f, c);
	}
	if (n_entries(f) > s->most_entries)
		s->most_entries = n_entries(f);
}

static void run(struct story *s, uint64_t seed)
{
	struct client *clients = calloc(s->n_clients, sizeof(*clients));
	struct farm *f = malloc(sizeof(*f));
	uint32_t quiet_entries;

	farm_open(f, s->n_workers, 2 * s->n_clients, seed);
	for (uint32_t i = 0; i < s->n_clients; i++)
		clients[i].number = i;
	run_step(f, clients, s);
	cr_expect_eq(n_entries(f), 0, "no change, no entry");
	for (uint32_t i = 0; i < s->n_changes; i++) {
		change(f, clients, s->n_clients);
		pass_time(f, s->step_ms);
		run_step(f, clients, s);
		/* A quiet time, in which slots settle, and many changes after it. */
		if (i % 100 == 99)
			for (uint64_t ms = 0; ms < SETTLE_MS + 10000; ms += s->step_ms) {
				pass_time(f, s->step_ms);
				run_step(f, clients, s);
			}
	}
	quiet_entries = n_entries(f);
	for (uint32_t i = 0; i < s->n_clients; i++)
		clients[i].next_ms = 0;
	run_step(f, clients, s);
	fprintf(stderr,
		"%u changes, %u workers: %u connections opened, %u packets of open ones, 0 moved; "
		"at most %u entries, %u when quiet; %llu adopted, %llu released\n",
		s->n_changes, s->n_workers, s->n_opened, s->n_spoken, s->most_entries,
		quiet_entries, (unsigned long long)count(f, LB_COUNT_conn_adopted),
		(unsigned long long)count(f, LB_COUNT_conn_released));
	cr_expect_gt(count(f, LB_COUNT_conn_adopted), 0);
	cr_expect_gt(count(f, LB_COUNT_conn_released), 0);
	cr_expect_eq(count(f, LB_COUNT_conn_evicted_closed), 0);
	cr_expect_eq(count(f, LB_COUNT_conn_evicted_embryonic), 0);
	cr_expect_eq(count(f, LB_COUNT_conn_evicted_idle), 0);
	farm_close(f);
	free(f);
	free(clients);
}

Test(stateless, ten_thousand_connections_through_300_changes_none_moves)
{
	struct story s = {
		.n_clients = 10000, .n_changes = 300, .n_workers = 1, .step_ms = 10000};

	run(&s, test_seed("stateless"));
	cr_expect_leq(s.most_entries, s.n_clients + s.n_clients / 2,
		      "entries stay within the connections that are open, and those just closed");
}

Test(stateless, whichever_of_two_workers_a_packet_meets_none_moves)
{
	struct story s = {.n_clients = 2000, .n_changes = 200, .n_workers = 2, .step_ms = 10000};

	run(&s, test_seed("stateless of two"));
}
