#include "announce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#define ARP_BYTES 28u
#define IPV6_BYTES 40u
#define ADVERTISEMENT_BYTES 32u /* with the option that has the link-layer address */
#define NEIGHBOR_ADVERTISEMENT 136u
#define OVERRIDE 0x20u
#define TARGET_LINK_LAYER_ADDRESS 2u

struct entry {
	struct lb_addr addr;
	uint32_t ifindex;
	uint8_t mac[6];
	uint8_t n_left;
	uint64_t due_ms;
};

struct lb_announcer {
	struct lb_announcer_params params;
	struct event *timer;
	int fd;
	int error;
	struct entry *queue; /* ring in the order of due_ms, as all wait equally long */
	size_t room;
	size_t first;
	size_t n;
	uint64_t n_sent;
	uint64_t n_left_out;
};

/* --- frames --- */

static size_t write_ethernet(uint8_t *out, const uint8_t dst[6], const uint8_t src[6],
			     uint16_t type)
{
	memcpy(out, dst, 6);
	memcpy(out + 6, src, 6);
	out[12] = (uint8_t)(type >> 8);
	out[13] = (uint8_t)type;
	return 14;
}

/* An ARP request from the address for itself (RFC 5227). */
static size_t write_arp(const struct lb_addr *addr, const uint8_t mac[6], uint8_t *out)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	size_t at = write_ethernet(out, everybody, mac, ETHERTYPE_ARP);
	rte_be32_t v4_be = lb_addr_v4(addr);

	memset(out + at, 0, ARP_BYTES);
	memcpy(out + at, head, sizeof(head));
	memcpy(out + at + 8, mac, 6);
	memcpy(out + at + 14, &v4_be, 4);
	memcpy(out + at + 24, &v4_be, 4);
	return at + ARP_BYTES;
}

static uint32_t sum_words(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static size_t write_advertisement(const struct lb_addr *addr, const uint8_t mac[6], uint8_t *out)
{
	static const uint8_t everybody_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t everybody[16] = {0xff, 2, [15] = 1};
	uint8_t *ip = out + write_ethernet(out, everybody_mac, mac, ETHERTYPE_IPV6);
	uint8_t *icmp = ip + IPV6_BYTES;
	uint32_t sum;

	memset(ip, 0, IPV6_BYTES + ADVERTISEMENT_BYTES);
	ip[0] = 0x60;
	ip[5] = ADVERTISEMENT_BYTES;
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, addr, 16);
	memcpy(ip + 24, everybody, 16);
	icmp[0] = NEIGHBOR_ADVERTISEMENT;
	icmp[4] = OVERRIDE;
	memcpy(icmp + 8, addr, 16);
	icmp[24] = TARGET_LINK_LAYER_ADDRESS;
	icmp[25] = 1;
	memcpy(icmp + 26, mac, 6);
	sum = sum_words(ip + 8, 32) + ADVERTISEMENT_BYTES + IPPROTO_ICMPV6 +
	      sum_words(icmp, ADVERTISEMENT_BYTES);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	return 14 + IPV6_BYTES + ADVERTISEMENT_BYTES;
}

size_t lb_announce_frame(const struct lb_addr *addr, const uint8_t mac[6],
			 uint8_t out[LB_ANNOUNCE_FRAME_MAX])
{
	return lb_addr_is_v4(addr) ? write_arp(addr, mac, out)
				   : write_advertisement(addr, mac, out);
}

/* --- the queue --- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void send_one(struct lb_announcer *an, const struct entry *e)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)e->ifindex};
	uint8_t frame[LB_ANNOUNCE_FRAME_MAX];
	size_t n = lb_announce_frame(&e->addr, e->mac, frame);

	/* What a device that is down refuses is announced again when it has its carrier back. */
	if (sendto(an->fd, frame, n, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to)) > 0)
		an->n_sent++;
}

static void arm(struct lb_announcer *an)
{
	uint64_t now = now_ms(), due = an->queue[an->first].due_ms;
	uint64_t wait_ms = due > now + LB_ANNOUNCE_TURN_MS ? due - now : LB_ANNOUNCE_TURN_MS;
	const struct timeval tv = {.tv_sec = (time_t)(wait_ms / 1000),
				   .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};

	evtimer_add(an->timer, &tv);
}

static void push(struct lb_announcer *an, const struct entry *e)
{
	an->queue[(an->first + an->n++) % an->room] = *e;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_announcer *an = ctx;
	uint64_t now = now_ms();

	(void)fd;
	(void)what;
	for (uint32_t i = 0; i < LB_ANNOUNCE_PER_TURN && an->n > 0; i++) {
		struct entry e = an->queue[an->first];

		if (e.due_ms > now)
			break;
		an->first = (an->first + 1) % an->room;
		an->n--;
		if (!an->params.is_held(an->params.ctx, &e.addr, e.ifindex))
			continue;
		send_one(an, &e);
		e.due_ms = now + LB_ANNOUNCE_APART_MS;
		if (--e.n_left > 0)
			push(an, &e);
	}
	if (an->n > 0)
		arm(an);
}

/* The ring is laid out anew from its first entry on. */
static bool grow(struct lb_announcer *an)
{
	size_t room = an->room == 0 ? 64 : an->room * 2;
	struct entry *queue;

	if (room > LB_ANNOUNCE_MAX)
		return false;
	queue = calloc(room, sizeof(*queue));
	if (queue == NULL)
		return false;
	for (size_t i = 0; i < an->n; i++)
		queue[i] = an->queue[(an->first + i) % an->room];
	free(an->queue);
	an->queue = queue;
	an->room = room;
	an->first = 0;
	return true;
}

void lb_announcer_add(struct lb_announcer *an, const struct lb_addr *addr, uint32_t ifindex,
		      const uint8_t mac[6])
{
	struct entry e = {
		.addr = *addr, .ifindex = ifindex, .n_left = LB_ANNOUNCE_TIMES, .due_ms = now_ms()};

	if (an->fd < 0)
		return;
	if (an->n == an->room && !grow(an)) {
		an->n_left_out++;
		return;
	}
	memcpy(e.mac, mac, sizeof(e.mac));
	/* Before those that wait for their next turn: at the front, which is due first. */
	an->first = (an->first + an->room - 1) % an->room;
	an->queue[an->first] = e;
	an->n++;
	arm(an);
}

int lb_announcer_create(const struct lb_announcer_params *params, struct lb_announcer **out)
{
	struct lb_announcer *an = calloc(1, sizeof(*an));

	*out = NULL;
	if (an == NULL)
		return -ENOMEM;
	an->params = *params;
	an->timer = evtimer_new(params->base, on_timer, an);
	if (an->timer == NULL) {
		free(an);
		return -ENOMEM;
	}
	/* Protocol 0: it receives nothing. */
	an->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	an->error = an->fd < 0 ? -errno : 0;
	*out = an;
	return 0;
}

void lb_announcer_destroy(struct lb_announcer *an)
{
	if (an == NULL)
		return;
	event_free(an->timer);
	if (an->fd >= 0)
		close(an->fd);
	free(an->queue);
	free(an);
}

int lb_announcer_error(const struct lb_announcer *an)
{
	return an->error;
}

uint64_t lb_announcer_sent(const struct lb_announcer *an)
{
	return an->n_sent;
}

uint64_t lb_announcer_left_out(const struct lb_announcer *an)
{
	return an->n_left_out;
}
