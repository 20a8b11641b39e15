#include "capture.h"
#include "clients.h"
#include "installation.h"
#include "steer/nat_source.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_looped(struct installation *in, uint64_t n)
{
	struct lb_worker_info info;

	lb_dataplane_worker_info(in->dp, 0, &info);
	return info.loops >= n;
}

Test(dataplane, processes_a_capture_from_its_first_packet, .timeout = 60)
{
	char path[128], device[LB_DEVICE_MAX];
	uint8_t punted[2048];
	struct installation in;
	struct frame arp;
	uint32_t iface = 9;

	clients_make_folder();
	clients_write();
	installation_start(&in, clients_device("out.pcap", device));
	/* Nothing is taken before a generation is acknowledged, however long the worker runs. */
	installation_await(&in, has_looped, 500);
	cr_expect_eq(installation_count(&in, LB_COUNT_rx), 0);
	installation_publish(&in);
	installation_await(&in, installation_has_received, CLIENTS_N + 1);
	installation_halt(&in);
	cr_expect_eq(lb_dataplane_poll(in.dp, NULL, 0), 0);
	cr_expect_eq(lb_dataplane_acked(in.dp), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_rx), CLIENTS_N + 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_tx), CLIENTS_N);
	cr_expect_eq(installation_count(&in, LB_COUNT_punted), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_conn_created), CLIENTS_N);
	clients_arp(&arp);
	cr_expect_eq(lb_dataplane_punt_read(in.dp, &iface, punted, sizeof(punted)), arp.len);
	cr_expect(iface == 0 && memcmp(punted, frame_at(&arp, 0), arp.len) == 0);
	cr_expect_eq(lb_dataplane_punt_read(in.dp, &iface, punted, sizeof(punted)), 0);
	installation_stop(&in);
	clients_check(clients_path("out.pcap", path));
	clients_remove_folder();
}

/* --- net_ring: what is sent comes back in --- */

static void inject(struct installation *in, struct frame *f)
{
	cr_assert_eq(lb_dataplane_inject(in->dp, 0, frame_at(f, 0), f->len), 0);
}

static bool has_punted(struct installation *in, uint64_t n)
{
	return installation_count(in, LB_COUNT_punted) >= n;
}

Test(dataplane, frames_of_the_kernel_are_sent_and_strangers_go_back_to_it, .timeout = 60)
{
	struct installation in;
	struct frame arp;
	uint8_t punted[2048];
	uint32_t iface;

	installation_start(&in, "vdev:net_ring0");
	installation_publish(&in);
	clients_arp(&arp);
	inject(&in, &arp);
	installation_await(&in, has_punted, 1);
	/* A frame is counted a little before it is in the ring; a halted worker has done both. */
	installation_halt(&in);
	cr_expect_eq(lb_dataplane_punt_read(in.dp, &iface, punted, 20), arp.len, "whole length");
	cr_expect(memcmp(punted, frame_at(&arp, 0), 20) == 0);
	cr_expect_eq(lb_dataplane_inject(in.dp, 1, frame_at(&arp, 0), arp.len), -EINVAL);
	cr_expect_eq(lb_dataplane_inject(in.dp, 0, frame_at(&arp, 0), 0), -EINVAL);
	cr_expect_eq(lb_dataplane_inject(in.dp, 0, frame_at(&arp, 0), 70000), -EINVAL);
	cr_expect_eq(installation_count(&in, LB_COUNT_injected), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_tx), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_rx), 1);
	installation_stop(&in);
}

static bool has_injected(struct installation *in, uint64_t n)
{
	return installation_count(in, LB_COUNT_injected) >= n;
}

Test(dataplane, a_full_transmit_queue_is_a_counted_drop, .timeout = 60)
{
	enum { N = 5000 };
	struct installation in;
	struct frame arp;
	uint32_t iface;
	uint64_t sent;

	installation_start(&in, "vdev:net_ring0");
	clients_arp(&arp);
	/* The worker sends but does not poll yet, so that the device's ring fills. */
	for (uint32_t i = 0; i < N;) {
		int rc = lb_dataplane_inject(in.dp, 0, frame_at(&arp, 0), arp.len);

		cr_assert(rc == 0 || rc == -ENOBUFS);
		i += rc == 0;
	}
	installation_await(&in, has_injected, N);
	/* The acknowledgement comes after the last of them has been sent or dropped for good. */
	installation_publish(&in);
	installation_await(&in, installation_is_acked, in.generation);
	sent = installation_count(&in, LB_COUNT_tx);
	cr_expect(sent > 0 && sent < N);
	cr_expect_eq(installation_count(&in, LB_COUNT_drop_tx_full), N - sent);
	installation_await(&in, installation_has_received, sent);
	installation_halt(&in);
	for (uint64_t i = 0; i < sent; i++)
		cr_assert_eq(lb_dataplane_punt_read(in.dp, &iface, arp.room, 64), 60);
	installation_stop(&in);
}

static bool has_dropped_unresolved(struct installation *in, uint64_t n)
{
	return installation_count(in, LB_COUNT_drop_next_hop_unresolved) >= n;
}

Test(dataplane, an_unresolved_next_hop_is_asked_for, .timeout = 60)
{
	struct lb_cmd cmd = {.type = LB_CMD_NEXT_HOP};
	struct lb_event event = {0};
	struct installation in;
	struct frame f;

	installation_start(&in, "vdev:net_ring0");
	installation_publish(&in);
	for (uint32_t i = 0; i < INSTALLATION_REALS; i++) {
		in.next_hops[i].resolved = 0;
		cmd.idx = i + 1;
		cmd.object = &in.next_hops[i];
		cr_assert_eq(lb_dataplane_publish(in.dp, &cmd, 1, ++in.generation), 0);
	}
	installation_await(&in, installation_is_acked, in.generation);
	clients_syn(&f, 1);
	inject(&in, &f);
	while (lb_dataplane_poll(in.dp, &event, 1) == 0)
		;
	cr_expect_eq(event.type, LB_EVENT_RESOLVE);
	cr_expect(event.value == 1 || event.value == 2);
	installation_await(&in, has_dropped_unresolved, 1);
	installation_halt(&in);
	installation_stop(&in);
}

/* --- net_null: traffic without end --- */

Test(dataplane, thousands_of_commands_arrive_under_traffic, .timeout = 60)
{
	enum { N = 20000 };
	struct lb_worker_info info;
	struct installation in;
	struct lb_cmd *cmds;
	size_t n_queued;

	installation_start(&in, "vdev:net_null0");
	installation_publish(&in);
	installation_await(&in, installation_has_received, 10000);
	cmds = calloc(N, sizeof(*cmds));
	cr_assert_not_null(cmds);
	for (uint32_t i = 0; i < N; i++)
		cmds[i] = (struct lb_cmd){.type = LB_CMD_TARGET, .idx = i, .value = i % 4};
	for (uint32_t round = 0; round < 5; round++)
		cr_assert_eq(lb_dataplane_publish(in.dp, cmds, N, ++in.generation), 0);
	lb_dataplane_worker_acked(in.dp, 0, &n_queued);
	cr_expect_gt(n_queued, N, "the ring took all at once");
	installation_await(&in, installation_is_acked, in.generation);
	lb_dataplane_worker_acked(in.dp, 0, &n_queued);
	cr_expect_eq(n_queued, 0);
	installation_halt(&in);
	lb_dataplane_worker_info(in.dp, 0, &info);
	cr_expect(info.busy_tsc > 0 && info.busy_tsc <= info.total_tsc && info.tsc_hz > 0);
	cr_expect_gt(installation_count(&in, LB_COUNT_drop_punt_full), 0, "nobody reads the ring");
	free(cmds);
	installation_stop(&in);
}

/* --- more for the kernel than it takes --- */

static uint32_t read_punted(struct installation *in, const char *from)
{
	uint8_t frame[2048];
	rte_be32_t src_be = lb_addr_v4(&in->reals[0].addr);
	uint32_t iface, n = 0;
	size_t len;

	while ((len = lb_dataplane_punt_read(in->dp, &iface, frame, sizeof(frame))) > 0)
		n += from == NULL || (len >= 34 && memcmp(frame + 26, &src_be, 4) == 0);
	return n;
}

/* A flood in front of the answers to a probe: nobody reads meanwhile, and they are all there. */
Test(dataplane, a_flood_leaves_room_for_what_is_awaited, .timeout = 60)
{
	enum { FLOOD = 20000, ANSWERS = 1000 };
	char path[128], device[LB_DEVICE_MAX];
	struct installation in;
	struct frame ping, answer;
	FILE *f;

	clients_make_folder();
	f = capture_create(clients_path("in.pcap", path));
	frame_eth(&ping);
	frame_ipv4(&ping, "198.51.100.7", "192.0.2.2");
	frame_icmp(&ping, 8, 0, 1);
	frame_finish(&ping);
	frame_eth(&answer);
	frame_ipv4(&answer, "192.0.2.11", "192.0.2.2");
	frame_tcp(&answer, 80, 40000, LB_TCP_SYN | LB_TCP_ACK);
	frame_finish(&answer);
	for (uint32_t i = 0; i < FLOOD; i++)
		capture_write(f, frame_at(&ping, 0), ping.len);
	for (uint32_t i = 0; i < ANSWERS; i++)
		capture_write(f, frame_at(&answer, 0), answer.len);
	fclose(f);
	installation_start(&in, clients_device("out.pcap", device));
	installation_publish(&in);
	installation_await(&in, installation_has_received, FLOOD + ANSWERS);
	installation_halt(&in);
	cr_expect_gt(installation_count(&in, LB_COUNT_drop_punt_full), FLOOD / 4);
	cr_expect_eq(installation_count(&in, LB_COUNT_drop_punt_full) +
			     installation_count(&in, LB_COUNT_punted),
		     FLOOD + ANSWERS);
	cr_expect_eq(read_punted(&in, "server"), ANSWERS);
	installation_stop(&in);
	clients_remove_folder();
}

Test(dataplane, stops_with_commands_still_queued, .timeout = 60)
{
	struct lb_cmd cmds[9000] = {{.type = LB_CMD_TARGET}};
	struct installation in;

	installation_start(&in, "vdev:net_null0");
	for (uint32_t round = 0; round < 20; round++)
		cr_assert_eq(lb_dataplane_publish(in.dp, cmds, 9000, ++in.generation), 0);
	installation_halt(&in);
	installation_stop(&in);
}

Test(dataplane, says_what_a_port_is, .timeout = 60)
{
	struct installation_options options = {.device = "vdev:net_null0",
					       .device2 = "vdev:net_ring0"};
	struct lb_port_info info;
	struct installation in;
	struct lb_error err;

	cr_assert_eq(installation_try(&in, &options, &err), 0, "%s", err.what);
	cr_expect_eq(lb_dataplane_port_info(in.dp, 0, &info), 0);
	cr_expect_str_eq(info.driver, "net_null");
	cr_expect(info.mtu == 1500 && info.link_up && info.n_rx_queues == 1);
	cr_expect_eq(lb_dataplane_port_info(in.dp, 1, &info), 0);
	cr_expect_str_eq(info.driver, "net_ring");
	cr_expect_eq(lb_dataplane_port_info(in.dp, 2, &info), -EINVAL);
	installation_halt(&in);
	installation_stop(&in);
}

/* --- several workers --- */

static bool has_handed_in(struct installation *in, uint64_t n)
{
	return installation_count(in, LB_COUNT_handed_in) >= n;
}

Test(dataplane, a_reply_is_handed_over_to_the_worker_that_owns_its_port, .timeout = 60)
{
	struct installation_options options = {.device = "vdev:net_ring0", .n_workers = 2};
	uint64_t first[LB_COUNTER_N], second[LB_COUNTER_N];
	struct installation in;
	struct lb_error err;
	uint16_t port = 20000;
	struct frame f;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		cr_skip_test("one core");
	cr_assert_eq(installation_try(&in, &options, &err), 0, "%s: %s", err.where, err.what);
	installation_publish(&in);
	installation_await(&in, installation_is_acked, in.generation);
	while (lb_nat_source_owner(in.nat_source, rte_cpu_to_be_16(port), 2) != 1)
		port++;
	frame_eth(&f);
	frame_ipv4(&f, "192.0.2.11", INSTALLATION_VIP);
	frame_tcp(&f, INSTALLATION_PORT, port, LB_TCP_ACK);
	frame_finish(&f);
	/* Worker 0 sends it and receives it again on its own queue. */
	inject(&in, &f);
	installation_await(&in, has_handed_in, 1);
	installation_halt(&in);
	lb_dataplane_counters(in.dp, 0, first);
	lb_dataplane_counters(in.dp, 1, second);
	cr_expect_eq(first[LB_COUNT_handed_out], 1);
	cr_expect_eq(second[LB_COUNT_handed_in], 1);
	cr_expect_eq(second[LB_COUNT_drop_no_connection], 1);
	installation_stop(&in);
}
