/* key.h - parts of a connection key, and keys from parts.
 *
 * Role     the one place that knows where addresses and ports stand in struct lb_key
 * Shape    inline functions over values
 * Units    addresses and ports in network order
 * Threads  pure
 * Memory   none
 * Errors   none
 * Tests    tests/unit/test_conn.c
 */
#ifndef LB_KEY_H
#define LB_KEY_H

#include <string.h>

#include "packet/packet.h"

/* A 5-tuple in the form in which services and servers are described. */
struct lb_tuple {
	struct lb_addr src;
	struct lb_addr dst;
	rte_be16_t sport_be;
	rte_be16_t dport_be;
};

static inline uint32_t lb_key_proto(const struct lb_key *key)
{
	return key->is_v6 ? key->v6.proto : key->v4.proto;
}

static inline struct lb_addr lb_key_src(const struct lb_key *key)
{
	struct lb_addr a;

	if (!key->is_v6)
		return lb_addr_from_v4(key->v4.src_be);
	memcpy(&a, key->v6.src_be, sizeof(a));
	return a;
}

static inline struct lb_addr lb_key_dst(const struct lb_key *key)
{
	struct lb_addr a;

	if (!key->is_v6)
		return lb_addr_from_v4(key->v4.dst_be);
	memcpy(&a, key->v6.dst_be, sizeof(a));
	return a;
}

static inline rte_be32_t lb_ports(rte_be16_t sport_be, rte_be16_t dport_be)
{
	rte_be16_t pair[2] = {sport_be, dport_be};
	rte_be32_t ports_be;

	memcpy(&ports_be, pair, sizeof(ports_be));
	return ports_be;
}

static inline rte_be16_t lb_ports_first(rte_be32_t ports_be)
{
	rte_be16_t pair[2];

	memcpy(pair, &ports_be, sizeof(pair));
	return pair[0];
}

static inline rte_be16_t lb_ports_second(rte_be32_t ports_be)
{
	rte_be16_t pair[2];

	memcpy(pair, &ports_be, sizeof(pair));
	return pair[1];
}

static inline rte_be16_t lb_key_sport(const struct lb_key *key)
{
	return lb_ports_first(key->is_v6 ? key->v6.ports_be : key->v4.ports_be);
}

static inline rte_be16_t lb_key_dport(const struct lb_key *key)
{
	return lb_ports_second(key->is_v6 ? key->v6.ports_be : key->v4.ports_be);
}

/* Both addresses of the same family, which becomes the key's. */
static inline void lb_key_make(const struct lb_tuple *t, uint32_t proto, struct lb_key *out)
{
	memset(out, 0, sizeof(*out));
	out->is_v6 = !lb_addr_is_v4(&t->dst);
	if (out->is_v6) {
		memcpy(out->v6.src_be, &t->src, sizeof(out->v6.src_be));
		memcpy(out->v6.dst_be, &t->dst, sizeof(out->v6.dst_be));
		out->v6.ports_be = lb_ports(t->sport_be, t->dport_be);
		out->v6.proto = proto;
	} else {
		out->v4.src_be = lb_addr_v4(&t->src);
		out->v4.dst_be = lb_addr_v4(&t->dst);
		out->v4.ports_be = lb_ports(t->sport_be, t->dport_be);
		out->v4.proto = proto;
	}
}

/* The key of the same flow seen from its other end. */
static inline struct lb_key lb_key_reversed(const struct lb_key *key)
{
	struct lb_key r = *key;

	if (key->is_v6) {
		memcpy(r.v6.src_be, key->v6.dst_be, sizeof(r.v6.src_be));
		memcpy(r.v6.dst_be, key->v6.src_be, sizeof(r.v6.dst_be));
		r.v6.ports_be = lb_ports(lb_key_dport(key), lb_key_sport(key));
	} else {
		r.v4.src_be = key->v4.dst_be;
		r.v4.dst_be = key->v4.src_be;
		r.v4.ports_be = lb_ports(lb_key_dport(key), lb_key_sport(key));
	}
	return r;
}

#endif
