#include "health/vip_probe.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/service.h"
#include "lb/vlan.h"

#define NUMBER_LAST (LB_VIP_NUMBER_FIRST + LB_VIP_NUMBERS - 1)
#define ANSWER_MAX 256u /* no answer to a probe is longer */

struct vip_socket {
	int fd; /* -1: not open */
	const char *error;
	struct event readable;
};

struct lb_vip_probes {
	struct lb_vip_marks *marks;
	struct vip_socket sockets[2]; /* IPv4, IPv6 */
	lb_on_vip_answer on_answer;
	void *ctx;
};

/* Only saves wake-ups: what comes through is checked in any case. Offsets count from the IP
 * header; the last two instructions are "take it all" and "leave it". */
static const struct sock_filter filter_v4[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x45, 0, 12),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 5, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 9),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20 + 13), /* flags */
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x06, 0, 7),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20 + 2), /* destination port */
	BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20), /* type: echo reply */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20 + 4), /* identifier */
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, LB_VIP_NUMBER_FIRST, 0, 1),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NUMBER_LAST, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, ANSWER_MAX),
};

static const struct sock_filter filter_v6[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 5, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 9),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40 + 13),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x06, 0, 7),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 40 + 2),
	BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 129, 0, 3),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 40 + 4),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, LB_VIP_NUMBER_FIRST, 0, 1),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NUMBER_LAST, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, ANSWER_MAX),
};

static rte_be16_t ethertype(bool is_v4)
{
	return rte_cpu_to_be_16(is_v4 ? ETH_P_IP : ETH_P_IPV6);
}

/* Receives only once it is bound, and by then it has its filter. */
static int bind_filtered(int fd, bool is_v4)
{
	const struct sock_fprog filter = {
		.len = is_v4 ? sizeof(filter_v4) / sizeof(filter_v4[0])
			     : sizeof(filter_v6) / sizeof(filter_v6[0]),
		.filter = (struct sock_filter *)(uintptr_t)(is_v4 ? filter_v4 : filter_v6)};
	const struct sockaddr_ll every = {.sll_family = AF_PACKET,
					  .sll_protocol = ethertype(is_v4)};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) != 0)
		return -errno;
	return bind(fd, (const struct sockaddr *)&every, sizeof(every)) == 0 ? 0 : -errno;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	lb_vip_probes_receive(arg, LB_VIP_BURST);
}

static void open_socket(struct lb_vip_probes *v, struct event_base *base, uint32_t i)
{
	struct vip_socket *sock = &v->sockets[i];
	int rc;

	sock->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = sock->fd < 0 ? -errno : bind_filtered(sock->fd, i == 0);
	if (rc == 0 && (event_assign(&sock->readable, base, sock->fd, EV_READ | EV_PERSIST,
				     on_readable, v) != 0 ||
			event_add(&sock->readable, NULL) != 0))
		rc = -ENOMEM;
	if (rc == 0)
		return;
	if (rc == -EPERM || rc == -EACCES)
		sock->error = "cannot probe: packets to a VIP need CAP_NET_RAW";
	else
		lb_probe_outcome_of(-rc, &sock->error);
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
}

int lb_vip_probes_create(struct event_base *base, uint64_t seed, lb_on_vip_answer on_answer,
			 void *ctx, struct lb_vip_probes **out)
{
	struct lb_vip_probes *v = calloc(1, sizeof(*v));

	*out = NULL;
	if (v == NULL || lb_vip_marks_create(seed, &v->marks) != 0) {
		free(v);
		return -ENOMEM;
	}
	v->on_answer = on_answer;
	v->ctx = ctx;
	open_socket(v, base, 0);
	open_socket(v, base, 1);
	*out = v;
	return 0;
}

void lb_vip_probes_destroy(struct lb_vip_probes *v)
{
	if (v == NULL)
		return;
	for (uint32_t i = 0; i < 2; i++) {
		if (v->sockets[i].fd < 0)
			continue;
		event_del(&v->sockets[i].readable);
		close(v->sockets[i].fd);
	}
	lb_vip_marks_destroy(v->marks);
	free(v);
}

/* The kernel writes a frame's addresses and its type. Behind a tag's type stand its id and the next
 * type. Returns the bytes written. */
static size_t write_tag(uint32_t tag, rte_be16_t *type, uint8_t out[LB_VLAN_TAG_BYTES])
{
	rte_be16_t id_be = rte_cpu_to_be_16((uint16_t)(tag & LB_VLAN_ID_MASK));

	if (tag == 0)
		return 0;
	memcpy(out, &id_be, sizeof(id_be));
	memcpy(out + sizeof(id_be), type, sizeof(*type));
	*type = rte_cpu_to_be_16(lb_vlan_ethertype(tag));
	return LB_VLAN_TAG_BYTES;
}

static int send_packet(const struct vip_socket *sock, const struct lb_vip_question *q,
		       enum lb_probe_packet_type type)
{
	bool is_v4 = q->way.packet.forwarding == LB_FORWARD_DSR
			     ? lb_addr_is_v4(&q->way.packet.vip)
			     : lb_addr_is_v4(&q->way.packet.server);
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = ethertype(is_v4),
				 .sll_ifindex = (int)q->way.ifindex,
				 .sll_halen = sizeof(q->way.mac)};
	uint8_t packet[LB_VLAN_TAG_BYTES + LB_PROBE_PACKET_MAX];
	size_t n = write_tag(q->way.tag, &to.sll_protocol, packet);

	n += lb_probe_packet_write(&q->way.packet, type, q->port, q->mark, packet + n);
	memcpy(to.sll_addr, q->way.mac, sizeof(q->way.mac));
	return sendto(sock->fd, packet, n, 0, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno
											    : 0;
}

static struct vip_socket *socket_of(struct lb_vip_probes *v, const struct lb_vip_question *q)
{
	return &v->sockets[lb_addr_is_v4(&q->way.packet.vip) ? 0 : 1];
}

enum lb_probe_outcome lb_vip_probe_start(struct lb_vip_probes *v, struct lb_vip_question *question,
					 uint16_t *number, const char **reason)
{
	struct vip_socket *sock = socket_of(v, question);
	int rc;

	*number = 0;
	if (sock->fd < 0) {
		*reason = sock->error;
		return LB_PROBE_UNABLE;
	}
	*number = lb_vip_marks_take(v->marks, question);
	if (*number == 0)
		return lb_probe_outcome_of(EADDRNOTAVAIL, reason);
	rc = send_packet(sock, question, question->port == 0 ? LB_PROBE_ECHO : LB_PROBE_SYN);
	if (rc == 0)
		return LB_PROBE_PENDING;
	lb_vip_probe_end(v, *number);
	*number = 0;
	/* The netdev has gone. */
	return lb_probe_outcome_of(rc == -ENXIO || rc == -ENODEV ? ENETDOWN : -rc, reason);
}

void lb_vip_probe_end(struct lb_vip_probes *v, uint16_t number)
{
	lb_vip_marks_release(v->marks, number);
}

static void take_answer(struct lb_vip_probes *v, struct vip_socket *sock, const uint8_t *packet,
			size_t n)
{
	struct lb_probe_answer answer;
	const struct lb_vip_question *q;
	enum lb_probe_outcome outcome;
	const char *reason;

	if (!lb_probe_packet_read(packet, n, &answer))
		return;
	q = lb_vip_marks_match(v->marks, &answer, &outcome, &reason);
	if (q == NULL)
		return;
	/* If it is lost the server forgets the connection by itself, somewhat later. */
	if (answer.type == LB_PROBE_ACCEPTED)
		(void)send_packet(sock, q, LB_PROBE_RESET);
	/* Last: the callback ends the probe. */
	v->on_answer(v->ctx, q->probe, outcome, reason);
}

void lb_vip_probes_receive(struct lb_vip_probes *v, uint32_t max)
{
	uint8_t packet[ANSWER_MAX];

	for (uint32_t s = 0; s < 2; s++) {
		struct vip_socket *sock = &v->sockets[s];

		for (uint32_t i = 0; i < max && sock->fd >= 0; i++) {
			ssize_t n = recv(sock->fd, packet, sizeof(packet), 0);

			if (n < 0 && errno != EINTR)
				break;
			if (n > 0)
				take_answer(v, sock, packet, (size_t)n);
		}
	}
}
