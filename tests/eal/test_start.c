/* Starts that need a process of their own, because EAL starts once in each: refusals, instances
 * side by side, runs to compare. */
#include "capture.h"
#include "clients.h"
#include "installation.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

Test(start, what_cannot_start_is_refused_by_name, .timeout = 120)
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

Test(start, with_workers_auto_none_is_without_a_transmit_queue, .timeout = 60)
{
	char path[128], device[LB_DEVICE_MAX];
	struct installation_options options = {.device = clients_device("out.pcap", device),
					       .is_auto = true};
	struct installation in;
	struct lb_error err;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		cr_skip_test("one core");
	clients_make_folder();
	fclose(capture_create(clients_path("in.pcap", path)));
	options.device = clients_device("out.pcap", device);
	cr_assert_eq(installation_try(&in, &options, &err), 0, "%s", err.what);
	cr_expect_eq(lb_dataplane_n_workers(in.dp), 1);
	installation_stop(&in);
	clients_remove_folder();
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
	installation_start(&in, clients_device(out, device));
	if (gates != NULL && (write(gates[1], "x", 1) != 1 || read(gates[2], &go, 1) != 1))
		_exit(1);
	installation_publish(&in);
	installation_await(&in, installation_has_received, CLIENTS_N + 1);
	installation_halt(&in);
	installation_stop(&in);
	_exit(0);
}

static void await_child(pid_t child)
{
	int status;

	cr_expect(waitpid(child, &status, 0) == child && status == 0, "the child ended badly");
}

Test(start, two_instances_of_one_user_run_side_by_side, .timeout = 60)
{
	int ready[2], go[2];
	pid_t children[2];
	char path[128], c;

	clients_make_folder();
	clients_write();
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
	clients_check(clients_path("out.pcap", path));
	clients_check(clients_path("out2.pcap", path));
	clients_remove_folder();
}

Test(start, the_same_seed_gives_the_same_output, .timeout = 60)
{
	uint8_t a[2048] = {0}, b[2048] = {0};
	FILE *files[2];
	uint32_t len, n = 0;
	char path[128];

	clients_make_folder();
	clients_write();
	await_child(run_capture("out.pcap", NULL));
	await_child(run_capture("out2.pcap", NULL));
	files[0] = capture_open(clients_path("out.pcap", path));
	files[1] = capture_open(clients_path("out2.pcap", path));
	while ((len = capture_read(files[0], a, sizeof(a))) > 0) {
		cr_assert_eq(capture_read(files[1], b, sizeof(b)), len);
		cr_assert(memcmp(a, b, len) == 0, "frame %u", n);
		n++;
	}
	cr_expect_eq(n, CLIENTS_N);
	fclose(files[0]);
	fclose(files[1]);
	clients_remove_folder();
}
