/* What Ballast answers itself, what it drops and why, and ICMP errors on their way through. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "pipeline_state.h"
#include "random.h"
#include "world.h"

static const char CLIENT[] = "198.51.100.7";
static const char CLIENT6[] = "2001:db8:1::7";
static const char ROUTER[] = "203.0.113.1";
static const char ROUTER6[] = "2001:db8:2::1";

#define SYN LB_TCP_SYN
#define SYN_ACK (LB_TCP_SYN | LB_TCP_ACK)
#define ACK LB_TCP_ACK
#define FIN LB_TCP_FIN
#define RST LB_TCP_RST

static const uint8_t CLIENT_MAC[6] = {2, 0, 0, 0, 0, 2};

static void open_web(struct world *w, uint8_t protocol, enum lb_no_server_action action)
{
	world_open(w, NULL);
	world_service(w, &(struct world_service){.protocol = protocol,
						 .first_port = 80,
						 .no_server_action = action,
						 .n_servers = 2});
	world_service(w, &(struct world_service){.slot = 1,
						 .vip = WORLD_VIP6,
						 .protocol = protocol,
						 .first_port = 80,
						 .no_server_action = action,
						 .n_servers = 2});
}

static void expect_answer_to_client(const struct world *w, const struct frame *f, const char *what)
{
	struct world_fields out = world_fields(f);

	cr_assert_eq(w->last.verdict, LB_VERDICT_TX, "%s", what);
	cr_expect(w->last.is_originated, "%s", what);
	cr_expect_eq(w->last.out_iface, 0, "%s", what);
	cr_expect_eq(memcmp(out.dst_mac, CLIENT_MAC, 6), 0, "%s", what);
}

Test(refusals, tcp_packets_of_no_connection_get_a_reset)
{
	static const struct {
		const char *name;
		uint8_t flags;
		bool is_answered;
	} cases[] = {
		{"ACK", ACK, true},  {"SYN-ACK", SYN_ACK, true},   {"FIN", FIN | ACK, true},
		{"RST", RST, false}, {"SYN-FIN", SYN | FIN, true}, {"no flag", 0, true},
	};
	uint32_t n_answered = 0;
	struct frame f;
	struct world w;

	open_web(&w, IPPROTO_TCP, LB_NO_SERVER_DROP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int is_v6 = 0; is_v6 < 2; is_v6++) {
			world_tcp(&f, is_v6 ? CLIENT6 : CLIENT, 40000,
				  is_v6 ? WORLD_VIP6 : WORLD_VIP, 80, cases[i].flags);
			world_send(&w, &f);
			cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_no_connection, "case %s",
				     cases[i].name);
			n_answered += cases[i].is_answered;
			if (!cases[i].is_answered) {
				cr_expect_eq(w.last.verdict, LB_VERDICT_DROP, "case %s",
					     cases[i].name);
				continue;
			}
			expect_answer_to_client(&w, &f, cases[i].name);
			cr_expect_neq(world_fields(&f).flags & RST, 0, "case %s", cases[i].name);
			cr_expect_str_eq(world_fields(&f).dst, is_v6 ? CLIENT6 : CLIENT);
		}
	}
	cr_expect_eq(world_count(&w, LB_COUNT_drop_no_connection), 12);
	cr_expect_eq(world_count(&w, LB_COUNT_rst_sent), n_answered);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 0);
	world_close(&w);
}

Test(refusals, packets_to_a_nat_port_of_no_connection_are_ours_to_refuse)
{
	struct frame f;
	struct world w;

	open_web(&w, IPPROTO_TCP, LB_NO_SERVER_DROP);
	world_tcp(&f, "192.0.2.20", 80, WORLD_VIP, WORLD_NAT_FIRST, ACK);
	world_send(&w, &f);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_no_connection);
	cr_expect_neq(world_fields(&f).flags & RST, 0, "the server forgets it");
	world_tcp(&f, "192.0.2.20", 80, WORLD_VIP, WORLD_NAT_LAST + 1, ACK);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_PUNT);
	world_close(&w);
}

Test(refusals, with_several_workers_a_nat_ports_owner_is_asked)
{
	struct world_options options = {.n_workers = 4, .worker = 1};
	struct frame f;
	struct world w;
	uint32_t n[2] = {0}, n_clients[4] = {0};

	world_open(&w, &options);
	world_service(&w, &(struct world_service){.first_port = 80, .n_servers = 2});
	for (uint16_t port = WORLD_NAT_FIRST; port <= WORLD_NAT_LAST; port++) {
		uint32_t owner = lb_nat_source_owner(&w.nat_source, rte_cpu_to_be_16(port), 4);

		world_tcp(&f, "192.0.2.20", 80, WORLD_VIP, port, RST);
		n[owner == 1]++;
		if (world_send(&w, &f) == LB_VERDICT_HAND_OVER)
			cr_expect_eq(w.last.owner, owner);
		else
			cr_expect_eq(owner, 1, "port %u", port);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_handed_out), n[0]);
	cr_expect_eq(world_count(&w, LB_COUNT_drop_no_connection), n[1]);
	/* What this worker opens itself comes back to it. */
	for (uint16_t i = 0; i < 100; i++) {
		world_tcp(&f, CLIENT, (uint16_t)(40000 + i), WORLD_VIP, 80, SYN);
		if (world_send(&w, &f) == LB_VERDICT_HAND_OVER) {
			n_clients[w.last.owner]++;
			continue;
		}
		n_clients[1]++;
		cr_assert_eq(w.last.verdict, LB_VERDICT_TX);
		cr_expect_eq(lb_nat_source_owner(&w.nat_source,
						 rte_cpu_to_be_16(world_fields(&f).sport), 4),
			     1);
	}
	for (uint32_t i = 0; i < 4; i++)
		cr_expect_gt(n_clients[i], 0, "worker %u owns no client", i);
	world_close(&w);
}

Test(refusals, a_service_without_a_server_drops_or_rejects)
{
	static const struct {
		const char *name;
		uint8_t protocol;
		enum lb_no_server_action action;
	} cases[] = {
		{"TCP drop", IPPROTO_TCP, LB_NO_SERVER_DROP},
		{"TCP reject", IPPROTO_TCP, LB_NO_SERVER_REJECT},
		{"UDP drop", IPPROTO_UDP, LB_NO_SERVER_DROP},
		{"UDP reject", IPPROTO_UDP, LB_NO_SERVER_REJECT},
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		size_t c = i / 2;
		bool is_v6 = i % 2 != 0, is_tcp = cases[c].protocol == IPPROTO_TCP;
		const char *client = is_v6 ? CLIENT6 : CLIENT,
			   *vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;
		struct frame f;
		struct world w;

		open_web(&w, cases[c].protocol, cases[c].action);
		world_server_state(&w, 0, 0);
		world_server_state(&w, 1, LB_TARGET_KEEP);
		if (is_tcp)
			world_tcp(&f, client, 40000, vip, 80, SYN);
		else
			world_udp(&f, client, 40000, vip, 80);
		world_send(&w, &f);
		cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_no_server, "case %s", cases[c].name);
		cr_expect_eq(world_count(&w, LB_COUNT_drop_no_server), 1, "case %s", cases[c].name);
		if (cases[c].action == LB_NO_SERVER_DROP) {
			cr_expect_eq(w.last.verdict, LB_VERDICT_DROP, "case %s", cases[c].name);
		} else {
			expect_answer_to_client(&w, &f, cases[c].name);
			cr_expect_str_eq(world_fields(&f).src, vip, "case %s", cases[c].name);
			cr_expect_eq(
				world_count(&w, is_tcp ? LB_COUNT_rst_sent : LB_COUNT_icmp_sent), 1,
				"case %s", cases[c].name);
		}
		world_server_state(&w, 1, LB_TARGET_NEW | LB_TARGET_KEEP);
		if (is_tcp)
			world_tcp(&f, client, 40000, vip, 80, SYN);
		else
			world_udp(&f, client, 40000, vip, 80);
		cr_expect_eq(world_send(&w, &f), LB_VERDICT_TX, "case %s: it is back",
			     cases[c].name);
		world_close(&w);
	}
}

Test(refusals, answers_of_our_own_are_limited_and_come_back_with_time)
{
	struct frame f;
	struct world w;

	open_web(&w, IPPROTO_TCP, LB_NO_SERVER_DROP);
	for (uint32_t i = 0; i < 3 * LB_REPLIES_BURST; i++) {
		world_tcp(&f, CLIENT, (uint16_t)(1024 + i), WORLD_VIP, 80, ACK);
		world_send(&w, &f);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_rst_sent), LB_REPLIES_BURST);
	cr_expect_eq(world_count(&w, LB_COUNT_reply_suppressed), 2 * LB_REPLIES_BURST);
	w.now_ms += 10;
	for (uint32_t i = 0; i < 100; i++) {
		world_tcp(&f, CLIENT, (uint16_t)(1024 + i), WORLD_VIP, 80, ACK);
		world_send(&w, &f);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_rst_sent),
		     LB_REPLIES_BURST + 10 * LB_REPLIES_PER_S / 1000);
	/* What may not be answered costs nothing. */
	w.now_ms += 1;
	for (uint32_t i = 0; i < 100; i++) {
		world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, RST);
		cr_expect_eq(world_send(&w, &f), LB_VERDICT_DROP);
	}
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, ACK);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_close(&w);
}

Test(refusals, a_ttl_that_is_used_up_is_told_from_the_vip)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		const char *vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;
		struct frame f, r;
		struct world w;

		open_web(&w, IPPROTO_UDP, LB_NO_SERVER_DROP);
		frame_eth(&f);
		if (is_v6)
			frame_ipv6(&f, CLIENT6, vip);
		else
			frame_ipv4(&f, CLIENT, vip);
		frame_ttl(&f, 2);
		frame_udp(&f, 40000, 80);
		frame_finish(&f);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		cr_expect_eq(world_fields(&f).ttl, 1);
		world_udp_answer(&r, &f);
		frame_ttl(&r, 1);
		frame_finish(&r);
		world_send(&w, &r);
		cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_ttl_expired);
		expect_answer_to_client(&w, &r, "to the server, from whose MAC it came");
		cr_expect_str_eq(world_fields(&r).src, vip);
		cr_expect_eq(world_server_of(&r), world_server_of(&f));
		cr_expect_eq(world_count(&w, LB_COUNT_icmp_sent), 1);
		world_close(&w);
	}
}

Test(refusals, a_server_without_a_link_address_is_a_named_drop_and_a_request)
{
	struct frame f;
	struct world w;
	uint32_t ids[4];

	open_web(&w, IPPROTO_TCP, LB_NO_SERVER_DROP);
	world_command(&w, LB_CMD_NEXT_HOP, 1, NULL, 0);
	world_command(&w, LB_CMD_NEXT_HOP, 2, NULL, 0);
	for (uint16_t i = 0; i < 8; i++) {
		world_tcp(&f, CLIENT, (uint16_t)(40000 + i), WORLD_VIP, 80, SYN);
		cr_expect_eq(world_send(&w, &f), LB_VERDICT_DROP);
		cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_next_hop_unresolved);
	}
	cr_expect_eq(lb_pipeline_take_unresolved(w.pl, ids, 4), 2);
	cr_expect_eq(ids[0] + ids[1], 1 + 2);
	world_close(&w);
}

Test(refusals, connections_of_a_removed_server_or_service_end)
{
	struct lb_real gone = {0};
	struct frame f, r;
	struct world w;

	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		const char *client = is_v6 ? CLIENT6 : CLIENT,
			   *vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;

		for (int by_reply = 0; by_reply < 2; by_reply++) {
			open_web(&w, IPPROTO_TCP, LB_NO_SERVER_DROP);
			world_tcp(&f, client, 40000, vip, 80, SYN);
			cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
			world_tcp_answer(&r, &f, ACK);
			world_command(&w, LB_CMD_REAL,
				      world_server_of(&f) + (is_v6 ? WORLD_REALS : 0), &gone, 0);
			world_tcp(&f, client, 40000, vip, 80, ACK);
			world_send(&w, by_reply ? &r : &f);
			cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_no_connection);
			cr_expect_eq(world_count(&w, LB_COUNT_conn_orphaned), 1);
			cr_expect_eq(world_count(&w, LB_COUNT_rst_sent), 1);
			cr_expect_eq(lb_pipeline_conns(w.pl), 0);
			world_close(&w);
		}
	}
	open_web(&w, IPPROTO_TCP, LB_NO_SERVER_DROP);
	for (uint16_t i = 0; i < 50; i++) {
		world_tcp(&f, CLIENT, (uint16_t)(40000 + i), WORLD_VIP, 80, SYN);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	}
	world_no_service(&w, 0);
	world_pass_time(&w, 2 * LB_AGE_SWEEP_MS, 100);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0, "the sweep finds those that stay silent");
	cr_expect_eq(world_count(&w, LB_COUNT_conn_orphaned), 50);
	cr_expect_eq(lb_conn_count(w.pl->steer.conn_table, false), 0, "no entry is left behind");
	world_close(&w);
}

Test(refusals, an_id_given_to_another_server_ends_the_former_ones_connections)
{
	struct lb_real other = {.in_use = 1, .epoch = 1, .machine_id = 0, .next_hop = 1};
	struct lb_traffic traffic = {0};
	struct frame f;
	struct world w;

	open_web(&w, IPPROTO_UDP, LB_NO_SERVER_DROP);
	for (uint16_t i = 0; i < 50; i++) {
		world_udp(&f, CLIENT, (uint16_t)(40000 + i), WORLD_VIP, 80);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	}
	lb_addr_parse("192.0.2.77", &other.addr);
	world_command(&w, LB_CMD_REAL, 0, &other, 0);
	world_pass_time(&w, 2 * LB_AGE_SWEEP_MS, 100);
	cr_expect_eq(lb_pipeline_conns(w.pl), 25);
	lb_pipeline_real_traffic(w.pl, 0, &traffic);
	cr_expect_eq(traffic.conns_live, 0);
	cr_expect_eq(traffic.conns, 0, "it begins at nothing");
	world_pass_time(&w, 2000000, 1000);
	cr_expect_eq(lb_conn_count(w.pl->steer.conn_table, false), 0,
		     "reverse entries that nobody can find any more go by their idle time");
	world_close(&w);
}

/* --- ICMP errors about connections --- */

struct error_case {
	const char *name;
	enum lb_forwarding forwarding;
	bool is_v6;
	uint32_t quote_bytes; /* behind the IP header; 0: all */
};

static const struct error_case ERRORS[] = {
	{"fullnat IPv4, whole quote", LB_FORWARD_FULLNAT, false, 0},
	{"fullnat IPv4, 8 bytes", LB_FORWARD_FULLNAT, false, 8},
	{"fullnat IPv6, whole quote", LB_FORWARD_FULLNAT, true, 0},
	{"fullnat IPv6, 8 bytes", LB_FORWARD_FULLNAT, true, 8},
	{"nat IPv4, whole quote", LB_FORWARD_NAT, false, 0},
	{"nat IPv4, 8 bytes", LB_FORWARD_NAT, false, 8},
	{"nat IPv6, whole quote", LB_FORWARD_NAT, true, 0},
	{"nat IPv6, 8 bytes", LB_FORWARD_NAT, true, 8},
};

/* "Unreachable" about `quoted`, sent to its source by `from`. */
static void icmp_error(struct frame *f, const char *from, const struct frame *quoted,
		       const struct error_case *c)
{
	struct world_fields q = world_fields(quoted);

	frame_eth(f);
	if (c->is_v6) {
		frame_ipv6(f, from, q.src);
		frame_icmp(f, FRAME_ICMP6_UNREACHABLE, 1, 0);
	} else {
		frame_ipv4(f, from, q.src);
		frame_icmp(f, FRAME_ICMP4_UNREACHABLE, 1, 0);
	}
	frame_quote(f, quoted,
		    c->quote_bytes == 0 ? FRAME_BYTES_MAX : (c->is_v6 ? 40 : 20) + c->quote_bytes);
	frame_finish(f);
}

/* The error that came out quotes exactly what its receiver had sent: the two views of one packet
 * differ in nothing that a quote must repeat. */
static void expect_quote_of(const struct frame *error, const struct frame *sent,
			    const struct error_case *c)
{
	struct frame *e = (struct frame *)(uintptr_t)error, *s = (struct frame *)(uintptr_t)sent;
	uint32_t quote = 14 + (c->is_v6 ? 40 : 20) + 8, addrs = c->is_v6 ? 8 : 12;
	uint32_t header = c->is_v6 ? 40 : 20;

	cr_expect_eq(memcmp(frame_at(e, quote + addrs), frame_at(s, 14 + addrs),
			    2 * (c->is_v6 ? 16 : 4)),
		     0, "%s: quoted addresses", c->name);
	cr_expect_eq(memcmp(frame_at(e, quote + header), frame_at(s, 14 + header), 4), 0,
		     "%s: quoted ports", c->name);
}

static void open_error_case(struct world *w, const struct error_case *c)
{
	world_open(w, NULL);
	world_service(w, &(struct world_service){.vip = c->is_v6 ? WORLD_VIP6 : WORLD_VIP,
						 .first_port = 80,
						 .forwarding = c->forwarding,
						 .n_servers = 1});
}

Test(icmp_errors, from_the_servers_side_reach_the_client)
{
	for (size_t i = 0; i < sizeof(ERRORS) / sizeof(ERRORS[0]); i++) {
		const struct error_case *c = &ERRORS[i];
		const char *vip = c->is_v6 ? WORLD_VIP6 : WORLD_VIP;
		const char *client = c->is_v6 ? CLIENT6 : CLIENT;
		const char *senders[2] = {c->is_v6 ? "2001:db8::20" : "192.0.2.20",
					  c->is_v6 ? ROUTER6 : ROUTER};
		struct frame sent, to_server, f;
		struct world w;

		open_error_case(&w, c);
		world_tcp(&sent, client, 40000, vip, 80, SYN);
		to_server = sent;
		cr_assert_eq(world_send(&w, &to_server), LB_VERDICT_TX);
		for (int by_router = 0; by_router < 2; by_router++) {
			icmp_error(&f, senders[by_router], &to_server, c);
			cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "%s", c->name);
			cr_expect_str_eq(world_fields(&f).dst, client, "%s", c->name);
			cr_expect_str_eq(world_fields(&f).src, by_router ? senders[1] : vip, "%s",
					 c->name);
			cr_expect_eq(world_fields(&f).ttl, 63, "%s", c->name);
			cr_expect_eq(memcmp(world_fields(&f).dst_mac, CLIENT_MAC, 6), 0, "%s",
				     c->name);
			expect_quote_of(&f, &sent, c);
		}
		cr_expect_eq(world_count(&w, LB_COUNT_icmp_translated), 2, "%s", c->name);
		world_close(&w);
	}
}

Test(icmp_errors, from_the_clients_side_reach_the_server)
{
	for (size_t i = 0; i < sizeof(ERRORS) / sizeof(ERRORS[0]); i++) {
		const struct error_case *c = &ERRORS[i];
		const char *vip = c->is_v6 ? WORLD_VIP6 : WORLD_VIP;
		const char *client = c->is_v6 ? CLIENT6 : CLIENT;
		const char *senders[2] = {client, c->is_v6 ? ROUTER6 : ROUTER};
		struct frame first, reply, to_client, f;
		struct world w;

		open_error_case(&w, c);
		world_tcp(&first, client, 40000, vip, 80, SYN);
		cr_assert_eq(world_send(&w, &first), LB_VERDICT_TX);
		world_tcp_answer(&reply, &first, SYN_ACK);
		to_client = reply;
		cr_assert_eq(world_send(&w, &to_client), LB_VERDICT_TX);
		for (int by_router = 0; by_router < 2; by_router++) {
			struct world_fields seen = world_fields(&first);

			icmp_error(&f, senders[by_router], &to_client, c);
			cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "%s", c->name);
			cr_expect_eq(world_server_of(&f), 0, "%s", c->name);
			cr_expect_str_eq(world_fields(&f).src, by_router ? senders[1] : seen.src,
					 "%s", c->name);
			cr_expect_eq(world_fields(&f).dst_mac[4], 2, "%s", c->name);
			expect_quote_of(&f, &reply, c);
		}
		world_close(&w);
	}
}

Test(icmp_errors, of_no_connection_are_ours_only_about_ports_of_ours)
{
	static const struct {
		const char *name;
		uint16_t port;
		enum lb_verdict verdict;
	} cases[] = {
		{"a service's port", 80, LB_VERDICT_DROP},
		{"a NAT source port", WORLD_NAT_FIRST + 5, LB_VERDICT_DROP},
		{"the kernel's port", 50123, LB_VERDICT_PUNT},
	};
	struct frame quoted, f;
	struct world w;

	open_web(&w, IPPROTO_TCP, LB_NO_SERVER_DROP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_tcp(&quoted, WORLD_VIP, cases[i].port, CLIENT, 40000, ACK);
		icmp_error(&f, ROUTER, &quoted, &ERRORS[0]);
		cr_expect_eq(world_send(&w, &f), cases[i].verdict, "case %s", cases[i].name);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_drop_icmp_no_connection), 2);
	world_close(&w);
}

Test(icmp_errors, sent_to_another_than_the_quoted_sender_are_forged)
{
	struct frame first, quoted, f;
	struct world w;

	open_error_case(&w, &ERRORS[0]);
	world_tcp(&first, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &first), LB_VERDICT_TX);
	quoted = first;
	frame_eth(&f);
	frame_ipv4(&f, ROUTER, "192.0.2.99");
	frame_icmp(&f, FRAME_ICMP4_UNREACHABLE, 1, 0);
	frame_quote(&f, &quoted, FRAME_BYTES_MAX);
	frame_finish(&f);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_DROP);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_icmp_malformed);
	world_close(&w);
}

Test(icmp_errors, neither_end_nor_keep_a_connection)
{
	struct frame first, f;
	struct world w;

	open_error_case(&w, &ERRORS[0]);
	world_tcp(&first, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &first), LB_VERDICT_TX);
	for (int i = 0; i < 20; i++) {
		world_pass_time(&w, 10000, 500);
		icmp_error(&f, ROUTER, &first, &ERRORS[0]);
		world_send(&w, &f);
	}
	cr_expect_eq(lb_pipeline_conns(w.pl), 0, "half open, 200 s later");
	cr_expect_geq(world_count(&w, LB_COUNT_icmp_translated), 10);
	world_close(&w);
}
