#include "addresses_state.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

void lb_addresses_begin(struct lb_addresses *a)
{
	a->next.n = 0;
	a->n_unused = 0;
	for (size_t i = 0; i < a->n_entries; i++)
		a->entries[i].is_due = a->entries[i].is_held;
}

static struct lb_addresses_row *new_row(struct lb_addresses_rows *rows)
{
	if (rows->n == rows->room) {
		size_t room = rows->room == 0 ? 64 : rows->room * 2;
		struct lb_addresses_row *grown = reallocarray(rows->list, room, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		rows->list = grown;
		rows->room = room;
	}
	return &rows->list[rows->n++];
}

struct parsed_row {
	struct lb_addresses_row row;
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
	struct lb_addresses_row *row;

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

/* Address rows that we added, but that do not bear our mark: the kernel is too old for it. */
static void check_marks(struct lb_addresses *a)
{
	for (size_t i = 0; i < a->now.n && !a->are_unmarked; i++) {
		const struct lb_addresses_row *row = &a->now.list[i];

		if (row->protocol != 0 || !lb_addresses_holds(a, &row->addr, row->ifindex))
			continue;
		a->are_unmarked = true;
		lb_log(LB_LOG_WARNING, "netlink",
		       "addresses_unmarked text=\"this kernel does not keep the mark of our "
		       "addresses (it is older than 5.18): they stay after a kill -9\"");
	}
}

/* Of a dump that had no room nobody knows what it lacks. */
static void note_missing(struct lb_addresses *a)
{
	for (size_t i = 0; i < a->n_entries; i++) {
		struct lb_addresses_entry *e = &a->entries[i];

		e->is_missing = e->is_held && e->is_due && a->n_unused == 0 &&
				!lb_addresses_is_on(a, &e->addr, e->ifindex);
	}
}

bool lb_addresses_end(struct lb_addresses *a)
{
	struct lb_addresses_rows last = a->now;
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
	note_missing(a);
	return is_changed;
}

size_t lb_addresses_adopt(struct lb_addresses *a, const struct lb_link *links, size_t n_links)
{
	struct lb_addresses_entry *entries = calloc(a->now.n + 1, sizeof(*entries));
	size_t n = 0;

	if (entries == NULL)
		return 0;
	for (size_t i = 0; i < a->now.n; i++) {
		const struct lb_addresses_row *row = &a->now.list[i];

		if (row->protocol != LB_RTNL_PROTOCOL)
			continue;
		for (size_t l = 0; l < n_links; l++)
			if (links[l].ifindex != 0 && links[l].ifindex == row->ifindex) {
				entries[n++] = (struct lb_addresses_entry){
					.addr = row->addr,
					.ifindex = row->ifindex,
					.todo = LB_ADDRESSES_DONE,
					.is_held = true};
				break;
			}
	}
	qsort(entries, n, sizeof(*entries), lb_addresses_compare);
	free(a->entries);
	a->entries = entries;
	a->n_entries = n;
	return n;
}

const struct lb_addr *lb_addresses_locals(const struct lb_addresses *a, size_t *n)
{
	*n = a->n_locals;
	return a->locals;
}

/* The first of the rows with this address, which may be there several times; NULL: none is. */
static const struct lb_addresses_row *find_rows(const struct lb_addresses *a,
						const struct lb_addr *addr)
{
	const struct lb_addresses_row *found = NULL;

	if (a->now.n > 0)
		found = bsearch(addr, a->now.list, a->now.n, sizeof(*found), compare_rows);
	while (found != NULL && found > a->now.list && lb_addr_equal(&found[-1].addr, addr))
		found--;
	return found;
}

bool lb_addresses_is_on(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex)
{
	const struct lb_addresses_row *row = find_rows(a, addr);

	if (row == NULL)
		return false;
	for (; row < a->now.list + a->now.n && lb_addr_equal(&row->addr, addr); row++)
		if (row->ifindex == ifindex)
			return true;
	return false;
}

bool lb_addresses_is_foreign(const struct lb_addresses *a, const struct lb_addr *addr)
{
	const struct lb_addresses_row *found = find_rows(a, addr);

	if (found == NULL)
		return false;
	for (; found < a->now.list + a->now.n && lb_addr_equal(&found->addr, addr); found++) {
		uint8_t whole = lb_addr_is_v4(addr) ? 32 : 128;

		if (found->protocol == LB_RTNL_PROTOCOL)
			continue;
		if (found->prefix_len != whole || !lb_addresses_holds(a, addr, found->ifindex))
			return true;
	}
	return false;
}

size_t lb_addresses_unused(const struct lb_addresses *a)
{
	return a->n_unused;
}
