#include "packet/fragment.h"

#include <netinet/in.h>

#include "packet/checksum.h"
#include "packet/key.h"
#include "packet/parse.h"
#include "packet/rewrite.h"

#define PACKET_BYTES_MAX 65535u
#define UNIT 8u /* offsets count these, and all parts but the last have a multiple of them */

static void describe4(const struct lb_pkt *p, struct lb_fragment *out)
{
	const uint8_t *ip = p->data + p->l3_off;
	uint32_t bits = lb_load_u16(ip + 6);

	out->id.v4.src_be = p->key.v4.src_be;
	out->id.v4.dst_be = p->key.v4.dst_be;
	out->id.v4.ports_be = lb_load_be16(ip + 4);
	out->id.v4.proto = ip[9];
	out->off = (bits & 0x1fff) * UNIT;
	out->n_bytes = p->ip_len - (ip[0] & 15u) * 4;
	out->is_last = (bits & 0x2000) == 0;
}

static void describe6(const struct lb_pkt *p, struct lb_fragment *out)
{
	const uint8_t *header = p->data + p->fragment_off;
	uint32_t bits = lb_load_u16(header + 2);

	memcpy(out->id.v6.src_be, p->key.v6.src_be, sizeof(out->id.v6.src_be));
	memcpy(out->id.v6.dst_be, p->key.v6.dst_be, sizeof(out->id.v6.dst_be));
	out->id.v6.ports_be = lb_load_be32(header + 4);
	out->off = bits & 0xfff8;
	out->n_bytes = p->l3_off + p->ip_len - p->fragment_off - LB_IPV6_FRAGMENT_BYTES;
	out->is_last = (bits & 1) == 0;
}

void lb_fragment_describe(const struct lb_pkt *p, struct lb_fragment *out)
{
	memset(out, 0, sizeof(*out));
	out->id.is_v6 = p->key.is_v6;
	if (p->key.is_v6)
		describe6(p, out);
	else
		describe4(p, out);
}

static bool is_sound(const struct lb_fragment *f)
{
	return f->n_bytes != 0 && f->off + f->n_bytes <= PACKET_BYTES_MAX &&
	       (f->is_last || f->n_bytes % UNIT == 0);
}

/* Of the IP packet, or of what stands together of it. */
static uint32_t contiguous_end(const struct lb_pkt *p)
{
	uint32_t end = p->l3_off + p->ip_len;

	return end < p->len ? end : p->len;
}

/* Headers that IPv6 allows behind the fragment header; false: the fragment ends within them. A
 * routing header with segments left is not walked past: the packet is a waypoint's. */
static bool walk_on(struct lb_pkt *p)
{
	uint32_t end = contiguous_end(p);

	for (uint32_t i = 0;
	     p->proto == IPPROTO_DSTOPTS || p->proto == IPPROTO_ROUTING || p->proto == IPPROTO_AH;
	     i++) {
		const uint8_t *ext = p->data + p->l4_off;
		uint32_t len;

		if (i == LB_IPV6_EXTENSIONS_MAX || p->l4_off + 8u > end)
			return false;
		if (p->proto == IPPROTO_ROUTING && ext[3] != 0)
			return true;
		len = p->proto == IPPROTO_AH ? (ext[1] + 2u) * 4 : (ext[1] + 1u) * 8;
		if (p->l4_off + len > end)
			return false;
		p->proto = ext[0];
		p->l4_off = (uint16_t)(p->l4_off + len);
	}
	return true;
}

static enum lb_fragment_part read_first(struct lb_pkt *p)
{
	const uint8_t *l4;
	uint32_t n, n_header;
	bool is_tcp;

	if (p->key.is_v6 && !walk_on(p))
		return LB_FRAGMENT_TINY;
	is_tcp = p->proto == IPPROTO_TCP;
	if (!is_tcp && p->proto != IPPROTO_UDP)
		return LB_FRAGMENT_FOREIGN;
	l4 = p->data + p->l4_off;
	n = contiguous_end(p) - p->l4_off;
	if (n < (is_tcp ? LB_TCP_BYTES : LB_UDP_BYTES))
		return LB_FRAGMENT_TINY;
	n_header = is_tcp ? (uint32_t)(l4[12] >> 4) * 4 : LB_UDP_BYTES;
	if (n_header > n || (is_tcp && n_header < LB_TCP_BYTES))
		return LB_FRAGMENT_TINY;
	if (is_tcp)
		p->tcp_flags = l4[13] & (LB_TCP_FIN | LB_TCP_SYN | LB_TCP_RST | LB_TCP_ACK);
	if (p->key.is_v6) {
		p->key.v6.ports_be = lb_load_be32(l4);
		p->key.v6.proto = p->proto;
	} else {
		p->key.v4.ports_be = lb_load_be32(l4);
	}
	return LB_FRAGMENT_FIRST;
}

void lb_fragment_read(struct lb_pkt *p, struct lb_fragment *out)
{
	lb_fragment_describe(p, out);
	if (!is_sound(out))
		p->fragment_part = LB_FRAGMENT_MALFORMED;
	else if (out->off != 0)
		p->fragment_part = LB_FRAGMENT_LATER;
	else
		p->fragment_part = (uint8_t)read_first(p);
}

static void put_id(struct lb_pkt *p)
{
	uint8_t *ip = p->data + p->l3_off, *checksum = ip + LB_IPV4_CHECKSUM_OFF;
	uint64_t diff;

	if (p->key.is_v6) {
		lb_store_be32(p->data + p->fragment_off + 4, p->new_id_be);
		return;
	}
	diff = lb_checksum_put16(ip + 4, (rte_be16_t)p->new_id_be);
	lb_store_be16(checksum, lb_checksum_update(lb_load_be16(checksum), diff));
}

bool lb_rewrite_fragment(struct lb_pkt *p)
{
	if (!(p->fragment_part == LB_FRAGMENT_FIRST ? lb_rewrite_flow(p) : lb_rewrite_addrs(p)))
		return false;
	put_id(p);
	return true;
}
