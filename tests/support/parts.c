#include "parts.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MORE4 0x2000u

static uint32_t header_bytes(const struct frame *f)
{
	const uint8_t *ip = f->room + FRAME_HEADROOM + f->l3_off;

	return f->is_v6 ? 40 : (ip[0] & 15u) * 4;
}

uint32_t parts_cut(const struct frame *whole, uint32_t id, uint32_t n_bytes,
		   struct frame parts[PARTS_MAX])
{
	uint32_t head = whole->l3_off + header_bytes(whole), n = 0;
	const uint8_t *bytes = whole->room + FRAME_HEADROOM;

	if (n_bytes == 0 || n_bytes % 8 != 0) {
		fprintf(stderr, "parts: %u bytes are no size\n", n_bytes);
		abort();
	}
	for (uint32_t at = head; at < whole->len; at += n_bytes) {
		bool is_more = at + n_bytes < whole->len;
		struct frame *f = &parts[n++];

		if (n > PARTS_MAX) {
			fprintf(stderr, "parts: too many\n");
			abort();
		}
		*f = *whole;
		f->len = head;
		f->l4_off = 0;
		if (f->is_v6) {
			uint8_t proto = *frame_at(f, f->l3_off + 6);

			f->next_off = f->l3_off + 6;
			frame_ipv6_fragment(f, (uint16_t)(at - head), is_more);
			frame_put32(f, f->len - 4, id);
			frame_put8(f, f->len - 8, proto);
		} else {
			frame_put16(f, f->l3_off + 4, (uint16_t)id);
			frame_ipv4_fragment(f, (uint16_t)(at - head), is_more);
		}
		f->next_off = 0;
		frame_bytes(f, bytes + at, is_more ? n_bytes : whole->len - at);
		frame_finish(f);
	}
	return n;
}

struct part {
	uint32_t head; /* bytes of the frame before its own */
	uint32_t off;
	uint32_t id;
	bool is_more;
};

static struct part read_part(const struct frame *f)
{
	uint32_t head = f->l3_off + header_bytes(f);
	uint16_t bits;

	if (f->is_v6) {
		bits = frame_get16(f, head + 2);
		return (struct part){head + 8, bits & 0xfff8u,
				     (uint32_t)frame_get16(f, head + 4) << 16 |
					     frame_get16(f, head + 6),
				     (bits & 1) != 0};
	}
	bits = frame_get16(f, f->l3_off + 6);
	return (struct part){head, (bits & 0x1fffu) * 8, frame_get16(f, f->l3_off + 4),
			     (bits & MORE4) != 0};
}

const char *parts_join(const struct frame *parts, uint32_t n, struct frame *whole)
{
	uint32_t have = 0, total = 0, addrs = parts->is_v6 ? 8 : 12,
		 n_addrs = parts->is_v6 ? 32 : 8;
	uint32_t head = parts->l3_off + header_bytes(parts);

	*whole = parts[0];
	whole->len = head;
	frame_fill(whole, FRAME_BYTES_MAX - head);
	for (uint32_t i = 0; i < n; i++) {
		const struct frame *f = &parts[i];
		struct part p = read_part(f), first = read_part(&parts[0]);

		if (p.id != first.id ||
		    memcmp(frame_at((struct frame *)(uintptr_t)f, f->l3_off + addrs),
			   frame_at(whole, whole->l3_off + addrs), n_addrs) != 0)
			return "a part is of another packet";
		if (head + p.off + f->len - p.head > FRAME_BYTES_MAX)
			return "a part lies past the end";
		memcpy(frame_at(whole, head + p.off),
		       frame_at((struct frame *)(uintptr_t)f, p.head), f->len - p.head);
		have += f->len - p.head;
		if (!p.is_more)
			total = p.off + f->len - p.head;
		if (p.off == 0 && f->is_v6)
			frame_put8(whole, whole->l3_off + 6,
				   *frame_at((struct frame *)(uintptr_t)f, head));
	}
	if (total == 0 || have != total)
		return "parts are missing or there twice";
	whole->len = head + total;
	if (!whole->is_v6)
		frame_ipv4_fragment(whole, 0, false);
	frame_finish(whole);
	return frame_verify(frame_at(whole, 0), whole->len);
}
