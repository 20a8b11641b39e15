/* rtnl.h - talking rtnetlink: requests that are answered at once, and the mirror's socket.
 *
 * Role     carries messages; knows no table
 * Shape    two sockets: one for requests (the kernel answers before send returns), one that
 *          listens to the groups and receives dumps, never blocking
 * Units    -
 * Threads  control thread only
 * Memory   two sockets and a receive buffer
 * Limits   a request is one message of at most LB_RTNL_REQUEST_MAX bytes, or LB_RTNL_BATCH_MAX of
 *          at most LB_RTNL_BATCH_MESSAGE_MAX each
 * Errors   0 or -errno, the kernel's own for a refused request
 * Source   RFC 3549
 * Tests    tests/system/test_netlink.c
 */
#ifndef LB_RTNL_H
#define LB_RTNL_H

#include <libmnl/libmnl.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"

#define LB_RTNL_REQUEST_MAX 512u
#define LB_RTNL_BATCH_MAX 64u
#define LB_RTNL_BATCH_MESSAGE_MAX 128u
/* Marks in the kernel what Ballast put there (IFA_PROTO of addresses, NDA_PROTOCOL of neighbours),
 * so that it is known after a kill -9; no other program uses this number. */
#define LB_RTNL_PROTOCOL 76u

struct lb_rtnl;

int lb_rtnl_open(struct lb_rtnl **out);
void lb_rtnl_close(struct lb_rtnl *nl);

/* The mirror's descriptor, for the event loop. */
int lb_rtnl_fd(const struct lb_rtnl *nl);

/* Starts a message in `buf` (LB_RTNL_REQUEST_MAX bytes) with an extra header of `extra` bytes. */
struct nlmsghdr *lb_rtnl_message(void *buf, uint16_t type, uint16_t flags, void **extra_header,
				 size_t extra);

void lb_rtnl_put_addr(struct nlmsghdr *msg, uint16_t type, const struct lb_addr *addr);

/* An attribute's address by its length (4 or 16 bytes); false: neither. */
bool lb_rtnl_get_addr(const struct nlattr *attr, struct lb_addr *out);

static inline uint8_t lb_rtnl_family(const struct lb_addr *addr)
{
	return lb_addr_is_v4(addr) ? 2 /* AF_INET */ : 10 /* AF_INET6 */;
}

/* Sends and takes the kernel's verdict; every message before it goes to on_message (or NULL). */
typedef void (*lb_rtnl_on_message)(void *ctx, const struct nlmsghdr *msg);
int lb_rtnl_request(struct lb_rtnl *nl, struct nlmsghdr *msg, lb_rtnl_on_message on_message,
		    void *ctx);

/* Requests that the kernel takes in one call: each is begun by lb_rtnl_batch_next, sent by
 * lb_rtnl_batch_send, which leaves the batch empty. results[i]: the kernel's verdict on request i,
 * 0 or -errno. Returns 0, or -errno when it is not known what became of them. */
struct lb_rtnl_batch {
	alignas(struct nlmsghdr) char buf[LB_RTNL_BATCH_MAX * LB_RTNL_BATCH_MESSAGE_MAX];
	struct nlmsghdr *last;
	uint32_t n;
};
struct nlmsghdr *lb_rtnl_batch_next(struct lb_rtnl_batch *batch, uint16_t type, uint16_t flags,
				    void **extra_header, size_t extra);
int lb_rtnl_batch_send(struct lb_rtnl *nl, struct lb_rtnl_batch *batch,
		       int results[LB_RTNL_BATCH_MAX]);

/* Asks for a whole table on the mirror's socket; one at a time. */
int lb_rtnl_dump(struct lb_rtnl *nl, uint16_t type, uint8_t family);

/* Reads the mirror's socket until it is empty (at most `max` datagrams). LB_RTNL_MESSAGE for each
 * notification, LB_RTNL_ROW for each message of the dump, LB_RTNL_DONE at its end; LB_RTNL_TORN
 * when the table changed meanwhile and the dump has to be asked for again. Returns 0, or -ENOBUFS
 * after the kernel had to drop notifications, or another error. */
enum lb_rtnl_event { LB_RTNL_MESSAGE, LB_RTNL_ROW, LB_RTNL_DONE, LB_RTNL_TORN };
typedef void (*lb_rtnl_on_event)(void *ctx, enum lb_rtnl_event event, const struct nlmsghdr *msg);
int lb_rtnl_read(struct lb_rtnl *nl, uint32_t max, lb_rtnl_on_event on_event, void *ctx);

#endif
