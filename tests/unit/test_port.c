#include "runtime/port.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int plan(const char *device, uint32_t idx, uint32_t n_workers, struct lb_port *port,
		struct lb_error *err)
{
	struct lb_dataplane_port cfg = {.name = "lan"};

	snprintf(cfg.device, sizeof(cfg.device), "%s", device);
	return lb_port_plan(port, &cfg, idx, n_workers, err);
}

Test(port, device_strings_are_told_apart)
{
	static const struct {
		const char *device;
		enum lb_port_kind kind;
		const char *args;
		bool is_pci;
	} cases[] = {
		{"vdev:net_pcap0,rx_pcap=a,tx_pcap=b", LB_PORT_VDEV,
		 "net_pcap0,rx_pcap=a,tx_pcap=b", false},
		{"af_xdp:lo", LB_PORT_AF_XDP, "lo", false},
		{"0000:03:00.0", LB_PORT_PCI, "0000:03:00.0", true},
		{"03:00.1", LB_PORT_PCI, "03:00.1", true},
	};
	struct lb_port port;
	struct lb_error err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_loopback = cases[i].kind == LB_PORT_AF_XDP;
		int rc = plan(cases[i].device, 0, 1, &port, &err);

		/* Loopback's MTU is more than AF_XDP carries; its kind is known all the same. */
		cr_expect_eq(rc, is_loopback ? -EINVAL : 0, "case %s", cases[i].device);
		cr_expect_eq(port.kind, cases[i].kind, "case %s", cases[i].device);
		cr_expect_str_eq(port.args, cases[i].args);
		cr_expect_eq(lb_port_pci(&port) != NULL, cases[i].is_pci, "case %s",
			     cases[i].device);
	}
}

Test(port, what_is_no_device_is_refused_with_its_place)
{
	static const struct {
		const char *device;
		int code;
		const char *what;
	} cases[] = {
		{"", -EINVAL, "a device is af_xdp:INTERFACE"},
		{"eth0", -EINVAL, "a device is af_xdp:INTERFACE"},
		{"af_xdp:", -ENODEV, "no such network device"},
		{"af_xdp:runtime-none", -ENODEV, "no such network device"},
		{"af_xdp:a-name-that-is-too-long", -ENODEV, "no such network device"},
		{"af_xdp:lo", -EINVAL, "MTU of 65536 is more than AF_XDP carries"},
	};
	struct lb_port port;
	struct lb_error err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(plan(cases[i].device, 3, 1, &port, &err), cases[i].code, "case %s",
			     cases[i].device);
		cr_expect_str_eq(err.where, "/node/interfaces/3/device");
		cr_expect(strstr(err.what, cases[i].what) != NULL, "case %s: %s", cases[i].device,
			  err.what);
	}
}

Test(port, one_worker_fits_plain_no_huge_memory)
{
	struct lb_port port;
	struct lb_error err;

	cr_assert_eq(plan("vdev:net_null0", 0, 1, &port, &err), 0);
	cr_expect_lt(lb_port_pool_bytes(&port), UINT64_C(20) << 20);
	cr_expect_eq((port.n_mbufs + 1) & port.n_mbufs, 0, "%u", port.n_mbufs);
}
