/* Two workers over one port: whatever queue a packet comes by, its connection's worker gets it. */
#include "capture.h"
#include "clients.h"
#include "installation.h"
#include "random.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#define SYN_ACK (LB_TCP_SYN | LB_TCP_ACK)

static void start(struct installation *in, const struct installation_options *options)
{
	struct lb_error err;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		cr_skip_test("one core");
	cr_assert_eq(installation_try(in, options, &err), 0, "%s: %s", err.where, err.what);
	cr_assert_eq(lb_dataplane_n_workers(in->dp), 2);
	installation_publish(in);
	installation_await(in, installation_is_acked, in->generation);
}

static void inject(struct installation *in, struct frame *f)
{
	while (lb_dataplane_inject(in->dp, 0, frame_at(f, 0), f->len) != 0)
		lb_dataplane_poll(in->dp, NULL, 0);
}

/* net_ring brings back to a worker what it sends, and what is no packet of a connection goes to
 * the kernel: so everything that leaves can be read here. Waits for the next. */
static uint32_t next_sent(struct installation *in, uint8_t *bytes, size_t size)
{
	uint32_t iface;
	size_t len;

	do
		len = lb_dataplane_punt_read(in->dp, &iface, bytes, size);
	while (len == 0);
	cr_assert_leq(len, size);
	cr_assert_null(frame_verify(bytes, (uint32_t)len), "%s",
		       frame_verify(bytes, (uint32_t)len));
	return (uint32_t)len;
}

static uint16_t port_at(const uint8_t *bytes, uint32_t off)
{
	return (uint16_t)(bytes[off] << 8 | bytes[off + 1]);
}

/* Turns the frame that a server got into its answer. */
static void answer(struct frame *f, const uint8_t *got)
{
	char server[LB_ADDR_TEXT_MAX], source[LB_ADDR_TEXT_MAX];

	snprintf(server, sizeof(server), "%u.%u.%u.%u", got[30], got[31], got[32], got[33]);
	snprintf(source, sizeof(source), "%u.%u.%u.%u", got[26], got[27], got[28], got[29]);
	frame_eth(f);
	frame_ipv4(f, server, source);
	frame_tcp(f, port_at(got, 36), port_at(got, 34), SYN_ACK);
	frame_finish(f);
}

static void expect_both_work(struct installation *in, uint64_t n_conns)
{
	uint64_t in_total = installation_count(in, LB_COUNT_handed_in), counters[LB_COUNTER_N];

	cr_expect_eq(installation_count(in, LB_COUNT_conn_created), n_conns);
	cr_expect_gt(in_total, 0);
	cr_expect_eq(in_total, installation_count(in, LB_COUNT_handed_out));
	for (uint32_t i = 0; i < 2; i++) {
		lb_dataplane_counters(in->dp, i, counters);
		cr_expect_gt(counters[LB_COUNT_conn_created], n_conns / 8, "worker %u", i);
	}
}

/* Every client's SYN and every server's answer come in by worker 0's queue. */
static void converse(enum lb_forwarding forwarding)
{
	struct installation_options options = {
		.device = "vdev:net_ring0", .n_workers = 2, .forwarding = forwarding};
	uint8_t got[CLIENTS_N][128], bytes[128];
	bool is_answered[CLIENTS_N] = {false};
	struct lb_port_info info;
	struct installation in;
	struct frame f;

	start(&in, &options);
	for (uint32_t i = 0; i < CLIENTS_N; i++) {
		clients_syn(&f, i);
		inject(&in, &f);
		next_sent(&in, got[i], sizeof(got[i]));
	}
	for (uint32_t i = 0; i < CLIENTS_N; i++) {
		uint32_t client;

		answer(&f, got[i]);
		inject(&in, &f);
		next_sent(&in, bytes, sizeof(bytes));
		cr_assert(memcmp(bytes + 26, "\xc0\x00\x02\x0a", 4) == 0 &&
				  port_at(bytes, 34) == 80,
			  "not from the virtual service");
		client = bytes[33] - 1u;
		cr_assert(client < CLIENTS_N && port_at(bytes, 36) == 40000 + client);
		cr_expect_eq(is_answered[client], false);
		is_answered[client] = true;
	}
	installation_halt(&in);
	expect_both_work(&in, CLIENTS_N);
	cr_expect_eq(installation_count(&in, LB_COUNT_drop_no_connection), 0);
	cr_expect_eq(installation_count(&in, LB_COUNT_drop_hand_over_again), 0);
	cr_assert_eq(lb_dataplane_port_info(in.dp, 0, &info), 0);
	cr_expect_str_eq(info.replies,
			 "handed over in software to the owner (fullnat replies: of the NAT port, "
			 "the rest: of the client by Toeplitz), because the device does not say "
			 "how it chooses the queue");
	installation_stop(&in);
}

Test(workers, fullnat_conversations_find_their_worker, .timeout = 60)
{
	converse(LB_FORWARD_FULLNAT);
}

Test(workers, nat_conversations_find_their_worker, .timeout = 60)
{
	converse(LB_FORWARD_NAT);
}

static bool has_sent_all(struct installation *in, uint64_t n)
{
	return installation_count(in, LB_COUNT_tx) >= n &&
	       installation_count(in, LB_COUNT_handed_in) ==
		       installation_count(in, LB_COUNT_handed_out);
}

/* net_pcap has one queue each way: the second worker receives and sends through the first. */
Test(workers, one_queue_serves_two_workers, .timeout = 60)
{
	char path[128], device[LB_DEVICE_MAX];
	struct installation_options options = {.n_workers = 2};
	uint64_t second[LB_COUNTER_N];
	struct lb_worker_info info;
	struct lb_port_info port;
	struct installation in;

	clients_make_folder();
	clients_write();
	options.device = clients_device("out.pcap", device);
	start(&in, &options);
	installation_await(&in, has_sent_all, CLIENTS_N);
	installation_halt(&in);
	expect_both_work(&in, CLIENTS_N);
	lb_dataplane_counters(in.dp, 1, second);
	cr_expect(second[LB_COUNT_rx] == 0 && second[LB_COUNT_tx] == 0);
	cr_expect_eq(second[LB_COUNT_handed_out], second[LB_COUNT_conn_created]);
	for (uint32_t i = 0; i < 2; i++) {
		lb_dataplane_worker_info(in.dp, i, &info);
		cr_expect_eq(info.entries_max, 10000, "two for each of half of 10000");
	}
	cr_assert_eq(lb_dataplane_port_info(in.dp, 0, &port), 0);
	cr_expect(strstr(port.replies, "because the device has one receive queue; transmit queues: "
				       "1 for 2 workers") != NULL,
		  "%s", port.replies);
	installation_stop(&in);
	clients_check(clients_path("out.pcap", path));
	clients_remove_folder();
}

/* --- order --- */

#define DATA_N 7u /* of each client, behind its SYN; a ring between workers holds all of one half */

/* Which packet of which client it is stands in its sequence number. */
static void write_packet(FILE *file, uint32_t client, uint32_t n)
{
	char src[LB_ADDR_TEXT_MAX];
	struct frame f;

	snprintf(src, sizeof(src), "198.51.100.%u", 1 + client);
	frame_eth(&f);
	frame_ipv4(&f, src, INSTALLATION_VIP);
	frame_tcp(&f, (uint16_t)(40000 + client), INSTALLATION_PORT,
		  n == 0 ? LB_TCP_SYN : LB_TCP_ACK);
	frame_tcp_numbers(&f, client << 16 | n, 1);
	frame_finish(&f);
	capture_write(file, frame_at(&f, 0), f.len);
}

/* All SYNs, then the rest of every client's packets in their order, mixed at random. */
static void write_mixed(uint64_t seed)
{
	uint32_t next[CLIENTS_N], open[CLIENTS_N], n_open = CLIENTS_N;
	struct test_random r = {seed};
	char path[128];
	FILE *file = capture_create(clients_path("in.pcap", path));

	for (uint32_t i = 0; i < CLIENTS_N; i++) {
		write_packet(file, i, 0);
		next[i] = 1;
		open[i] = i;
	}
	while (n_open > 0) {
		uint32_t at = test_random_below(&r, n_open), client = open[at];

		write_packet(file, client, next[client]++);
		if (next[client] > DATA_N)
			open[at] = open[--n_open];
	}
	fclose(file);
}

/* What comes of each client leaves in the same order. */
static void check_order(uint64_t n_sent)
{
	uint32_t last[CLIENTS_N] = {0}, len;
	uint64_t n = 0;
	char path[128];
	FILE *file = capture_open(clients_path("out.pcap", path));
	uint8_t b[2048];

	while ((len = capture_read(file, b, sizeof(b))) > 0) {
		uint32_t seq = (uint32_t)b[38] << 24 | (uint32_t)b[39] << 16 |
			       (uint32_t)b[40] << 8 | b[41];
		uint32_t client = seq >> 16;

		cr_assert_lt(client, CLIENTS_N);
		cr_assert_eq(seq & 0xffffu, last[client], "client %u: %u in place of %u", client,
			     seq & 0xffffu, last[client]);
		last[client]++;
		n++;
	}
	fclose(file);
	cr_expect_eq(n, n_sent);
}

static void keep_order(enum lb_forwarding forwarding)
{
	const uint64_t n_all = CLIENTS_N * (1 + DATA_N);
	char device[LB_DEVICE_MAX];
	struct installation_options options = {.n_workers = 2, .forwarding = forwarding};
	struct installation in;

	clients_make_folder();
	write_mixed(test_seed("keep_order"));
	options.device = clients_device("out.pcap", device);
	start(&in, &options);
	installation_await(&in, has_sent_all, n_all);
	installation_halt(&in);
	expect_both_work(&in, CLIENTS_N);
	cr_expect_geq(installation_count(&in, LB_COUNT_handed_in), n_all / 8);
	cr_expect_eq(installation_count(&in, LB_COUNT_drop_hand_over_full), 0);
	installation_stop(&in);
	check_order(n_all);
	clients_remove_folder();
}

Test(workers, fullnat_packets_leave_in_their_order_through_the_rings, .timeout = 60)
{
	keep_order(LB_FORWARD_FULLNAT);
}

Test(workers, nat_packets_leave_in_their_order_through_the_rings, .timeout = 60)
{
	keep_order(LB_FORWARD_NAT);
}

Test(workers, the_limit_is_split_evenly, .timeout = 60)
{
	struct installation_options options = {
		.device = "vdev:net_null0", .n_workers = 2, .n_connections = 1001};
	struct lb_worker_info info;
	struct installation in;

	start(&in, &options);
	for (uint32_t i = 0; i < 2; i++) {
		lb_dataplane_worker_info(in.dp, i, &info);
		cr_expect_eq(info.entries_max, 2 * 501, "rounded up");
	}
	installation_halt(&in);
	installation_stop(&in);
}
