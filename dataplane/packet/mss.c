#include "packet/mss.h"

#include "packet/checksum.h"

#define OPTION_END 0u
#define OPTION_NOTHING 1u
#define OPTION_MSS 2u
#define OPTION_MSS_BYTES 4u

/* A word at an odd offset lies across two of those that the checksum adds: its bytes count with
 * their places exchanged. */
static uint64_t put_anywhere(uint8_t *at, uint32_t off, uint16_t value)
{
	rte_be16_t before = lb_load_be16(at), after = rte_cpu_to_be_16(value);

	lb_store_be16(at, after);
	if (off % 2 != 0)
		return lb_checksum_diff16(rte_bswap16(before), rte_bswap16(after));
	return lb_checksum_diff16(before, after);
}

bool lb_mss_lower(struct lb_pkt *p, uint16_t mss)
{
	uint8_t *tcp = p->data + p->l4_off, *checksum = tcp + LB_TCP_CHECKSUM_OFF;
	uint32_t end = (uint32_t)(tcp[12] >> 4) * 4, off = LB_TCP_BYTES;
	uint64_t diff = 0;
	bool is_lowered = false;

	while (off < end && tcp[off] != OPTION_END) {
		uint32_t n = 1;

		if (tcp[off] != OPTION_NOTHING) {
			if (off + 2 > end || tcp[off + 1] < 2 || off + tcp[off + 1] > end)
				break;
			n = tcp[off + 1];
		}
		if (tcp[off] == OPTION_MSS && n == OPTION_MSS_BYTES &&
		    lb_load_u16(tcp + off + 2) > mss) {
			diff += put_anywhere(tcp + off + 2, off + 2, mss);
			is_lowered = true;
		}
		off += n;
	}
	if (is_lowered)
		lb_store_be16(checksum, lb_checksum_update(lb_load_be16(checksum), diff));
	return is_lowered;
}
