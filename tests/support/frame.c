#include "frame.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "packet/parse.h"

#define ETH_BYTES 14u
#define IPV4_BYTES 20u
#define IPV6_BYTES 40u
#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu
#define TYPE_VLAN 0x8100u

static void give_up(const char *why)
{
	fprintf(stderr, "frame builder: %s\n", why);
	abort();
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

uint8_t *frame_at(struct frame *f, uint32_t off)
{
	if (off >= FRAME_BYTES_MAX)
		give_up("offset past the largest frame");
	return f->room + FRAME_HEADROOM + off;
}

static const uint8_t *frame_at_const(const struct frame *f, uint32_t off)
{
	return f->room + FRAME_HEADROOM + off;
}

void frame_put8(struct frame *f, uint32_t off, uint8_t value)
{
	*frame_at(f, off) = value;
}

void frame_put16(struct frame *f, uint32_t off, uint16_t value)
{
	put16(frame_at(f, off), value);
}

void frame_put32(struct frame *f, uint32_t off, uint32_t value)
{
	frame_put16(f, off, (uint16_t)(value >> 16));
	frame_put16(f, off + 2, (uint16_t)value);
}

uint16_t frame_get16(const struct frame *f, uint32_t off)
{
	return get16(frame_at_const(f, off));
}

/* Appends n zero bytes and returns where they begin. */
static uint32_t grow(struct frame *f, uint32_t n)
{
	uint32_t off = f->len;

	if (n > FRAME_BYTES_MAX - off)
		give_up("frame too large");
	if (n > 0)
		memset(frame_at(f, off), 0, n);
	f->len += n;
	return off;
}

void frame_bytes(struct frame *f, const void *bytes, uint32_t n)
{
	uint32_t off = grow(f, n);

	if (n > 0)
		memcpy(frame_at(f, off), bytes, n);
}

void frame_text(struct frame *f, const char *text)
{
	frame_bytes(f, text, (uint32_t)strlen(text));
}

void frame_fill(struct frame *f, uint32_t n)
{
	uint32_t off = grow(f, n);

	for (uint32_t i = 0; i < n; i++)
		frame_put8(f, off + i, (uint8_t)(i * 7 + 1));
}

void frame_eth_macs(struct frame *f, const uint8_t dst[6], const uint8_t src[6])
{
	memset(f, 0, sizeof(*f));
	frame_bytes(f, dst, 6);
	frame_bytes(f, src, 6);
	grow(f, 2);
}

void frame_eth(struct frame *f)
{
	static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};

	frame_eth_macs(f, dst, src);
}

void frame_ethertype(struct frame *f, uint16_t type)
{
	frame_put16(f, f->len - 2, type);
}

void frame_vlan(struct frame *f, uint16_t id)
{
	frame_tag(f, TYPE_VLAN, id);
}

void frame_tag(struct frame *f, uint16_t type, uint16_t tag)
{
	frame_ethertype(f, type);
	frame_put16(f, grow(f, 4), tag);
}

static struct lb_addr address(const char *text, bool is_v6)
{
	struct lb_addr a;

	if (lb_addr_parse(text, &a) < 0 || lb_addr_is_v4(&a) == is_v6)
		give_up(text);
	return a;
}

void frame_ipv4(struct frame *f, const char *src, const char *dst)
{
	struct lb_addr s = address(src, false), d = address(dst, false);

	frame_ethertype(f, TYPE_IPV4);
	f->l3_off = grow(f, IPV4_BYTES);
	f->next_off = f->l3_off + 9;
	f->is_v6 = false;
	frame_put8(f, f->l3_off, 0x45);
	frame_put16(f, f->l3_off + 4, 0x1234);
	frame_put8(f, f->l3_off + 8, 64);
	memcpy(frame_at(f, f->l3_off + 12), &s.word_be[3], 4);
	memcpy(frame_at(f, f->l3_off + 16), &d.word_be[3], 4);
}

void frame_ipv4_options(struct frame *f, uint32_t n)
{
	uint32_t off = grow(f, n);

	for (uint32_t i = 0; i < n; i++)
		frame_put8(f, off + i, 1);
	frame_put8(f, f->l3_off, (uint8_t)(0x45 + n / 4));
}

void frame_ipv4_fragment(struct frame *f, uint16_t offset, bool more)
{
	frame_put16(f, f->l3_off + 6, (uint16_t)(offset / 8 | (more ? 0x2000 : 0)));
}

void frame_ipv6(struct frame *f, const char *src, const char *dst)
{
	struct lb_addr s = address(src, true), d = address(dst, true);

	frame_ethertype(f, TYPE_IPV6);
	f->l3_off = grow(f, IPV6_BYTES);
	f->next_off = f->l3_off + 6;
	f->is_v6 = true;
	frame_put8(f, f->l3_off, 0x60);
	frame_put8(f, f->l3_off + 7, 64);
	memcpy(frame_at(f, f->l3_off + 8), &s, 16);
	memcpy(frame_at(f, f->l3_off + 24), &d, 16);
}

/* Says in the header before what comes now. */
static void announce(struct frame *f, uint8_t proto)
{
	if (f->next_off == 0)
		give_up("no IP header before it");
	frame_put8(f, f->next_off, proto);
}

void frame_ipv6_extension(struct frame *f, uint8_t type, uint32_t n)
{
	uint32_t off = grow(f, n);

	announce(f, type);
	f->next_off = off;
	if (type == IPPROTO_AH) {
		frame_put8(f, off + 1, (uint8_t)(n / 4 - 2));
		return;
	}
	frame_put8(f, off + 1, (uint8_t)(n / 8 - 1));
	if (type == IPPROTO_HOPOPTS || type == IPPROTO_DSTOPTS) {
		frame_put8(f, off + 2, 1); /* one option that pads the rest */
		frame_put8(f, off + 3, (uint8_t)(n - 4));
	}
}

void frame_ipv6_fragment(struct frame *f, uint16_t offset, bool more)
{
	uint32_t off = grow(f, 8);

	announce(f, IPPROTO_FRAGMENT);
	f->next_off = off;
	frame_put16(f, off + 2, (uint16_t)(offset | (more ? 1 : 0)));
	frame_put32(f, off + 4, 0x12345678);
}

void frame_ip_proto(struct frame *f, uint8_t proto)
{
	announce(f, proto);
	f->next_off = 0;
}

void frame_ttl(struct frame *f, uint8_t ttl)
{
	frame_put8(f, f->l3_off + (f->is_v6 ? 7 : 8), ttl);
}

static void begin_l4(struct frame *f, uint8_t proto, uint32_t n)
{
	frame_ip_proto(f, proto);
	f->l4_off = grow(f, n);
	f->proto = proto;
}

void frame_tcp(struct frame *f, uint16_t sport, uint16_t dport, uint8_t flags)
{
	begin_l4(f, IPPROTO_TCP, 20);
	frame_put16(f, f->l4_off, sport);
	frame_put16(f, f->l4_off + 2, dport);
	frame_put8(f, f->l4_off + 12, 0x50);
	frame_put8(f, f->l4_off + 13, flags);
	frame_put16(f, f->l4_off + 14, 65535);
}

void frame_tcp_numbers(struct frame *f, uint32_t seq, uint32_t ack)
{
	frame_put32(f, f->l4_off + 4, seq);
	frame_put32(f, f->l4_off + 8, ack);
}

void frame_tcp_options(struct frame *f, uint32_t n)
{
	uint32_t off = grow(f, n);

	for (uint32_t i = 0; i < n; i++)
		frame_put8(f, off + i, 1);
	frame_put8(f, f->l4_off + 12, (uint8_t)(0x50 + n / 4 * 16));
}

void frame_udp(struct frame *f, uint16_t sport, uint16_t dport)
{
	begin_l4(f, IPPROTO_UDP, 8);
	f->has_udp_checksum = true;
	frame_put16(f, f->l4_off, sport);
	frame_put16(f, f->l4_off + 2, dport);
}

void frame_udp_without_checksum(struct frame *f)
{
	f->has_udp_checksum = false;
}

void frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint32_t rest)
{
	begin_l4(f, f->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 8);
	frame_put8(f, f->l4_off, type);
	frame_put8(f, f->l4_off + 1, code);
	frame_put32(f, f->l4_off + 4, rest);
}

uint32_t frame_quote(struct frame *f, const struct frame *quoted, uint32_t n)
{
	uint32_t have = quoted->len - quoted->l3_off;

	if (n > have)
		n = have;
	frame_bytes(f, frame_at_const(quoted, quoted->l3_off), n);
	return n;
}

uint16_t frame_sum(const uint8_t *bytes, uint32_t n, uint32_t start)
{
	uint64_t sum = start;

	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint64_t)bytes[i] << 8 : bytes[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Addresses, length and protocol as the transport checksums count them. */
static uint16_t pseudo_sum(const uint8_t *ip, bool is_v6, uint8_t proto, uint32_t n)
{
	uint32_t start = proto + (n >> 16) + (n & 0xffff);

	return is_v6 ? frame_sum(ip + 8, 32, start) : frame_sum(ip + 12, 8, start);
}

static uint32_t checksum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
}

void frame_checksums(struct frame *f)
{
	uint8_t *ip = frame_at(f, f->l3_off), *l4 = frame_at(f, f->l4_off), *sum;
	uint32_t n = f->len - f->l4_off, start;

	if (!f->is_v6) {
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~frame_sum(ip, (ip[0] & 15) * 4u, 0));
	}
	if (f->l4_off == 0)
		return;
	sum = l4 + checksum_at(f->proto);
	put16(sum, 0);
	if (f->proto == IPPROTO_UDP && !f->has_udp_checksum)
		return;
	start = f->proto == IPPROTO_ICMP ? 0 : pseudo_sum(ip, f->is_v6, f->proto, n);
	put16(sum, (uint16_t)~frame_sum(l4, n, start));
	if (f->proto == IPPROTO_UDP && get16(sum) == 0)
		put16(sum, 0xffff);
}

void frame_finish(struct frame *f)
{
	if (f->l3_off == 0)
		return;
	if (f->is_v6)
		frame_put16(f, f->l3_off + 4, (uint16_t)(f->len - f->l3_off - IPV6_BYTES));
	else
		frame_put16(f, f->l3_off + 2, (uint16_t)(f->len - f->l3_off));
	if (f->proto == IPPROTO_UDP && f->l4_off != 0)
		frame_put16(f, f->l4_off + 4, (uint16_t)(f->len - f->l4_off));
	frame_checksums(f);
}

void frame_pad(struct frame *f, uint32_t len)
{
	if (len > f->len)
		grow(f, len - f->len);
}

struct lb_pkt frame_view(struct frame *f)
{
	struct lb_pkt p;

	memset(&p, 0, sizeof(p));
	p.data = frame_at(f, 0);
	p.len = f->len;
	p.headroom = FRAME_HEADROOM;
	p.tailroom = FRAME_BYTES_MAX + FRAME_TAILROOM - f->len;
	return p;
}

struct lb_pkt frame_exact(const struct frame *f, uint32_t len)
{
	struct lb_pkt p;

	memset(&p, 0, sizeof(p));
	p.data = malloc(len);
	if (p.data == NULL && len > 0)
		give_up("no memory");
	if (len > 0)
		memcpy(p.data, frame_at_const(f, 0), len);
	p.len = len;
	return p;
}

struct lb_pkt frame_parse_exact(const struct frame *f, uint32_t len)
{
	struct lb_pkt p = frame_exact(f, len);

	lb_parse(&p);
	free(p.data);
	return p;
}

const char *frame_drop_name(const struct lb_pkt *p)
{
	return p->verdict == LB_VERDICT_DROP ? lb_counter_info[p->drop_reason].name : "no drop";
}

/* --- judging: its own walk over the headers, shared by nothing under test --- */

struct judged {
	const uint8_t *ip;
	uint32_t have;  /* bytes from ip */
	uint32_t total; /* as the IP header says */
	uint32_t l4;    /* from ip */
	uint8_t proto;
	bool is_v6;
	bool is_later_fragment;
	bool is_fragment;
};

static const char *judge_ipv4(struct judged *j)
{
	uint32_t header = (j->ip[0] & 15u) * 4;
	uint16_t fragment;

	if (j->have < IPV4_BYTES || header < IPV4_BYTES || header > j->have)
		return "IPv4 header cut or too short";
	if (frame_sum(j->ip, header, 0) != 0xffff)
		return "IPv4 header checksum wrong";
	fragment = get16(j->ip + 6);
	j->is_fragment = (fragment & 0x3fff) != 0;
	j->is_later_fragment = (fragment & 0x1fff) != 0;
	j->total = get16(j->ip + 2);
	j->proto = j->ip[9];
	j->l4 = header;
	return j->total < header ? "IPv4 total length too small" : NULL;
}

static const char *judge_ipv6(struct judged *j)
{
	if (j->have < IPV6_BYTES)
		return "IPv6 header cut";
	j->total = IPV6_BYTES + get16(j->ip + 4);
	j->proto = j->ip[6];
	j->l4 = IPV6_BYTES;
	while (j->proto == IPPROTO_HOPOPTS || j->proto == IPPROTO_ROUTING ||
	       j->proto == IPPROTO_DSTOPTS || j->proto == IPPROTO_FRAGMENT ||
	       j->proto == IPPROTO_AH) {
		const uint8_t *ext = j->ip + j->l4;
		uint8_t type = j->proto;

		if (j->l4 + 8 > j->have || j->is_later_fragment)
			return NULL;
		j->proto = ext[0];
		j->l4 += type == IPPROTO_FRAGMENT ? 8
			 : type == IPPROTO_AH     ? (ext[1] + 2u) * 4
						  : (ext[1] + 1u) * 8;
		if (type == IPPROTO_FRAGMENT) {
			j->is_fragment = (get16(ext + 2) & 0xfff9) != 0;
			j->is_later_fragment = (get16(ext + 2) & 0xfff8) != 0;
		}
	}
	return NULL;
}

static const char *judge_ip(const uint8_t *ip, uint32_t have, bool is_quote);

static bool is_icmp_error(const struct judged *j)
{
	uint8_t type = j->ip[j->l4];

	if (j->proto == IPPROTO_ICMPV6)
		return type < 128;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static const char *judge_l4(const struct judged *j)
{
	uint32_t n = j->total - j->l4;
	const uint8_t *l4 = j->ip + j->l4;
	uint16_t start;

	if (j->proto != IPPROTO_TCP && j->proto != IPPROTO_UDP && j->proto != IPPROTO_ICMP &&
	    j->proto != IPPROTO_ICMPV6)
		return NULL;
	if (n < 8 || (j->proto == IPPROTO_TCP && n < 20))
		return "transport header cut";
	if (j->proto == IPPROTO_UDP && get16(l4 + 6) == 0)
		return j->is_v6 ? "UDP over IPv6 without checksum" : NULL;
	if (j->proto == IPPROTO_UDP && get16(l4 + 4) != n)
		return "UDP length differs from the packet's";
	start = j->proto == IPPROTO_ICMP ? 0 : pseudo_sum(j->ip, j->is_v6, j->proto, n);
	if (frame_sum(l4, n, start) != 0xffff)
		return j->proto == IPPROTO_TCP   ? "TCP checksum wrong"
		       : j->proto == IPPROTO_UDP ? "UDP checksum wrong"
						 : "ICMP checksum wrong";
	if ((j->proto == IPPROTO_ICMP || j->proto == IPPROTO_ICMPV6) && is_icmp_error(j))
		return judge_ip(l4 + 8, n - 8, true);
	return NULL;
}

static const char *judge_ip(const uint8_t *ip, uint32_t have, bool is_quote)
{
	struct judged j = {.ip = ip, .have = have};
	const char *why;

	if (have == 0)
		return "no IP header";
	j.is_v6 = ip[0] >> 4 == 6;
	if (!j.is_v6 && ip[0] >> 4 != 4)
		return "neither IPv4 nor IPv6";
	why = j.is_v6 ? judge_ipv6(&j) : judge_ipv4(&j);
	if (why != NULL)
		return is_quote ? "quoted IP header wrong" : why;
	if (j.total > j.have)
		return is_quote ? NULL : "frame ends before the IP packet";
	if (j.is_fragment)
		return NULL;
	if (j.l4 > j.total)
		return is_quote ? NULL : "extension headers past the packet";
	why = judge_l4(&j);
	return why != NULL && is_quote ? "quoted packet's transport checksum wrong" : why;
}

static bool is_tag(uint16_t type)
{
	return type == TYPE_VLAN || type == 0x88a8 || type == 0x9100;
}

const char *frame_verify(const uint8_t *bytes, uint32_t len)
{
	uint32_t off = ETH_BYTES;

	if (len < ETH_BYTES)
		return "no Ethernet header";
	while (is_tag(get16(bytes + off - 2)) && len >= off + 4)
		off += 4;
	if (get16(bytes + off - 2) != TYPE_IPV4 && get16(bytes + off - 2) != TYPE_IPV6)
		return NULL;
	if (len > off && (bytes[off] >> 4 == 6) != (get16(bytes + off - 2) == TYPE_IPV6))
		return "IP version differs from the Ethernet type";
	return judge_ip(bytes + off, len - off, false);
}
