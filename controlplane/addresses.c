#include "addresses.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "log.h"

struct row {
	struct lb_addr addr;
	uint32_t ifindex;
	uint8_t prefix_len;
	uint8_t protocol;
};

struct held {
	struct lb_addr addr;
	uint32_t ifindex;
};

struct rows {
	struct row *list;
	size_t n;
	size_t room;
};

struct lb_addresses {
	struct rows now;  /* sorted by address */
	struct rows next; /* the dump under way */
	struct lb_addr *locals;
	size_t n_locals;
	size_t n_unused;
	struct held *held; /* sorted by netdev and address */
	size_t n_held;
	bool are_unmarked;
	struct lb_announcer *announcer; /* NULL: none */
};

int lb_addresses_create(struct lb_addresses **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

void lb_addresses_destroy(struct lb_addresses *a)
{
	if (a == NULL)
		return;
	free(a->now.list);
	free(a->next.list);
	free(a->locals);
	free(a->held);
	free(a);
}

/* --- the mirror --- */

void lb_addresses_begin(struct lb_addresses *a)
{
	a->next.n = 0;
	a->n_unused = 0;
}

static struct row *new_row(struct rows *rows)
{
	if (rows->n == rows->room) {
		size_t room = rows->room == 0 ? 64 : rows->room * 2;
		struct row *grown = reallocarray(rows->list, room, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		rows->list = grown;
		rows->room = room;
	}
	return &rows->list[rows->n++];
}

struct parsed_row {
	struct row row;
	bool has_local;
};

static int parse_attr(const struct nlattr *attr, void *data)
{
	struct parsed_row *p = data;

	switch (mnl_attr_get_type(attr)) {
	case IFA_LOCAL: /* on a point-to-point netdev IFA_ADDRESS is the other end's */
		p->has_local = lb_rtnl_get_addr(attr, &p->row.addr);
		break;
	case IFA_ADDRESS:
		if (!p->has_local)
			(void)lb_rtnl_get_addr(attr, &p->row.addr);
		break;
	case IFA_PROTO:
		if (mnl_attr_get_payload_len(attr) == 1)
			p->row.protocol = mnl_attr_get_u8(attr);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

void lb_addresses_row(struct lb_addresses *a, const struct nlmsghdr *msg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
	struct parsed_row p = {0};
	struct row *row;

	if (msg->nlmsg_type != RTM_NEWADDR || msg->nlmsg_len < mnl_nlmsg_size(sizeof(*ifa)))
		return;
	p.row.ifindex = ifa->ifa_index;
	p.row.prefix_len = ifa->ifa_prefixlen;
	mnl_attr_parse(msg, sizeof(*ifa), parse_attr, &p);
	if (lb_addr_is_zero(&p.row.addr))
		return;
	row = a->next.n < LB_LOCALS_MAX ? new_row(&a->next) : NULL;
	if (row == NULL)
		a->n_unused++;
	else
		*row = p.row;
}

static int compare_rows(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct lb_addr)); /* the first field of both */
}

static int compare_held(const void *x, const void *y)
{
	const struct held *p = x, *q = y;

	if (p->ifindex != q->ifindex)
		return p->ifindex < q->ifindex ? -1 : 1;
	return memcmp(&p->addr, &q->addr, sizeof(p->addr));
}

static bool is_held(const struct held *list, size_t n, const struct held *wanted)
{
	return n > 0 && bsearch(wanted, list, n, sizeof(*list), compare_held) != NULL;
}

/* Address rows that we added, but that do not bear our mark: the kernel is too old for it. */
static void check_marks(struct lb_addresses *a)
{
	for (size_t i = 0; i < a->now.n && !a->are_unmarked; i++) {
		const struct row *row = &a->now.list[i];
		struct held held = {.addr = row->addr, .ifindex = row->ifindex};

		if (row->protocol != 0 || !is_held(a->held, a->n_held, &held))
			continue;
		a->are_unmarked = true;
		lb_log(LB_LOG_WARNING, "netlink",
		       "addresses_unmarked text=\"this kernel does not keep the mark of our "
		       "addresses (it is older than 5.18): they stay after a kill -9\"");
	}
}

bool lb_addresses_end(struct lb_addresses *a)
{
	struct rows last = a->now;
	struct lb_addr *locals;
	size_t n = 0;
	bool is_changed;

	a->now = a->next;
	a->next = last;
	if (a->now.n > 0)
		qsort(a->now.list, a->now.n, sizeof(*a->now.list), compare_rows);
	locals = calloc(a->now.n + 1, sizeof(*locals));
	if (locals == NULL)
		return false;
	for (size_t i = 0; i < a->now.n; i++)
		if (n == 0 || !lb_addr_equal(&locals[n - 1], &a->now.list[i].addr))
			locals[n++] = a->now.list[i].addr;
	is_changed = n != a->n_locals ||
		     (n > 0 && memcmp(locals, a->locals, n * sizeof(*locals)) != 0);
	free(a->locals);
	a->locals = locals;
	a->n_locals = n;
	check_marks(a);
	return is_changed;
}

size_t lb_addresses_adopt(struct lb_addresses *a, const struct lb_link *links, size_t n_links)
{
	struct held *held = calloc(a->now.n + 1, sizeof(*held));
	size_t n = 0;

	if (held == NULL)
		return 0;
	for (size_t i = 0; i < a->now.n; i++) {
		const struct row *row = &a->now.list[i];

		if (row->protocol != LB_RTNL_PROTOCOL)
			continue;
		for (size_t l = 0; l < n_links; l++)
			if (links[l].ifindex != 0 && links[l].ifindex == row->ifindex) {
				held[n].addr = row->addr;
				held[n++].ifindex = row->ifindex;
				break;
			}
	}
	qsort(held, n, sizeof(*held), compare_held);
	free(a->held);
	a->held = held;
	a->n_held = n;
	return n;
}

const struct lb_addr *lb_addresses_locals(const struct lb_addresses *a, size_t *n)
{
	*n = a->n_locals;
	return a->locals;
}

/* The first of the rows with this address, which may be there several times; NULL: none is. */
static const struct row *find_rows(const struct lb_addresses *a, const struct lb_addr *addr)
{
	const struct row *found = NULL;

	if (a->now.n > 0)
		found = bsearch(addr, a->now.list, a->now.n, sizeof(*found), compare_rows);
	while (found != NULL && found > a->now.list && lb_addr_equal(&found[-1].addr, addr))
		found--;
	return found;
}

bool lb_addresses_is_on(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex)
{
	const struct row *row = find_rows(a, addr);

	if (row == NULL)
		return false;
	for (; row < a->now.list + a->now.n && lb_addr_equal(&row->addr, addr); row++)
		if (row->ifindex == ifindex)
			return true;
	return false;
}

bool lb_addresses_is_foreign(const struct lb_addresses *a, const struct lb_addr *addr)
{
	const struct row *found = find_rows(a, addr);

	if (found == NULL)
		return false;
	for (; found < a->now.list + a->now.n && lb_addr_equal(&found->addr, addr); found++) {
		struct held held = {.addr = *addr, .ifindex = found->ifindex};
		uint8_t whole = lb_addr_is_v4(addr) ? 32 : 128;

		if (found->protocol == LB_RTNL_PROTOCOL)
			continue;
		if (found->prefix_len != whole || !is_held(a->held, a->n_held, &held))
			return true;
	}
	return false;
}

/* --- what we hold --- */

void lb_addresses_tell(struct lb_addresses *a, struct lb_announcer *announcer)
{
	a->announcer = announcer;
}

void lb_addresses_announce(const struct lb_addresses *a, const struct lb_link *link)
{
	for (size_t i = 0; a->announcer != NULL && i < a->n_held; i++)
		if (a->held[i].ifindex == link->ifindex)
			lb_announcer_add(a->announcer, &a->held[i].addr, link->ifindex, link->mac);
}

bool lb_addresses_holds(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex)
{
	struct held h = {.addr = *addr, .ifindex = ifindex};

	return is_held(a->held, a->n_held, &h);
}

static void announce(struct lb_addresses *a, const struct held *h, const struct lb_link *links)
{
	for (size_t l = 0; a->announcer != NULL && l < LB_IFACES_MAX; l++)
		if (links[l].ifindex == h->ifindex) {
			lb_announcer_add(a->announcer, &h->addr, h->ifindex, links[l].mac);
			return;
		}
}

static int ask_kernel(struct lb_rtnl *nl, uint16_t type, const struct held *h)
{
	/* Deprecated: the kernel does not choose it as the source of its own connections, whose
	 * replies would end in a worker. (IPv4 has no such thing; there the netdev's first
	 * address is chosen, which is not ours.) */
	const struct ifa_cacheinfo lifetime = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
	char buf[LB_RTNL_REQUEST_MAX];
	struct ifaddrmsg *ifa;
	struct nlmsghdr *msg;
	void *header;

	msg = lb_rtnl_message(buf, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0,
			      &header, sizeof(*ifa));
	ifa = header;
	ifa->ifa_family = lb_rtnl_family(&h->addr);
	ifa->ifa_index = h->ifindex;
	ifa->ifa_prefixlen = ifa->ifa_family == AF_INET ? 32 : 128;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	lb_rtnl_put_addr(msg, IFA_LOCAL, &h->addr);
	lb_rtnl_put_addr(msg, IFA_ADDRESS, &h->addr);
	if (type == RTM_NEWADDR) {
		mnl_attr_put_u8(msg, IFA_PROTO, LB_RTNL_PROTOCOL);
		if (ifa->ifa_family == AF_INET6) {
			mnl_attr_put_u32(msg, IFA_FLAGS, IFA_F_NODAD);
			mnl_attr_put(msg, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
		}
	}
	return lb_rtnl_request(nl, msg, NULL, NULL);
}

static void log_refusal(const char *what, const struct held *h, int rc)
{
	char text[LB_ADDR_TEXT_MAX];

	lb_log(LB_LOG_WARNING, "netlink", "%s address=%s ifindex=%u error=\"%s\"", what,
	       lb_addr_format(&h->addr, text), h->ifindex, strerror(-rc));
}

/* The wanted ones that we have to hold, sorted, each once. */
static size_t list_wanted(const struct lb_addresses *a, const struct lb_link *links,
			  const struct lb_wanted_addr *wanted, size_t n, struct held *out)
{
	size_t n_out = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct lb_link *link = &links[wanted[i].iface];

		if (link->ifindex == 0 || lb_addresses_is_foreign(a, &wanted[i].addr))
			continue;
		out[n_out].addr = wanted[i].addr;
		out[n_out++].ifindex = link->ifindex;
	}
	qsort(out, n_out, sizeof(*out), compare_held);
	for (size_t i = 0; i < n_out; i++)
		if (kept == 0 || compare_held(&out[kept - 1], &out[i]) != 0)
			out[kept++] = out[i];
	return kept;
}

size_t lb_addresses_set(struct lb_addresses *a, struct lb_rtnl *nl, const struct lb_link *links,
			const struct lb_wanted_addr *wanted, size_t n, int *error)
{
	struct held *want = calloc(n + 1, sizeof(*want));
	size_t n_want, n_held = 0, n_refused = 0;
	int rc;

	*error = want == NULL ? -ENOMEM : 0;
	if (want == NULL)
		return n;
	n_want = list_wanted(a, links, wanted, n, want);
	for (size_t i = 0; i < a->n_held; i++) {
		if (is_held(want, n_want, &a->held[i]))
			continue;
		rc = ask_kernel(nl, RTM_DELADDR, &a->held[i]);
		if (rc != 0 && rc != -EADDRNOTAVAIL && rc != -ENODEV)
			log_refusal("address_not_removed", &a->held[i], rc);
	}
	for (size_t i = 0; i < n_want; i++) {
		/* Asked for again even when held: somebody may have taken it away. */
		rc = ask_kernel(nl, RTM_NEWADDR, &want[i]);
		if (rc == -EEXIST && !is_held(a->held, a->n_held, &want[i]))
			continue; /* somebody was faster: theirs */
		if (rc != 0 && rc != -EEXIST) {
			log_refusal("address_refused", &want[i], rc);
			*error = rc;
			n_refused++;
			continue;
		}
		if (rc == 0)
			announce(a, &want[i], links);
		want[n_held++] = want[i];
	}
	free(a->held);
	a->held = want;
	a->n_held = n_held;
	return n_refused;
}

size_t lb_addresses_missing(const struct lb_addresses *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->now.n; i++) {
		const struct held h = {.addr = a->now.list[i].addr,
				       .ifindex = a->now.list[i].ifindex};

		n += is_held(a->held, a->n_held, &h);
	}
	return n < a->n_held ? a->n_held - n : 0;
}

size_t lb_addresses_held(const struct lb_addresses *a)
{
	return a->n_held;
}

size_t lb_addresses_unused(const struct lb_addresses *a)
{
	return a->n_unused;
}

bool lb_addresses_are_marked(const struct lb_addresses *a)
{
	return !a->are_unmarked;
}
