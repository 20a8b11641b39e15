#include "capture.h"
#include "frame.h"
#include "installation.h"
#include "steer/nat_source.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_CLIENTS 200u

/* The file of a test's own folder; the folder goes with the test's end. */
static char folder[] = "/tmp/ballast-eal-XXXXXX";

static const char *in_folder(const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", folder, name);
	return path;
}

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	static const char *const names[] = {"in.pcap", "out.pcap", "out2.pcap"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_folder(names[i], path));
	rmdir(folder);
}

static const char *pcap_device(const char *out, char device[LB_DEVICE_MAX])
{
	snprintf(device, LB_DEVICE_MAX, "vdev:net_pcap0,rx_pcap=%s/in.pcap,tx_pcap=%s/%s", folder,
		 folder, out);
	return device;
}

static void make_syn(struct frame *f, uint32_t client)
{
	char src[LB_ADDR_TEXT_MAX];

	snprintf(src, sizeof(src), "198.51.100.%u", 1 + client);
	frame_eth(f);
	frame_ipv4(f, src, INSTALLATION_VIP);
	frame_tcp(f, (uint16_t)(40000 + client), INSTALLATION_PORT, LB_TCP_SYN);
	frame_finish(f);
}

static void make_arp(struct frame *f)
{
	frame_eth(f);
	frame_ethertype(f, 0x0806);
	frame_fill(f, 28);
	frame_pad(f, 60);
}

/* One SYN of each client, then one frame that is the kernel's. */
static void write_clients(void)
{
	struct frame f;
	char path[128];
	FILE *file = capture_create(in_folder("in.pcap", path));

	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		make_syn(&f, i);
		capture_write(file, frame_at(&f, 0), f.len);
	}
	make_arp(&f);
	capture_write(file, frame_at(&f, 0), f.len);
	fclose(file);
}

static bool has_looped(struct installation *in, uint64_t n)
{
	struct lb_worker_info info;

	lb_dataplane_worker_info(in->dp, 0, &info);
	return info.loops >= n;
}

/* Every frame sound, from the VIP to a server in turn, each from a port of its own. */
static void check_output(const char *path)
{
	uint32_t n = 0, to[INSTALLATION_REALS] = {0}, len;
	uint8_t ports[65536] = {0};
	FILE *file = capture_open(path);
	uint8_t b[2048];

	while ((len = capture_read(file, b, sizeof(b))) > 0) {
		uint16_t sport = (uint16_t)(b[34] << 8 | b[35]);
		uint32_t real = b[33] - 11u;

		cr_assert(len <= sizeof(b) && frame_verify(b, len) == NULL, "frame %u: %s", n,
			  frame_verify(b, len));
		cr_expect(b[26] == 192 && b[27] == 0 && b[28] == 2 && b[29] == 10, "source");
		cr_assert_lt(real, INSTALLATION_REALS, "destination");
		cr_expect_eq(b[5], 11 + real, "MAC of the server");
		cr_expect_eq(ports[sport]++, 0, "port %u twice", sport);
		to[real]++;
		n++;
	}
	fclose(file);
	cr_expect_eq(n, N_CLIENTS);
	cr_expect_eq(to[0], N_CLIENTS / 2);
	cr_expect_eq(to[1], N_CLIENTS / 2);
}

Test(dataplane, processes_a_capture_from_its_first_packet, .timeout = 60)
{
	char path[128], device[LB_DEVICE_MAX];
	uint8_t punted[2048];
	struct installation in;
	struct frame arp;
	uint32_t iface = 9;

	make_folder();
	write_clients();
	installation_start(&in, pcap_device("out.pcap", device));
	/* Nothing is taken before a generation is acknowledged, however long the worker runs. */
	installation_await(&in, has_looped, 500);
	cr_expect_eq(installation_count(&in, LB_COUNT_rx), 0);
	installation_publish(&in);
	installation_await(&in, installation_has_received, N_CLIENTS + 1);
	installation_halt(&in);
	cr_expect_eq(lb_dataplane_poll(in.dp, NULL, 0), 0);
	cr_expect_eq(lb_dataplane_acked(in.dp), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_rx), N_CLIENTS + 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_tx), N_CLIENTS);
	cr_expect_eq(installation_count(&in, LB_COUNT_punted), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_conn_created), N_CLIENTS);
	make_arp(&arp);
	cr_expect_eq(lb_dataplane_punt_read(in.dp, &iface, punted, sizeof(punted)), arp.len);
	cr_expect(iface == 0 && memcmp(punted, frame_at(&arp, 0), arp.len) == 0);
	cr_expect_eq(lb_dataplane_punt_read(in.dp, &iface, punted, sizeof(punted)), 0);
	installation_stop(&in);
	check_output(in_folder("out.pcap", path));
	remove_folder();
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
	make_arp(&arp);
	inject(&in, &arp);
	installation_await(&in, has_punted, 1);
	cr_expect_eq(lb_dataplane_punt_read(in.dp, &iface, punted, 20), arp.len, "whole length");
	cr_expect(memcmp(punted, frame_at(&arp, 0), 20) == 0);
	cr_expect_eq(lb_dataplane_inject(in.dp, 1, frame_at(&arp, 0), arp.len), -EINVAL);
	cr_expect_eq(lb_dataplane_inject(in.dp, 0, frame_at(&arp, 0), 0), -EINVAL);
	cr_expect_eq(lb_dataplane_inject(in.dp, 0, frame_at(&arp, 0), 70000), -EINVAL);
	installation_halt(&in);
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
	make_arp(&arp);
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
	make_syn(&f, 1);
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

/* --- what does not fit a view --- */

Test(dataplane, a_frame_in_several_buffers_is_dropped_by_name, .timeout = 60)
{
	char path[128], device[LB_DEVICE_MAX];
	struct installation in;
	struct frame f;
	FILE *file;

	make_folder();
	file = capture_create(in_folder("in.pcap", path));
	frame_eth(&f);
	frame_ipv4(&f, "198.51.100.1", INSTALLATION_VIP);
	frame_tcp(&f, 40000, INSTALLATION_PORT, LB_TCP_SYN);
	frame_fill(&f, 3000);
	frame_finish(&f);
	capture_write(file, frame_at(&f, 0), f.len);
	make_syn(&f, 1);
	capture_write(file, frame_at(&f, 0), f.len);
	fclose(file);
	installation_start(&in, pcap_device("out.pcap", device));
	installation_publish(&in);
	installation_await(&in, installation_has_received, 2);
	installation_halt(&in);
	cr_expect_eq(installation_count(&in, LB_COUNT_drop_too_large), 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_tx), 1);
	installation_stop(&in);
	remove_folder();
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

/* --- processes of their own, because EAL starts once in each --- */

struct outcome {
	int rc;
	struct lb_error err;
};

static struct outcome start_in_child(const struct installation_options *options)
{
	struct outcome outcome = {.rc = 1};
	int fds[2], status;
	pid_t child;

	cr_assert_eq(pipe(fds), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		struct installation in;

		outcome.rc = installation_try(&in, options, &outcome.err);
		lb_dataplane_stop(in.dp);
		_exit(write(fds[1], &outcome, sizeof(outcome)) == (ssize_t)sizeof(outcome) ? 0 : 1);
	}
	close(fds[1]);
	cr_expect_eq(read(fds[0], &outcome, sizeof(outcome)), (ssize_t)sizeof(outcome));
	close(fds[0]);
	cr_expect(waitpid(child, &status, 0) == child && status == 0, "the child ended badly");
	return outcome;
}

Test(dataplane, what_cannot_start_is_refused_by_name, .timeout = 120)
{
	static const struct {
		struct installation_options options;
		int rc;
		const char *where;
		const char *what;
	} cases[] = {
		{{.device = "vdev:net_nothing0"},
		 -ENODEV,
		 "/node/interfaces/0/device",
		 "net_nothing0"},
		{{.device = "vdev:net_pcap0,rx_pcap=/nowhere/in.pcap,tx_iface=lo"},
		 -ENODEV,
		 "/node/interfaces/0/device",
		 "net_pcap0"},
		{{.device = "vdev:"}, -EINVAL, "/node/interfaces/0/device", "after vdev:"},
		{{.device = "vdev:net_null0", .device2 = "vdev:net_nothing1"},
		 -ENODEV,
		 "/node/interfaces/1/device",
		 "net_nothing1"},
		{{.device = "vdev:net_null0", .device2 = "enp3s0"},
		 -EINVAL,
		 "/node/interfaces/1/device",
		 "a device is"},
		{{.device = "0000:7f:1f.7"}, -EINVAL, "--no-pci", "0000:7f:1f.7"},
		{{.device = "af_xdp:runtime-none"},
		 -ENODEV,
		 "/node/interfaces/0/device",
		 "no such network device"},
		{{.device = "vdev:net_null0", .n_connections = 2000000000},
		 -ENOMEM,
		 "/node/limits/connections",
		 "2000000000 need"},
		{{.device = "vdev:net_null0"}, 0, "", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome got = start_in_child(&cases[i].options);

		cr_expect_eq(got.rc, cases[i].rc, "case %zu: %d, %s", i, got.rc, got.err.what);
		if (cases[i].rc == 0)
			continue;
		cr_expect_str_eq(got.err.where, cases[i].where, "case %zu", i);
		cr_expect(strstr(got.err.what, cases[i].what) != NULL, "case %zu: %s", i,
			  got.err.what);
	}
}

Test(dataplane, more_workers_than_queues_are_refused_or_left_out, .timeout = 60)
{
	char path[128], device[LB_DEVICE_MAX];
	struct installation_options options = {.device = pcap_device("out.pcap", device),
					       .n_workers = 2};
	struct installation in;
	struct outcome got;
	struct lb_error err;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		cr_skip_test("one core");
	make_folder();
	fclose(capture_create(in_folder("in.pcap", path)));
	options.device = pcap_device("out.pcap", device);
	got = start_in_child(&options);
	cr_expect_eq(got.rc, -EINVAL);
	cr_expect_str_eq(got.err.where, "/node/workers");
	options.is_auto = true;
	cr_assert_eq(installation_try(&in, &options, &err), 0, "%s", err.what);
	cr_expect_eq(lb_dataplane_n_workers(in.dp), 1);
	installation_stop(&in);
	remove_folder();
}

/* A whole run of a capture in a child; the child waits at both gates, if there are any. */
static pid_t run_capture(const char *out, const int *gates)
{
	char device[LB_DEVICE_MAX], go;
	struct installation in;
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child != 0)
		return child;
	installation_start(&in, pcap_device(out, device));
	if (gates != NULL && (write(gates[1], "x", 1) != 1 || read(gates[2], &go, 1) != 1))
		_exit(1);
	installation_publish(&in);
	installation_await(&in, installation_has_received, N_CLIENTS + 1);
	installation_halt(&in);
	installation_stop(&in);
	_exit(0);
}

static void await_child(pid_t child)
{
	int status;

	cr_expect(waitpid(child, &status, 0) == child && status == 0, "the child ended badly");
}

Test(dataplane, two_instances_of_one_user_run_side_by_side, .timeout = 60)
{
	int ready[2], go[2];
	pid_t children[2];
	char path[128], c;

	make_folder();
	write_clients();
	cr_assert(pipe(ready) == 0 && pipe(go) == 0);
	for (uint32_t i = 0; i < 2; i++) {
		const int gates[3] = {0, ready[1], go[0]};

		children[i] = run_capture(i == 0 ? "out.pcap" : "out2.pcap", gates);
	}
	/* Both have started before either goes on. */
	cr_assert(read(ready[0], &c, 1) == 1 && read(ready[0], &c, 1) == 1);
	cr_assert_eq(write(go[1], "xx", 2), 2);
	await_child(children[0]);
	await_child(children[1]);
	check_output(in_folder("out.pcap", path));
	check_output(in_folder("out2.pcap", path));
	remove_folder();
}

Test(dataplane, the_same_seed_gives_the_same_output, .timeout = 60)
{
	uint8_t a[2048] = {0}, b[2048] = {0};
	FILE *files[2];
	uint32_t len, n = 0;
	char path[128];

	make_folder();
	write_clients();
	await_child(run_capture("out.pcap", NULL));
	await_child(run_capture("out2.pcap", NULL));
	files[0] = capture_open(in_folder("out.pcap", path));
	files[1] = capture_open(in_folder("out2.pcap", path));
	while ((len = capture_read(files[0], a, sizeof(a))) > 0) {
		cr_assert_eq(capture_read(files[1], b, sizeof(b)), len);
		cr_assert(memcmp(a, b, len) == 0, "frame %u", n);
		n++;
	}
	cr_expect_eq(n, N_CLIENTS);
	fclose(files[0]);
	fclose(files[1]);
	remove_folder();
}
