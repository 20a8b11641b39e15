#include "rtnl.h"

#include <assert.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define RECEIVE_BYTES 65536u
#define SOCKET_BYTES (4 * 1024 * 1024)
#define REQUEST_TIMEOUT_S 2

struct lb_rtnl {
	struct mnl_socket *request;
	struct mnl_socket *mirror;
	uint32_t seq;
	uint32_t dump_seq; /* 0: no dump under way */
	bool is_torn;
	/* Two: a request may be made while a datagram of the mirror is being read. */
	alignas(struct nlmsghdr) char request_buf[RECEIVE_BYTES];
	alignas(struct nlmsghdr) char mirror_buf[RECEIVE_BYTES];
};

static int open_socket(struct mnl_socket **out, int flags, unsigned int groups)
{
	*out = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
	if (*out == NULL || mnl_socket_bind(*out, groups, MNL_SOCKET_AUTOPID) != 0)
		return -errno;
	return 0;
}

static int open_mirror(struct lb_rtnl *nl)
{
	const unsigned int groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR |
				    RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	const int bytes = SOCKET_BYTES;
	int rc = open_socket(&nl->mirror, SOCK_NONBLOCK, groups);
	int one = 1, fd;

	if (rc != 0)
		return rc;
	fd = mnl_socket_get_fd(nl->mirror);
	/* The larger the seldomer a resynchronisation; what the rights do not allow is not had. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	/* So that a route dump can be asked for one table only. */
	(void)mnl_socket_setsockopt(nl->mirror, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return 0;
}

int lb_rtnl_open(struct lb_rtnl **out)
{
	const struct timeval timeout = {.tv_sec = REQUEST_TIMEOUT_S};
	struct lb_rtnl *nl = calloc(1, sizeof(*nl));
	int rc;

	*out = NULL;
	if (nl == NULL)
		return -ENOMEM;
	rc = open_socket(&nl->request, 0, 0);
	if (rc == 0) {
		(void)setsockopt(mnl_socket_get_fd(nl->request), SOL_SOCKET, SO_RCVTIMEO, &timeout,
				 sizeof(timeout));
		rc = open_mirror(nl);
	}
	if (rc != 0) {
		lb_rtnl_close(nl);
		return rc;
	}
	*out = nl;
	return 0;
}

void lb_rtnl_close(struct lb_rtnl *nl)
{
	if (nl == NULL)
		return;
	if (nl->request != NULL)
		mnl_socket_close(nl->request);
	if (nl->mirror != NULL)
		mnl_socket_close(nl->mirror);
	free(nl);
}

int lb_rtnl_fd(const struct lb_rtnl *nl)
{
	return mnl_socket_get_fd(nl->mirror);
}

struct nlmsghdr *lb_rtnl_message(void *buf, uint16_t type, uint16_t flags, void **extra_header,
				 size_t extra)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST | flags;
	*extra_header = mnl_nlmsg_put_extra_header(msg, extra);
	return msg;
}

void lb_rtnl_put_addr(struct nlmsghdr *msg, uint16_t type, const struct lb_addr *addr)
{
	if (lb_addr_is_v4(addr))
		mnl_attr_put_u32(msg, type, lb_addr_v4(addr));
	else
		mnl_attr_put(msg, type, sizeof(*addr), addr);
}

bool lb_rtnl_get_addr(const struct nlattr *attr, struct lb_addr *out)
{
	uint16_t len = mnl_attr_get_payload_len(attr);

	if (len == 4)
		*out = lb_addr_from_v4(mnl_attr_get_u32(attr));
	else if (len == sizeof(*out))
		memcpy(out, mnl_attr_get_payload(attr), sizeof(*out));
	else
		return false;
	return true;
}

/* The error that a message carries: 1 when it is none. */
static int error_of(const struct nlmsghdr *msg)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(msg);

	if (msg->nlmsg_type != NLMSG_ERROR || msg->nlmsg_len < mnl_nlmsg_size(sizeof(*e)))
		return 1;
	return e->error;
}

int lb_rtnl_request(struct lb_rtnl *nl, struct nlmsghdr *msg, lb_rtnl_on_message on_message,
		    void *ctx)
{
	msg->nlmsg_flags |= NLM_F_ACK;
	msg->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->request, msg, msg->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl->request, nl->request_buf,
						sizeof(nl->request_buf));
		const struct nlmsghdr *reply = (const struct nlmsghdr *)(void *)nl->request_buf;
		int left = (int)n;

		if (n < 0)
			return -errno;
		for (; mnl_nlmsg_ok(reply, left); reply = mnl_nlmsg_next(reply, &left)) {
			int rc;

			/* An answer that came after its request had timed out. */
			if (reply->nlmsg_seq != nl->seq)
				continue;
			rc = error_of(reply);
			if (rc <= 0)
				return rc;
			if (on_message != NULL)
				on_message(ctx, reply);
		}
	}
}

struct nlmsghdr *lb_rtnl_batch_next(struct lb_rtnl_batch *batch, uint16_t type, uint16_t flags,
				    void **extra_header, size_t extra)
{
	assert(batch->n < LB_RTNL_BATCH_MAX);
	batch->last = batch->n++ == 0 ? (struct nlmsghdr *)(void *)batch->buf
				      : mnl_nlmsg_get_payload_tail(batch->last);
	return lb_rtnl_message(batch->last, type, flags, extra_header, extra);
}

/* Only refusals are answered, and the last request, which closes the batch. */
static int take_verdicts(struct lb_rtnl *nl, uint32_t first_seq, uint32_t n, int *results)
{
	for (;;) {
		ssize_t bytes = mnl_socket_recvfrom(nl->request, nl->request_buf,
						    sizeof(nl->request_buf));
		const struct nlmsghdr *reply = (const struct nlmsghdr *)(void *)nl->request_buf;
		int left = (int)bytes;

		if (bytes < 0)
			return -errno;
		for (; mnl_nlmsg_ok(reply, left); reply = mnl_nlmsg_next(reply, &left)) {
			uint32_t i = reply->nlmsg_seq - first_seq;
			int rc = error_of(reply);

			if (i >= n || rc > 0)
				continue;
			results[i] = rc;
			if (i == n - 1)
				return 0;
		}
	}
}

int lb_rtnl_batch_send(struct lb_rtnl *nl, struct lb_rtnl_batch *batch,
		       int results[LB_RTNL_BATCH_MAX])
{
	struct nlmsghdr *msg = (struct nlmsghdr *)(void *)batch->buf;
	uint32_t n = batch->n, first_seq = nl->seq + 1;
	size_t bytes;

	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++, msg = mnl_nlmsg_get_payload_tail(msg)) {
		msg->nlmsg_seq = ++nl->seq;
		results[i] = 0;
	}
	batch->last->nlmsg_flags |= NLM_F_ACK;
	bytes = (size_t)((char *)mnl_nlmsg_get_payload_tail(batch->last) - batch->buf);
	assert(bytes <= sizeof(batch->buf));
	batch->n = 0;
	if (mnl_socket_sendto(nl->request, batch->buf, bytes) < 0)
		return -errno;
	return take_verdicts(nl, first_seq, n, results);
}

/* A strict request carries the header of its own type, and routes of the main table only. */
static size_t dump_header_bytes(uint16_t type)
{
	switch (type) {
	case RTM_GETLINK:
		return sizeof(struct ifinfomsg);
	case RTM_GETADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_GETNEIGH:
		return sizeof(struct ndmsg);
	default:
		return sizeof(struct rtmsg);
	}
}

int lb_rtnl_dump(struct lb_rtnl *nl, uint16_t type, uint8_t family)
{
	char buf[LB_RTNL_REQUEST_MAX];
	void *header;
	struct nlmsghdr *msg = lb_rtnl_message(buf, type, NLM_F_DUMP, &header,
					       dump_header_bytes(type));

	*(uint8_t *)header = family; /* the first field of all four */
	if (type == RTM_GETROUTE)
		mnl_attr_put_u32(msg, RTA_TABLE, RT_TABLE_MAIN);
	if (++nl->seq == 0)
		nl->seq = 1;
	nl->dump_seq = nl->seq;
	nl->is_torn = false;
	msg->nlmsg_seq = nl->dump_seq;
	if (mnl_socket_sendto(nl->mirror, msg, msg->nlmsg_len) < 0) {
		nl->dump_seq = 0;
		return -errno;
	}
	return 0;
}

static void end_dump(struct lb_rtnl *nl, const struct nlmsghdr *msg, lb_rtnl_on_event on_event,
		     void *ctx)
{
	bool is_torn = nl->is_torn;

	nl->dump_seq = 0;
	on_event(ctx, is_torn ? LB_RTNL_TORN : LB_RTNL_DONE, msg);
}

static void take_datagram(struct lb_rtnl *nl, size_t len, lb_rtnl_on_event on_event, void *ctx)
{
	const struct nlmsghdr *msg = (const struct nlmsghdr *)(void *)nl->mirror_buf;
	int left = (int)len;

	for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left)) {
		bool is_dump = msg->nlmsg_seq == nl->dump_seq && nl->dump_seq != 0 &&
			       msg->nlmsg_pid == mnl_socket_get_portid(nl->mirror);

		if (!is_dump) {
			if (msg->nlmsg_type >= NLMSG_MIN_TYPE)
				on_event(ctx, LB_RTNL_MESSAGE, msg);
			continue;
		}
		if ((msg->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
			nl->is_torn = true;
		/* An error instead of a table (a family that this kernel lacks) is an empty one. */
		if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR)
			end_dump(nl, msg, on_event, ctx);
		else if (msg->nlmsg_type >= NLMSG_MIN_TYPE)
			on_event(ctx, LB_RTNL_ROW, msg);
	}
}

int lb_rtnl_read(struct lb_rtnl *nl, uint32_t max, lb_rtnl_on_event on_event, void *ctx)
{
	for (uint32_t i = 0; i < max; i++) {
		ssize_t n = mnl_socket_recvfrom(nl->mirror, nl->mirror_buf, sizeof(nl->mirror_buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		take_datagram(nl, (size_t)n, on_event, ctx);
	}
	return 0;
}
