#include "steer/awaited.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>

#include "steer/seeded_hash.h"

#define ARP_REPLY 2u
#define NEIGHBOR_ADVERTISEMENT 136u

static uint32_t cell_of(const struct lb_awaited *a, const struct lb_addr *addr)
{
	uint64_t half[2], hash;

	memcpy(half, addr, sizeof(half));
	hash = lb_hash_mix(lb_hash_mix(half[0] ^ a->seed) ^ half[1]);
	return (uint32_t)(hash % LB_AWAITED_CELLS);
}

void lb_awaited_add(struct lb_awaited *a, const struct lb_addr *addr)
{
	a->n[cell_of(a, addr)]++;
}

void lb_awaited_remove(struct lb_awaited *a, const struct lb_addr *addr)
{
	uint32_t cell = cell_of(a, addr);

	assert(a->n[cell] > 0);
	a->n[cell]--;
}

static uint32_t type_at(const struct lb_pkt *p, uint32_t off)
{
	return (uint32_t)p->data[off] << 8 | p->data[off + 1];
}

static bool is_from_server(const struct lb_awaited *a, const struct lb_pkt *p, uint32_t l3,
			   bool is_v6)
{
	struct lb_addr src;
	rte_be32_t v4_be;

	if (is_v6) {
		memcpy(&src, p->data + l3 + 8, sizeof(src));
	} else {
		memcpy(&v4_be, p->data + l3 + 12, sizeof(v4_be));
		src = lb_addr_from_v4(v4_be);
	}
	return a->n[cell_of(a, &src)] > 0;
}

/* From the bytes: what the parser found in such a frame depends on why it stopped. */
bool lb_awaited_is(const struct lb_awaited *a, const struct lb_pkt *p)
{
	uint32_t l3 = RTE_ETHER_HDR_LEN;

	for (uint32_t tags = 0; tags < 2 && p->len > l3 + 4; tags++) {
		uint32_t type = type_at(p, l3 - 2);

		if (type != RTE_ETHER_TYPE_VLAN && type != RTE_ETHER_TYPE_QINQ &&
		    type != RTE_ETHER_TYPE_QINQ1)
			break;
		l3 += 4;
	}
	if (p->len < l3 + 20)
		return false;
	switch (type_at(p, l3 - 2)) {
	case RTE_ETHER_TYPE_ARP:
		return (p->data[0] & 1) == 0 && type_at(p, l3 + 6) == ARP_REPLY;
	case RTE_ETHER_TYPE_IPV4:
		return is_from_server(a, p, l3, false);
	case RTE_ETHER_TYPE_IPV6:
		if (p->len <= l3 + 40)
			return false;
		return (p->data[l3 + 6] == IPPROTO_ICMPV6 &&
			p->data[l3 + 40] == NEIGHBOR_ADVERTISEMENT) ||
		       is_from_server(a, p, l3, true);
	default:
		return false;
	}
}
