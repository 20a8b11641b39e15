#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "bench_frame.h"
#include "bench_plan.h"
#include "packet/encap.h"
#include "packet/parse.h"

TestSuite(bench_frame);

#define HEADROOM 64u
#define SERVER 7u

static uint8_t room[HEADROOM + 256];
static struct lb_key key;
static struct bench_expected expected;
static uint32_t len;

/* A client's packet on its way to SERVER, by DSR. */
static uint8_t *make(bool is_v6)
{
	struct lb_addr client = bench_addr(is_v6, BENCH_CLIENTS, 9);
	struct lb_addr vip = bench_addr(is_v6, BENCH_VIPS, 1);
	uint8_t *data = room + HEADROOM;

	key = (struct lb_key){.is_v6 = is_v6};
	if (is_v6) {
		memcpy(key.v6.src_be, &client, sizeof(client));
		memcpy(key.v6.dst_be, &vip, sizeof(vip));
		key.v6.ports_be = RTE_BE32(40000u << 16 | 443);
		key.v6.proto = IPPROTO_TCP;
	} else {
		key.v4 = (struct lb_key4){lb_addr_v4(&client), lb_addr_v4(&vip),
					  RTE_BE32(40000u << 16 | 443), IPPROTO_TCP};
	}
	memset(room, 0, sizeof(room));
	bench_frame_write(data, &key, LB_TCP_ACK);
	bench_frame_seal(data, is_v6);
	bench_mac_of_server(SERVER, data);
	memcpy(data + 6, bench_mac_own, 6);
	len = bench_frame_bytes(is_v6);
	expected = (struct bench_expected){
		.key = &key,
		.forwarding = LB_FORWARD_DSR,
		.server_first = SERVER,
		.n_servers = 1,
	};
	return data;
}

static void expect_wrong(const uint8_t *data, const char *what)
{
	const char *wrong = bench_frame_judge(data, len, &expected);

	cr_expect_not_null(wrong, "%s was not seen", what);
	if (wrong != NULL)
		cr_expect_not_null(strstr(wrong, what), "'%s', not '%s'", wrong, what);
}

Test(bench_frame, a_packet_that_is_right_passes)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const uint8_t *data = make(v6 != 0);

		cr_expect_null(bench_frame_judge(data, len, &expected));
	}
}

Test(bench_frame, every_byte_of_addresses_ports_and_checksums_counts)
{
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t n_headers = 14 + (v6 != 0 ? 40 : 20) + 20;

		for (uint32_t i = 0; i < n_headers; i++) {
			uint8_t *data = make(v6 != 0);

			if (v6 != 0 && ((i > 14 && i < 18) || i == 21))
				continue; /* flow label and hop limit: no checksum */
			data[i] ^= 0x10;
			cr_expect_not_null(bench_frame_judge(data, len, &expected), "IPv%d byte %u",
					   v6 != 0 ? 6 : 4, i);
		}
	}
}

Test(bench_frame, another_server_is_seen)
{
	uint8_t *data = make(false);

	bench_mac_of_server(SERVER + 1, data);
	expect_wrong(data, "another server");
	expected.n_servers = 2;
	cr_expect_null(bench_frame_judge(data, len, &expected));
	memcpy(data, bench_mac_router, 6);
	expect_wrong(data, "no server's MAC");
}

Test(bench_frame, a_reply_goes_to_the_router)
{
	uint8_t *data = make(false);

	expected.is_reply = true;
	expect_wrong(data, "not to the router");
	memcpy(data, bench_mac_router, 6);
	cr_expect_null(bench_frame_judge(data, len, &expected));
}

Test(bench_frame, a_packet_that_was_not_translated_is_seen)
{
	struct lb_addr source = bench_addr(false, BENCH_NAT_SOURCES, 3);
	struct lb_addr server = bench_addr(false, BENCH_SERVERS, SERVER + 1);
	uint8_t *data = make(false);
	struct lb_key client = key;

	expected.forwarding = LB_FORWARD_FULLNAT;
	expect_wrong(data, "other addresses or ports");
	expected.is_any_source = true;
	expect_wrong(data, "no NAT source");
	key.v4.src_be = lb_addr_v4(&source);
	key.v4.dst_be = lb_addr_v4(&server);
	bench_frame_write(data, &key, LB_TCP_ACK);
	bench_frame_seal(data, key.is_v6);
	bench_mac_of_server(SERVER, data);
	memcpy(data + 6, bench_mac_own, 6);
	expected.key = &client;
	cr_expect_null(bench_frame_judge(data, len, &expected));
}

static void push(uint8_t **data, bool is_gue, uint32_t server)
{
	struct lb_pkt p = {.data = *data, .len = len, .headroom = HEADROOM};
	struct lb_encap tunnel = {
		.src = bench_addr(false, BENCH_TUNNEL_SOURCE, 1),
		.dst = bench_addr(false, BENCH_SERVERS, server + 1),
		.dport_be = RTE_BE16(6080),
		.is_gue = is_gue,
	};

	lb_parse(&p);
	cr_assert(lb_encap_push(&p, &tunnel));
	memcpy(p.data, *data, 12);
	*data = p.data;
	len = p.len;
	bench_mac_of_server(SERVER, *data);
	memcpy(*data + 6, bench_mac_own, 6);
}

Test(bench_frame, tunnels_are_looked_into)
{
	for (int is_gue = 0; is_gue < 2; is_gue++) {
		uint8_t *data = make(false), *inner = data;

		expected.forwarding = is_gue ? LB_FORWARD_GUE : LB_FORWARD_IPIP;
		expect_wrong(data, "than the tunnel's");
		push(&data, is_gue, SERVER);
		cr_expect_null(bench_frame_judge(data, len, &expected), "%s",
			       bench_frame_judge(data, len, &expected));
		inner[14 + 20 + 4] ^= 1; /* TCP sequence number */
		cr_expect_not_null(bench_frame_judge(data, len, &expected));
		inner[14 + 20 + 4] ^= 1;
		data = make(false);
		expected.forwarding = is_gue ? LB_FORWARD_GUE : LB_FORWARD_IPIP;
		push(&data, is_gue, SERVER + 1);
		expect_wrong(data, "other addresses");
	}
}
