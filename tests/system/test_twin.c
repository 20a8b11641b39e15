/* The kernel's side of a DPDK port: a device with its MAC, MTU, carrier and addresses. */
#include "twin.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame.h"
#include "log.h"
#include "namespace.h"

#define WAIT_MS 10000

static const struct lb_twin_port port = {
	.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1400, .has_carrier = true};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 2};

static void setup(void)
{
	lb_log_set_level(NULL, LB_LOG_ERROR);
	namespace_enter();
}

static struct lb_twin *open_twin(const char *name)
{
	struct lb_twin *twin;
	struct lb_error err = {0};

	cr_assert_eq(lb_twin_open(name, &port, &twin, &err), 0, "%s", err.what);
	return twin;
}

static void add_prefix(struct lb_cfg_interface *cfg, const char *text)
{
	cr_assert_eq(lb_prefix_parse(text, &cfg->addresses[cfg->n_addresses++]), 0);
}

static struct lb_cfg_interface addresses(void)
{
	struct lb_cfg_interface cfg = {.name = "lan"};

	add_prefix(&cfg, "192.0.2.2/24");
	add_prefix(&cfg, "198.51.100.2/25");
	add_prefix(&cfg, "2001:db8::2/64");
	lb_addr_parse("192.0.2.1", &cfg.gateway);
	lb_addr_parse("2001:db8::1", &cfg.gateway_ipv6);
	return cfg;
}

/* The next frame of the kernel's that is `wanted`. */
static bool expect(struct lb_twin *twin, bool (*wanted)(const uint8_t *frame, size_t len))
{
	struct pollfd fd = {.fd = lb_twin_fd(twin), .events = POLLIN};
	uint8_t frame[2048];
	size_t n;

	while (poll(&fd, 1, WAIT_MS) == 1)
		while ((n = lb_twin_read(twin, frame, sizeof(frame))) > 0)
			if (wanted(frame, n))
				return true;
	return false;
}

static bool is_pong4(const uint8_t *frame, size_t len)
{
	return len > 34 && frame[12] == 8 && frame[13] == 0 && frame[23] == 1 && frame[34] == 0;
}

static bool is_pong6(const uint8_t *frame, size_t len)
{
	return len > 54 && frame[12] == 0x86 && frame[20] == 58 && frame[54] == 129;
}

Test(twin, is_a_device_with_the_ports_mac_mtu_and_addresses, .init = setup)
{
	struct lb_twin *twin = open_twin("lan");
	struct lb_cfg_interface cfg = addresses();
	struct lb_error err = {0};

	cr_assert_eq(lb_twin_configure(twin, &cfg, LB_TWIN_METRIC, &err), 0, "%s", err.what);
	namespace_run("ip link show lan | grep -q 'mtu 1400'");
	namespace_run("ip link show lan | grep -q 'ether 02:00:00:00:00:01'");
	namespace_run("ip link show lan | grep -q 'UP,LOWER_UP'");
	namespace_run("ip addr show lan | grep -q 'inet 192.0.2.2/24'");
	namespace_run("ip addr show lan | grep -q 'inet 198.51.100.2/25'");
	namespace_run("ip addr show lan | grep -q 'inet6 2001:db8::2/64'");
	namespace_run("ip -4 route show default | grep -q '192.0.2.1 dev lan .*metric 4096'");
	namespace_run("ip -6 route show default | grep -q '2001:db8::1 dev lan .*metric 4096'");
	lb_twin_close(twin);
	cr_expect_eq(if_nametoindex("lan"), 0u, "it goes with its descriptor");
}

Test(twin, the_kernel_answers_pings_through_it, .init = setup)
{
	struct lb_twin *twin = open_twin("lan");
	struct lb_cfg_interface cfg = addresses();
	struct lb_error err = {0};

	cr_assert_eq(lb_twin_configure(twin, &cfg, LB_TWIN_METRIC, &err), 0);
	namespace_run("ip neigh add 192.0.2.11 lladdr 02:00:00:00:00:02 dev lan && "
		      "ip neigh add 2001:db8::11 lladdr 02:00:00:00:00:02 dev lan");
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct frame f;

		frame_eth_macs(&f, port.mac, other_mac);
		if (is_v6)
			frame_ipv6(&f, "2001:db8::11", "2001:db8::2");
		else
			frame_ipv4(&f, "192.0.2.11", "192.0.2.2");
		frame_icmp(&f, is_v6 ? 128 : 8, 0, 0x12340001);
		frame_finish(&f);
		lb_twin_write(twin, frame_view(&f).data, f.len);
		cr_expect(expect(twin, is_v6 ? is_pong6 : is_pong4), "IPv%d", is_v6 ? 6 : 4);
	}
	cr_expect_eq(lb_twin_counts(twin).received, 2u);
	lb_twin_close(twin);
}

Test(twin, carrier_and_mtu_follow_the_port, .init = setup)
{
	struct lb_twin *twin = open_twin("lan");
	struct lb_twin_port now = port;

	now.has_carrier = false;
	lb_twin_follow(twin, &now);
	namespace_run("ip link show lan | grep -q 'NO-CARRIER'");
	now.has_carrier = true;
	now.mtu = 9000;
	lb_twin_follow(twin, &now);
	namespace_run("ip link show lan | grep 'UP,LOWER_UP' | grep -q 'mtu 9000'");
	/* What the administrator sets stays until the port itself changes. */
	namespace_run("ip link set lan mtu 1300");
	lb_twin_follow(twin, &now);
	namespace_run("ip link show lan | grep -q 'mtu 1300'");
	lb_twin_close(twin);
}

Test(twin, a_device_that_is_down_refuses_and_counts, .init = setup)
{
	struct lb_twin *twin = open_twin("lan");
	uint8_t frame[60] = {2, 0, 0, 0, 0, 1};

	namespace_run("ip link set lan down");
	lb_twin_write(twin, frame, sizeof(frame));
	cr_expect_eq(lb_twin_counts(twin).refused, 1u);
	lb_twin_close(twin);
}

Test(twin, a_name_that_is_taken_is_refused_also_of_a_tap, .init = setup)
{
	struct lb_twin *twin;
	struct lb_error err = {0};

	namespace_run("ip link add lan type veth peer name lan1 && ip tuntap add mode tap tap7");
	cr_expect_eq(lb_twin_open("lan", &port, &twin, &err), -EEXIST);
	cr_expect_not_null(strstr(err.what, "named lan"), "%s", err.what);
	cr_expect_eq(lb_twin_open("tap7", &port, &twin, &err), -EEXIST);
	cr_expect_null(twin);
}

Test(twin, a_refused_address_is_named_and_the_others_are_there, .init = setup)
{
	struct lb_twin *twin = open_twin("lan");
	struct lb_cfg_interface cfg = addresses();
	struct lb_error err = {0};

	lb_addr_parse("203.0.113.1", &cfg.gateway); /* on none of its networks */
	cr_expect_lt(lb_twin_configure(twin, &cfg, LB_TWIN_METRIC, &err), 0);
	cr_expect_not_null(strstr(err.what, "203.0.113.1 on lan"), "%s", err.what);
	namespace_run("ip -6 route show default | grep -q 2001:db8::1");
	lb_twin_close(twin);
}

Test(twin, without_the_right_it_says_so, .init = setup)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct lb_twin *twin;
		struct lb_error err = {0};
		int rc;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		rc = lb_twin_open("lan", &port, &twin, &err);
		_exit((rc == -EPERM || rc == -EACCES) && err.what[0] != '\0' ? 0 : 2);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(status, 0);
}

Test(twin, a_killed_process_leaves_no_device, .init = setup)
{
	int fds[2], status;
	pid_t child;
	char c;

	cr_assert_eq(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		open_twin("lan");
		(void)!write(fds[1], "x", 1);
		pause();
	}
	cr_assert_eq(read(fds[0], &c, 1), 1);
	cr_assert_neq(if_nametoindex("lan"), 0u);
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(if_nametoindex("lan"), 0u);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "twin");
}
