/* The mirror of the host's addresses at its limit. */
#include "addresses.h"

#include <criterion/criterion.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#define OWN 0xcb007101u /* 203.0.113.1 */

static void add_row(struct lb_addresses *a, uint32_t v4, uint8_t protocol)
{
	char buffer[256];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(msg, sizeof(*ifa));

	msg->nlmsg_type = RTM_NEWADDR;
	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = 32;
	ifa->ifa_index = 1;
	mnl_attr_put_u32(msg, IFA_LOCAL, rte_cpu_to_be_32(v4));
	mnl_attr_put_u8(msg, IFA_PROTO, protocol);
	lb_addresses_row(a, msg);
}

/* Whoever is beyond the limit may be one of ours: it is not put there again and again. */
Test(addresses, what_finds_no_room_is_counted_and_not_missed)
{
	const struct lb_link link = {.netdev = "lan", .ifindex = 1};
	struct lb_addresses *a;
	size_t n;

	cr_assert_eq(lb_addresses_create(&a), 0);
	lb_addresses_begin(a);
	add_row(a, OWN, LB_RTNL_PROTOCOL);
	cr_expect(lb_addresses_end(a));
	cr_expect_eq(lb_addresses_adopt(a, &link, 1), 1);
	lb_addresses_begin(a);
	for (uint32_t i = 0; i < LB_LOCALS_MAX; i++)
		add_row(a, 0x0a000000u + i, 0);
	add_row(a, OWN, LB_RTNL_PROTOCOL);
	cr_expect(lb_addresses_end(a));
	(void)lb_addresses_locals(a, &n);
	cr_expect_eq(n, LB_LOCALS_MAX);
	cr_expect_eq(lb_addresses_unused(a), 1);
	cr_expect_eq(lb_addresses_missing(a), 0);
	lb_addresses_begin(a);
	cr_expect(lb_addresses_end(a));
	cr_expect_eq(lb_addresses_unused(a), 0);
	cr_expect_eq(lb_addresses_missing(a), 1, "now it is known to be gone");
	lb_addresses_destroy(a);
}
