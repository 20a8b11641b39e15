/* flooder - first packets from random sources, out of a packet socket: what a flood is made of.
 *
 * usage: flooder IFNAME MAC SECONDS PACKETS PER_SECOND SEED tcp|udp [ADDRESS PORT]...
 *
 * Each packet goes to one of the targets in turn and to the link-layer address MAC; it ends after
 * SECONDS or PACKETS or with its standard input, whichever comes first, and sends at most
 * PER_SECOND. TCP packets are SYNs, UDP packets carry a word. Prints what it has sent as a JSON
 * object. test_flood.py runs it. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"
#include "random.h"

#define BURST 32u /* as many targets at most */
#define N_FIXED_ARGUMENTS 8
#define NS_PER_S 1000000000u
#define SOURCES_FROM 11u /* first octets of IPv4 sources: 11 to 126 */
#define SOURCES_N 116u

struct flood {
	int sock;
	uint64_t seconds;
	uint64_t n_max;
	uint64_t per_second;
	uint64_t n_sent;
	struct test_random random;
	struct frame burst[BURST];
};

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void build(struct frame *f, uint8_t macs[2][6], bool is_tcp, char *args[2])
{
	uint16_t port = (uint16_t)atol(args[1]);

	frame_eth_macs(f, macs[0], macs[1]);
	if (strchr(args[0], ':') != NULL)
		frame_ipv6(f, "2a00::1", args[0]);
	else
		frame_ipv4(f, "11.0.0.1", args[0]);
	if (is_tcp) {
		frame_tcp(f, 1024, port, LB_TCP_SYN);
	} else {
		frame_udp(f, 1024, port);
		frame_text(f, "word");
	}
	frame_finish(f);
}

/* Another source, and the checksums that it asks for. */
static void forge(struct flood *flood, struct frame *f)
{
	uint32_t first = SOURCES_FROM + test_random_below(&flood->random, SOURCES_N);

	if (f->is_v6) {
		for (uint32_t off = 12; off < 24; off += 4)
			frame_put32(f, f->l3_off + off, (uint32_t)test_random(&flood->random));
	} else {
		frame_put32(f, f->l3_off + 12,
			    first << 24 | test_random_below(&flood->random, 1u << 24));
	}
	frame_put16(f, f->l4_off, (uint16_t)(1024 + test_random_below(&flood->random, 64512)));
	if (f->proto == IPPROTO_TCP)
		frame_put32(f, f->l4_off + 4, (uint32_t)test_random(&flood->random));
	frame_checksums(f);
}

static void send_burst(struct flood *flood)
{
	struct mmsghdr messages[BURST] = {0};
	struct iovec parts[BURST];
	uint32_t n = 0;

	for (uint32_t i = 0; i < BURST; i++) {
		struct frame *f = &flood->burst[i];

		forge(flood, f);
		parts[i] = (struct iovec){frame_at(f, 0), f->len};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (n < BURST) {
		int done = sendmmsg(flood->sock, messages + n, BURST - n, 0);

		/* A full queue costs the rest of the burst, as a full link would. */
		if (done <= 0)
			break;
		n += (uint32_t)done;
	}
	flood->n_sent += n;
}

static bool is_wanted(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) == 0;
}

static void run(struct flood *flood)
{
	uint64_t begun = now_ns(), spent = 0, due;

	while (flood->n_sent < flood->n_max && spent < flood->seconds * NS_PER_S && is_wanted()) {
		send_burst(flood);
		spent = now_ns() - begun;
		due = flood->n_sent * NS_PER_S / flood->per_second;
		if (due > spent)
			nanosleep(&(struct timespec){0, (long)((due - spent) % NS_PER_S)}, NULL);
	}
	printf("{\"sent\": %llu, \"ms\": %llu}\n", (unsigned long long)flood->n_sent,
	       (unsigned long long)(spent / 1000000));
}

static void open_socket(struct flood *flood, const char *ifname, uint8_t mac[6])
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET};
	socklen_t len = sizeof(at);
	int one = 1;

	at.sll_ifindex = (int)if_nametoindex(ifname);
	flood->sock = socket(AF_PACKET, SOCK_RAW, 0);
	if (flood->sock < 0 || bind(flood->sock, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(flood->sock, (struct sockaddr *)&at, &len) != 0)
		fail(ifname);
	memcpy(mac, at.sll_addr, 6);
	if (setsockopt(flood->sock, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) != 0)
		fail("PACKET_QDISC_BYPASS");
}

int main(int argc, char *argv[])
{
	static struct flood flood;
	uint8_t macs[2][6];

	if (argc < N_FIXED_ARGUMENTS + 2 || argc % 2 != 0 ||
	    argc > N_FIXED_ARGUMENTS + 2 * (int)BURST ||
	    sscanf(argv[2], "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &macs[0][0], &macs[0][1],
		   &macs[0][2], &macs[0][3], &macs[0][4], &macs[0][5]) != 6) {
		fputs("usage: flooder IFNAME MAC SECONDS PACKETS PER_SECOND SEED tcp|udp "
		      "[ADDRESS PORT]...\n",
		      stderr);
		return 2;
	}
	open_socket(&flood, argv[1], macs[1]);
	flood.seconds = strtoull(argv[3], NULL, 0);
	flood.n_max = strtoull(argv[4], NULL, 0);
	flood.per_second = strtoull(argv[5], NULL, 0);
	flood.random.state = strtoull(argv[6], NULL, 0);
	if (flood.per_second == 0)
		return 2;
	for (uint32_t i = 0; i < BURST; i++)
		build(&flood.burst[i], macs, strcmp(argv[7], "tcp") == 0,
		      &argv[N_FIXED_ARGUMENTS +
			    2 * (i % ((uint32_t)(argc - N_FIXED_ARGUMENTS) / 2))]);
	run(&flood);
	return 0;
}
