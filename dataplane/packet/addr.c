#include "lb/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#define V4_BITS 32u
#define V6_BITS 128u

static uint8_t family_bits(const struct lb_addr *a)
{
	return lb_addr_is_v4(a) ? V4_BITS : V6_BITS;
}

struct lb_addr lb_addr_mask(const struct lb_addr *a, uint8_t len)
{
	uint32_t keep = len + V6_BITS - family_bits(a);
	struct lb_addr out = *a;

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t first_bit = i * 32;

		if (keep <= first_bit)
			out.word_be[i] = 0;
		else if (keep - first_bit < 32)
			out.word_be[i] &= rte_cpu_to_be_32(~(UINT32_MAX >> (keep - first_bit)));
	}
	return out;
}

bool lb_prefix_contains(const struct lb_prefix *p, const struct lb_addr *a)
{
	struct lb_addr want, have;

	if (lb_addr_is_v4(&p->addr) != lb_addr_is_v4(a))
		return false;
	want = lb_addr_mask(&p->addr, p->len);
	have = lb_addr_mask(a, p->len);
	return lb_addr_equal(&want, &have);
}

int lb_addr_parse(const char *text, struct lb_addr *out)
{
	struct lb_addr a;
	uint32_t v4_be;

	if (inet_pton(AF_INET, text, &v4_be) == 1) {
		*out = lb_addr_from_v4(v4_be);
		return 0;
	}
	/* One address, one text: the mapped form is ours inside, not the user's. */
	if (inet_pton(AF_INET6, text, &a) != 1 || lb_addr_is_v4(&a))
		return -EINVAL;
	*out = a;
	return 0;
}

/* Plain decimal without sign, space or leading zeros. */
static int parse_len(const char *text, uint32_t max, uint8_t *out)
{
	uint32_t n = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		n = n * 10 + (uint32_t)(*c - '0');
		if (n > max)
			return -EINVAL;
	}
	*out = (uint8_t)n;
	return 0;
}

int lb_prefix_parse(const char *text, struct lb_prefix *out)
{
	const char *slash = strchr(text, '/');
	char addr_text[LB_ADDR_TEXT_MAX];
	struct lb_prefix p;
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);

	if (n >= sizeof(addr_text))
		return -EINVAL;
	memcpy(addr_text, text, n);
	addr_text[n] = '\0';
	if (lb_addr_parse(addr_text, &p.addr) < 0)
		return -EINVAL;
	p.len = family_bits(&p.addr);
	if (slash != NULL && parse_len(slash + 1, p.len, &p.len) < 0)
		return -EINVAL;
	*out = p;
	return 0;
}

const char *lb_addr_format(const struct lb_addr *a, char text[LB_ADDR_TEXT_MAX])
{
	/* Cannot fail: the room is that of the longest IPv6 text. */
	if (lb_addr_is_v4(a))
		inet_ntop(AF_INET, &a->word_be[3], text, LB_ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a, text, LB_ADDR_TEXT_MAX);
	return text;
}

const char *lb_prefix_format(const struct lb_prefix *p, char text[LB_PREFIX_TEXT_MAX])
{
	char addr_text[LB_ADDR_TEXT_MAX];

	snprintf(text, LB_PREFIX_TEXT_MAX, "%s/%u", lb_addr_format(&p->addr, addr_text), p->len);
	return text;
}
