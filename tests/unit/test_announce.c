#include "announce.h"

#include <criterion/criterion.h>

#include <string.h>

#include <event2/event.h>

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

static struct lb_addr addr(const char *text)
{
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(text, &a), 0);
	return a;
}

Test(announce, of_ipv4_is_an_arp_request_for_itself)
{
	static const uint8_t wanted[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,   0, 0, 0,  0,
					 1,    8,    6,    0,    1,    8,    0,   6, 4, 0,  1,
					 2,    0,    0,    0,    0,    1,    192, 0, 2, 10, 0,
					 0,    0,    0,    0,    0,    192,  0,   2, 10};
	uint8_t frame[LB_ANNOUNCE_FRAME_MAX];
	struct lb_addr a = addr("192.0.2.10");

	cr_assert_eq(lb_announce_frame(&a, mac, frame), sizeof(wanted));
	cr_expect_arr_eq(frame, wanted, sizeof(wanted));
}

/* As scapy makes it: Ether(dst='33:33:00:00:00:01', src=mac)/IPv6(src=A, dst='ff02::1', hlim=255)/
 * ICMPv6ND_NA(R=0, S=0, O=1, tgt=A)/ICMPv6NDOptDstLLAddr(lladdr=mac). */
Test(announce, of_ipv6_is_an_advertisement_that_overrides)
{
	static const uint8_t wanted[] = {
		0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x86,
		0xdd, 0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0x20, 0x01, 0x0d, 0xb8,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0xff,
		0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x01, 0x88, 0x00, 0xf9, 0x0c, 0x20, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d,
		0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10,
		0x02, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
	uint8_t frame[LB_ANNOUNCE_FRAME_MAX];
	struct lb_addr a = addr("2001:db8::10");

	cr_assert_eq(lb_announce_frame(&a, mac, frame), sizeof(wanted));
	cr_expect_arr_eq(frame, wanted, sizeof(wanted));
}

/* Asked before each frame; ends the loop when the queue must be empty. */
struct asked {
	struct event_base *base;
	uint32_t n;
	bool is_held;
};

static bool is_held(void *ctx, const struct lb_addr *a, uint32_t ifindex)
{
	struct asked *asked = ctx;

	cr_expect_eq(ifindex, 1u);
	cr_expect(lb_addr_is_v4(a));
	asked->n++;
	return asked->is_held;
}

Test(announce, each_address_is_announced_so_many_times_and_then_no_more)
{
	struct asked asked = {.base = event_base_new(), .is_held = true};
	const struct lb_announcer_params params = {asked.base, is_held, &asked};
	struct lb_announcer *an;
	char text[LB_ADDR_TEXT_MAX];

	cr_assert_eq(lb_announcer_create(&params, &an), 0);
	if (lb_announcer_error(an) != 0)
		cr_skip_test("no right to packet sockets");
	for (uint32_t i = 0; i < 200; i++) {
		struct lb_addr a;

		snprintf(text, sizeof(text), "127.0.1.%u", i);
		a = addr(text);
		lb_announcer_add(an, &a, 1, mac);
	}
	/* Returns when no timer is left. */
	event_base_dispatch(asked.base);
	cr_expect_eq(asked.n, 200u * LB_ANNOUNCE_TIMES);
	cr_expect_eq(lb_announcer_left_out(an), 0u);
	lb_announcer_destroy(an);
	event_base_free(asked.base);
}

Test(announce, what_is_held_no_more_is_not_announced)
{
	struct asked asked = {.base = event_base_new(), .is_held = false};
	const struct lb_announcer_params params = {asked.base, is_held, &asked};
	struct lb_addr a = addr("127.0.1.1");
	struct lb_announcer *an;

	cr_assert_eq(lb_announcer_create(&params, &an), 0);
	if (lb_announcer_error(an) != 0)
		cr_skip_test("no right to packet sockets");
	lb_announcer_add(an, &a, 1, mac);
	event_base_dispatch(asked.base);
	cr_expect_eq(asked.n, 1u);
	cr_expect_eq(lb_announcer_sent(an), 0u);
	lb_announcer_destroy(an);
	event_base_free(asked.base);
}
